"""The authentication server's URL: what is asked for there, and where its relative redirects lead."""

from base64 import b64encode
from urllib.parse import quote, unquote_to_bytes, urljoin, urlsplit

from attrs import frozen

from pointsman.errors import ConfigError, Problem

_AS_IT_IS = "/%:?#[]@!$&'()*+,;=~-._"


@frozen
class Address:
    """A URL, taken apart."""

    url: str
    """Without user and password."""
    target: bytes
    """Path and query."""
    authorization: bytes
    """What user and password in it stand for; b"" without any."""

    @classmethod
    def of(cls, text: str) -> "Address":
        """ConfigError at `address` for a text that is no URL to ask at."""
        text = text.strip()
        try:
            parts = urlsplit(text)
            usable = parts.scheme in ("http", "https", "h2c") and parts.hostname and parts.port != 0
        except ValueError:  # its words may hold a piece of the password
            usable = False
        if not usable:
            raise ConfigError(Problem("address", "this is no URL of a server; write it as http://host:port/path"))
        credentials, at, place = parts.netloc.rpartition("@")
        target = quote(parts.path or "/", safe=_AS_IT_IS) + (f"?{quote(parts.query, safe=_AS_IT_IS)}" if parts.query else "")
        return cls(f"{parts.scheme}://{place}{target}", target.encode(), _basic(credentials) if at else b"")

    def resolved(self, location: bytes) -> bytes:
        """A Location of an answer from there, absolute. ValueError if it cannot be made."""
        base = self.url.replace("h2c://", "http://", 1) if self.url.startswith("h2c:") else self.url
        return urljoin(base, location.decode("latin-1")).encode("latin-1")


def _basic(credentials: str) -> bytes:
    user, _, password = credentials.partition(":")
    return b"Basic " + b64encode(unquote_to_bytes(user) + b":" + unquote_to_bytes(password))
