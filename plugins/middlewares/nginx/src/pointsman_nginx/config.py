"""What users write under each of the middlewares; names are those of Traefik, whose ingress-nginx provider sets them."""

from typing import Final

from attrs import Factory, frozen

from pointsman import Duration, FileOrContent, Url, allow_empty, option
from pointsman.dialect.client_tls import ClientTLS

ANSWER_SECONDS: Final = 60.0
"""nginx's `proxy_read_timeout`."""


@frozen
class RewriteTargetConfig:
    regex: str = option(default="", help="expression that the path must match, in any case; unset: every path")
    replacement: str = option(default="", help="path, or URL to redirect to, with $1 for what a group took")
    x_forwarded_prefix: str = option(default="", help="X-Forwarded-Prefix for servers, with $1 for what a group took")


@frozen
class AppRootConfig:
    path: str = option(default="", help="where requests for / are redirected to; begins with a slash")


@frozen
class UpstreamVHostConfig:
    v_host: str = option(default="", help="Host that servers see; variables allowed")
    vars: dict[str, str] = option(default=Factory(dict), help="variables of one's own: name with or without $, and value")


@frozen
class AuthTLSPassCertificateToUpstreamConfig:
    client_auth_type: str = option(default="", help="as in TLS options; RequestClientCert: certificates are checked here")
    ca_files: tuple[FileOrContent, ...] = option(default=(), help="authorities that certificates are checked against")


@frozen
class SnippetAuthConfig:
    address: Url = option(default=Url(""), repr=False, help="URL of who is asked; variables allowed")
    method: str = option(default="", help="method of the question; unset: GET")
    snippet: str = option(default="", help="directives for the question: proxy_set_header, more_set_input_headers ...")
    auth_response_headers: tuple[str, ...] = option(default=(), help="headers of a yes that go to servers")
    auth_signin_url: str = option("authSigninURL", default="", help="where a 401 sends clients; variables allowed")
    timeout: Duration = option(default=Duration(ANSWER_SECONDS), help="for the whole question")
    tls: ClientTLS = allow_empty(factory=ClientTLS)


@frozen
class SnippetConfig:
    server_snippet: str = option(default="", help="directives of the host")
    configuration_snippet: str = option(default="", help="directives of the location")
    auth: SnippetAuthConfig | None = option(default=None, help="who is asked whether a request may go on")
