"""How an authority is spoken with over HTTP: whom to trust, and how much of what it says is heard."""

import atexit
import os
import tempfile
import time
from typing import Any, Final

import certifi
from acme import client, messages
from requests.adapters import HTTPAdapter
from requests.exceptions import ContentDecodingError, ReadTimeout

from pointsman.dialect.resolvers import ACME

NONCES: Final = 5
MAX_ANSWER: Final = 1 << 20
"""Bytes. A chain has some 10 kB."""
MAX_REDIRECTS: Final = 5
_CHUNK: Final = 65_536


class Network(client.ClientNetwork):
    """With more patience for nonces that are refused than the library has (RFC 8555 §6.5), and less for endless answers."""

    def __init__(self, key: Any, config: ACME, verify: Any, agent: str) -> None:
        super().__init__(key, user_agent=agent, timeout=max(1, round(config.client_response_header_timeout)))
        self.verify_ssl = verify
        self.retry_after: str | None = None
        """What the answer that came last says of when to ask again."""
        self.session.max_redirects = MAX_REDIRECTS
        self.session.mount("http://", _Bounded(config.client_timeout))
        self.session.mount("https://", _Bounded(config.client_timeout, config.ca_server_name))

    def _send_request(self, *arguments: Any, **settings: Any) -> Any:
        self.retry_after = None
        response = super()._send_request(*arguments, **settings)
        self.retry_after = response.headers.get("Retry-After")
        return response

    def _post_once(self, *arguments: Any, **settings: Any) -> Any:
        for _ in range(NONCES):
            try:
                return super()._post_once(*arguments, **settings)
            except messages.Error as error:
                if error.code != "badNonce":
                    raise
        return super()._post_once(*arguments, **settings)


class _Bounded(HTTPAdapter):
    """Answers of a size and a length of time that can be borne; over TLS maybe for another name than the address says."""

    def __init__(self, seconds: float, name: str = "") -> None:
        self._seconds = seconds
        self._name = name
        super().__init__()

    def init_poolmanager(self, *arguments: Any, **settings: Any) -> None:
        if self._name:
            settings |= {"server_hostname": self._name, "assert_hostname": self._name}
        super().init_poolmanager(*arguments, **settings)

    def send(self, *arguments: Any, **settings: Any) -> Any:
        end = time.monotonic() + self._seconds
        response: Any = super().send(*arguments, **{**settings, "stream": True})
        data = bytearray()
        while chunk := response.raw.read1(_CHUNK, decode_content=True):
            data += chunk
            if len(data) > MAX_ANSWER or time.monotonic() > end:
                response.close()
                if len(data) > MAX_ANSWER:
                    raise ContentDecodingError(f"more than {MAX_ANSWER} bytes")
                raise ReadTimeout
        response._content, response._content_consumed = bytes(data), True
        response.raw.release_conn()
        return response


def trust(config: ACME) -> Any:
    """True for the system's authorities, or a file of those that are trusted."""
    if not config.ca_certificates:
        return True
    texts = []
    for path in config.ca_certificates:
        try:
            with open(path, encoding="ascii") as file:
                texts.append(file.read(1 << 20))
        except (OSError, ValueError) as error:
            raise ValueError(f"caCertificates: {path} cannot be read: {getattr(error, 'strerror', error)}") from None
    if config.ca_system_cert_pool:
        with open(certifi.where(), encoding="utf-8") as file:
            texts.append(file.read())
    descriptor, name = tempfile.mkstemp(suffix=".pem")
    with open(descriptor, "w", encoding="utf-8") as bundle:
        bundle.write("\n".join(texts))
    atexit.register(_removed, name)
    return name


def _removed(path: str) -> None:
    if os.path.exists(path):
        os.unlink(path)
