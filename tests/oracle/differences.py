"""Every wanted difference from Traefik, with its reason. Nothing else may differ, and nothing declared here may be equal.

`BUGS` are those that are not wanted: such a case is expected to fail, and must leave this list when it no longer does.
"""

from attrs import frozen


@frozen
class Difference:
    """In `cases` these `aspects` differ; or, where Pointsman answers with another `status`, whatever follows from that."""

    reason: str
    cases: tuple[str, ...]
    aspects: tuple[str, ...] = ()
    status: bytes | str = b""


FORWARDED = (
    "accept-encoding",
    "host",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-proto",
    "x-forwarded-server",
    "x-real-ip",
)
"""What every request of a case brings to the server."""

DIFFERENCES: tuple[Difference, ...] = (
    # what is no request
    Difference(
        "a refusal states its length, so that a client need not wait for the close",
        (
            "framing/gzip-chunked",
            "framing/identity",
            "framing/length-empty",
            "framing/length-hexadecimal",
            "framing/length-list",
            "framing/length-negative",
            "framing/length-signed",
            "framing/length-too-big",
            "framing/length-underscore",
            "framing/two-lengths",
            "bad/bare-cr-in-value",
            "bad/colon-missing",
            "bad/control-in-target",
            "bad/control-in-value",
            "bad/expect-other",
            "bad/folded-first",
            "bad/garbage",
            "bad/head-too-large",
            "bad/method-empty",
            "bad/method-with-at",
            "bad/name-missing",
            "bad/name-non-ascii",
            "bad/nul-in-value",
            "bad/space-at-the-end",
            "bad/space-in-target",
            "bad/two-hosts",
            "bad/two-equal-hosts",
            "bad/two-spaces",
            "bad/version-lower-case",
            "bad/version-missing",
            "bad/version-other",
            "paths/bad-escape",
            "paths/form/relative",
            "paths/short-escape",
            "proxy/not-asked",
            "proxy/two-headers",
            "proxy/v1-lower-case",
            "tcp/plain-bytes-where-only-tls",
        ),
        ("header:content-length",),
    ),
    Difference(
        "the reason phrase is the standard one; what exactly was wrong stands in no answer",
        (
            "bad/host-list",
            "bad/host-with-at",
            "bad/host-with-non-ascii",
            "bad/host-with-slash",
            "bad/host-with-space",
            "bad/name-with-space",
            "bad/no-host",
            "bad/space-before-colon",
        ),
        status=b"400 Bad Request",
    ),
    Difference(
        "the reason phrase is the standard one",
        ("bad/version-0-9", "bad/version-2", "bad/version-3"),
        status=b"505 HTTP Version Not Supported",
    ),
    Difference(
        "only HTTP/1.0 and 1.1 are spoken, in their two spellings",
        ("bad/version-1-2", "bad/version-long"),
        status=b"505 HTTP Version Not Supported",
    ),
    Difference("one plain body for every refusal", ("framing/gzip-chunked", "framing/identity"), ("body",)),
    Difference("a refused Expect says so in its body, too", ("bad/expect-other",), ("body", "header:content-type")),
    Difference(
        "every member of Expect must be met, not any (RFC 9110 §10.1.1)",
        ("bad/expect-two",),
        status=b"417 Expectation Failed",
    ),
    Difference(
        "framing that two readers may read in two ways is refused (routing.md §6.1, RFC 9112 §6.3)",
        (
            "framing/chunked-and-length",
            "framing/chunked-on-http10",
            "framing/two-equal-lengths",
            "framing/two-transfer-encodings",
            "bad/bare-lf-line-in-the-middle",
            "bad/folded",
        ),
        status=b"400 Bad Request",
    ),
    Difference(
        "a body that is badly coded is the client's fault, not ours",
        (
            "framing/chunked-bad-size",
            "framing/chunked-huge-size",
            "framing/chunked-negative-size",
            "framing/chunked-too-long-chunk",
        ),
        status=b"400 Bad Request",
    ),
    Difference("empty lines before a request are skipped (RFC 9112 §2.2)", ("framing/empty-lines-first",), status=b"200 OK"),
    Difference(
        "a client that closes its sending side is gone: it gets no answer",
        ("framing/half-close-after-the-request", "framing/half-close-in-the-body", "framing/half-close-in-the-head"),
        status="closed",
    ),
    Difference(
        "the connection of a refused CONNECT goes on: nothing was tunnelled", ("framing/connect",), ("header:connection",)
    ),
    Difference(
        "a Content-Length of 0 is passed on where the client wrote it",
        ("framing/get-with-length-zero",),
        ("server-header:content-length",),
    ),
    Difference(
        "request trailers are forwarded (routing.md §9 row 14)",
        ("framing/chunked-trailers", "framing/chunked-unannounced-trailers", "h2/post-with-trailers"),
        ("server:trailers",),
    ),
    Difference(
        "a body that does not come in time is a 408 (operations.md §2.1)",
        ("limits/half-a-body-in-time",),
        status=b"408 Request Timeout",
    ),
    # HTTP/1.0
    Difference(
        "an answer carries the highest version we speak (RFC 9110 §2.5)",
        (
            "errors/cut-to-http10",
            "expect/http10",
            "headers/http10",
            "headers/http10-keep-alive",
            "headers/http10-without-host",
            "interim/103-to-http10",
            "paths/form/absolute-without-host-on-http10",
            "responses/chunked-to-http10",
            "responses/chunked-to-http10-kept",
            "responses/length-to-http10-kept",
            "responses/until-close-to-http10",
            "rules/host-missing-on-http10",
        ),
        ("version",),
    ),
    Difference(
        "and with that version, says that it closes",
        (
            "errors/cut-to-http10",
            "expect/http10",
            "headers/http10",
            "headers/http10-without-host",
            "interim/103-to-http10",
            "paths/form/absolute-without-host-on-http10",
            "responses/chunked-to-http10",
            "responses/chunked-to-http10-kept",
            "responses/until-close-to-http10",
            "rules/host-missing-on-http10",
        ),
        ("header:connection",),
    ),
    Difference("HTTP/1.0 has no interim responses (RFC 9110 §15.2)", ("interim/103-to-http10",), ("interim",)),
    # routing and targets
    Difference(
        "a Host whose port is no number is no host (RFC 9110 §7.2)", ("bad/host-with-bad-port",), status=b"400 Bad Request"
    ),
    Difference(
        "a path that another reading would take past a guarded router is refused (design.md §4)",
        ("paths/two-readings", "paths/two-readings-of-a-backslash"),
        status=b"400 Bad Request",
    ),
    Difference("a line of a rule may begin with && (routing.md §3.1)", ("rules/line-begins-with-and",), status=b"200 OK"),
    Difference(
        "an escape keeps its meaning beside a character that must be escaped: %2F never becomes a slash (routing.md §6.1)",
        ("paths/raw-characters-beside-escapes",),
        ("server:start",),
    ),
    Difference("an empty label is no label", ("rules/wildcard-empty-label",), status=b"404 Not Found"),
    Difference("a target with user information is refused", ("paths/form/absolute-with-user",), status=b"400 Bad Request"),
    Difference(
        "a target is a path or an http URL; `*` belongs to OPTIONS (RFC 9112 §3.2)",
        ("paths/form/absolute-other-scheme", "paths/form/star"),
        status=b"400 Bad Request",
    ),
    Difference(
        "refused like every other target that is none",
        ("paths/form/authority",),
        ("body", "fate", "header:connection", "header:content-length", "header:content-type"),
    ),
    Difference(
        "a parent with a service of its own is inactive (routing.md §9 row 16)",
        ("layers/parent-with-a-service",),
        status=b"404 Not Found",
    ),
    Difference("and so its middlewares never run", ("layers/parent-with-a-service-no-child",), ("header:x-router",)),
    # headers to the server
    Difference(
        "Accept-Encoding is not added (routing.md §6.3)", ("headers/no-accept-encoding",), ("server-header:accept-encoding",)
    ),
    Difference(
        "a managed header spelled with _ is nobody's to say (operations.md §2.3)",
        ("headers/forwarded-trusted-spellings",),
        ("server-header:x-forwarded_host", "server-header:x_forwarded_for", "server-header:x_real-ip"),
    ),
    Difference(
        "Forwarded of a client that is not trusted is dropped (routing.md §9 row 10)",
        ("headers/forwarded-rfc7239-untrusted", "h2/forwarded-from-client"),
        ("server-header:forwarded",),
    ),
    Difference(
        "and so are its X-Scheme and X-Forwarded-Scheme",
        ("headers/forwarded-scheme-untrusted",),
        ("server-header:x-forwarded-scheme", "server-header:x-scheme"),
    ),
    Difference(
        "TE stands in Connection as it must (RFC 9110 §10.1.4), and that is no reason to lose its trailers",
        ("headers/hop-by-hop-te-in-connection",),
        ("server-header:te",),
    ),
    Difference(
        "refused like every other bad head: the plain body, and the connection closes",
        ("headers/alias-rejected", "headers/alias-rejected-underscore", "headers/underscore-rejected"),
        ("body", "fate", "header:connection", "header:content-length", "header:x-content-type-options"),
    ),
    # the way back
    Difference(
        "a 304 may say how long the answer would be", ("responses/status-304-with-length",), ("header:content-length",)
    ),
    Difference(
        "no Content-Type is invented after an interim response (routing.md §6.1)",
        ("interim/103-before-no-content-type", "interim/103-before-404"),
        ("header:content-type",),
    ),
    Difference("a 100 that nobody waits for is not passed on", ("interim/100-unasked", "expect/body-at-once"), ("interim",)),
    Difference(
        "Sec-WebSocket-* has its RFC spelling both ways",
        ("upgrade/case-of-the-token", "upgrade/own-protocol", "upgrade/server-speaks-first", "upgrade/websocket"),
        ("header:sec-websocket-accept",),
    ),
    Difference(
        "middlewares edit a 101 like any other answer (routing.md §6.4)",
        ("upgrade/case-of-the-token", "upgrade/own-protocol", "upgrade/server-speaks-first", "upgrade/websocket"),
        ("header:x-router",),
    ),
    Difference(
        "middlewares edit a 101 like any other answer (routing.md §6.4)",
        ("middlewares/on-an-upgrade",),
        ("header:content-type", "header:server", "header:x-answer"),
    ),
    Difference(
        "what goes on as plain HTTP is not called a websocket",
        ("upgrade/list-with-h2c",),
        ("server-header:x-forwarded-proto",),
    ),
    Difference(
        "a server that does not speak HTTP is a bad gateway (routing.md §9 row 2)",
        (
            "errors/bad-length",
            "errors/bad-status",
            "errors/cut-after-an-interim",
            "errors/cut-in-the-head",
            "errors/cut-in-the-status-line",
            "errors/header-without-colon",
            "errors/negative-length",
            "errors/not-http",
            "errors/not-http-at-length",
            "errors/two-lengths",
            "errors/unknown-coding",
            "upgrade/other-protocol",
            "upgrade/unasked",
        ),
        status=b"502 Bad Gateway",
    ),
    Difference(
        "so is one that shows no certificate to trust, or does not speak the protocol of its URL (routing.md §9 row 2)",
        (
            "transport/default",
            "transport/h2c-to-http1",
            "transport/misnamed",
            "transport/no-http2-h2c",
            "transport/other-roots",
            "transport/spiffe",
            "transport/unnamed",
        ),
        status=b"502 Bad Gateway",
    ),
    Difference(
        "a server that does not speak HTTP is a bad gateway (routing.md §9 row 2)",
        ("retry/not-after-part-of-an-answer",),
        ("2.body", "2.header:content-length", "2.status"),
    ),
    Difference(
        "an answer that two readers may read in two ways is not passed on",
        (
            "errors/bare-lf",
            "errors/chunked-and-length",
            "errors/folded-header",
            "errors/header-name-with-space",
            "errors/version-2",
        ),
        status=b"502 Bad Gateway",
    ),
    Difference(
        "what the server sent before it broke off reaches the client, however little",
        ("errors/cut-before-the-body",),
        status=b"200 OK",
    ),
    Difference("the same over HTTP/2", ("h2/answer-cut", "h2/after-a-broken-answer"), status=b"200"),
    Difference(
        "an answer that depends on Origin says so to caches, a preflight too (middlewares.md §3.13)",
        (
            "middlewares/cors-any-preflight",
            "middlewares/cors-preflight",
            "middlewares/cors-preflight-method-only",
            "middlewares/cors-preflight-other-origin",
            "middlewares/cors-regex-preflight",
        ),
        ("header:vary",),
    ),
    # middlewares that redirect or rewrite
    Difference(
        "what a Location holds is printable ASCII, in the query too (RFC 9110 §10.2.2)",
        ("mw-redirect/spaces-in-query", "mw-redirect/unicode"),
        ("header:location",),
    ),
    Difference(
        "an escape keeps its meaning beside a character that must be escaped: %2F never becomes a slash (routing.md §6.1)",
        ("mw-redirect/spaces-and-escapes",),
        ("header:location",),
    ),
    Difference("hosts in brackets are redirected (D8)", ("mw-redirect/scheme-ip6-with-port",), status=b"302 Found"),
    Difference(
        "a removed prefix that no header can hold is the client's fault, as dots in the rest are",
        ("mw-path/strip-line-break",),
        status=b"400 Bad Request",
    ),
    Difference(
        "X-Replaced-Path says what was replaced here, and nothing that a client claims (D10)",
        ("mw-path/regex-no-match", "mw-path/replace-claimed"),
        ("server-header:x-replaced-path",),
    ),
    Difference(
        "nor does a client in another spelling", ("mw-path/replace-claimed-alias",), ("server-header:x_replaced_path",)
    ),
    Difference(
        "a path that was put together is canonical like any other: %2F stays, hexadecimal digits are upper case, what "
        "needs no escape has none, and configured dots are resolved when they are loaded (routing.md §6.1)",
        ("mw-path/new-dots", "mw-path/new-mixed", "mw-path/regex-made-escape", "mw-path/regex-made-line-break"),
        ("server:start",),
    ),
    Difference(
        "a request target begins with a slash (RFC 9112 §3.2.1), whatever a template makes of it",
        ("mw-path/regex-empty-matches",),
        ("server:start",),
    ),
    Difference(
        "an escape keeps its meaning beside what is added or taken off: %2F never becomes a slash (routing.md §6.1)",
        ("mw-path/add-escape-to-escape", "mw-path/forced/api%2Fx", "mw-path/prefix/api%2Fx"),
        ("server:start",),
    ),
    Difference(
        "what is left of a path is read decoded, as servers may read it: dots beside an escaped slash climb, too",
        ("mw-path/prefix/api/..%2fx",),
        status=b"400 Bad Request",
    ),
    Difference(
        "one slash at the seam is enough, and dots in a prefix are resolved when it is loaded (middlewares.md §3.1, §2.1)",
        ("mw-path/add-dots", "mw-path/add-slash"),
        ("server:start",),
    ),
    Difference("a path with a bad escape is refused when it is loaded (D16)", ("mw-path/new-bad",), status=b"404 Not Found"),
    # buffering and circuitBreaker
    Difference(
        "a request without a body is sent again like any other (middlewares.md D4)",
        ("buffering/again-without-a-body",),
        (
            "server:requests",
            *(f"server-{number}:{part}" for number in (2, 3) for part in ("start", "body")),
            *(f"server-{number}-header:{name}" for number in (2, 3) for name in FORWARDED),
        ),
    ),
    Difference(
        "the trailers of a request stay, and they need chunks",
        ("buffering/post-trailers",),
        ("server-header:content-length", "server-header:transfer-encoding", "server:trailers"),
    ),
    Difference("trailers are no headers", ("buffering/answer-trailers",), ("header:x-sum",)),
    Difference(
        "an answer that was in a file has a length like any other",
        ("buffering/filed-chunked",),
        ("header:content-length", "header:transfer-encoding"),
    ),
    Difference(
        "numbers are compared however they are written, and RequestThreshold() is there already (middlewares.md D6, §3.5)",
        (
            "expressions/expression-fractional-latency",
            "expressions/expression-threshold",
            "expressions/expression-whole-ratio",
        ),
        status=b"200 OK",
    ),
    # encodings
    Difference(
        "nobody asks servers for gzip in the place of clients that do not",
        ("encodings/default", "encodings/default-not-for-the-empty", "encodings/empty"),
        ("server-header:accept-encoding",),
    ),
    Difference(
        "gzip is as good as the others for `*` and as the default, and on a second line (middlewares.md D1)",
        ("encodings/second-line-gzip", "encodings/star"),
        ("header:content-encoding", "header:content-length"),
    ),
    Difference(
        "gzip is as good as the others for `*` and as the default, and on a second line (middlewares.md D1)",
        ("encodings/default-gzip",),
        ("header:content-encoding", "header:content-length", "server-header:accept-encoding"),
    ),
    Difference(
        "names of encodings have no case (middlewares.md §3.6)",
        ("encodings/upper-case",),
        ("header:content-encoding", "header:content-length", "header:vary"),
    ),
    Difference(
        "every encoding leaves parts and excluded types alone, also by first bytes alone (middlewares.md D2)",
        ("encodings/no-type-excluded-brotli", "encodings/no-type-included-brotli", "encodings/range-brotli"),
        ("header:content-encoding", "header:content-length"),
    ),
    Difference(
        "what is encoded means the same and is not the same, and has no ranges (middlewares.md §3.6)",
        ("encodings/etag",),
        ("header:etag",),
    ),
    Difference(
        "what is encoded means the same and is not the same, and has no ranges (middlewares.md §3.6)",
        ("encodings/etag-brotli",),
        ("header:accept-ranges", "header:etag"),
    ),
    Difference(
        "no-transform is honoured (middlewares.md §3.6)",
        ("encodings/no-transform",),
        ("header:content-encoding", "header:content-length"),
    ),
    Difference(
        "the type of the plain body is said for every encoding",
        ("encodings/typed-then-encoded-brotli",),
        ("header:content-type",),
    ),
    Difference(
        "Base64 may come in pieces, each padded for itself, as gRPC-Web says",
        ("grpc-web/text-in-pieces",),
        status=b"200 OK",
    ),
    Difference(
        "browsers show scripts nothing of a plain 502, so that the gateway's own refusals are gRPC statuses",
        ("grpc-web/refused",),
        status=b"200 OK",
    ),
    Difference(
        "an answer that is here as a whole says how long it is",
        ("grpc-web/failed", "grpc-web/only-trailers"),
        ("header:content-length", "header:transfer-encoding"),
    ),
    Difference(
        "names of headers that a preflight asks for come back as they were asked",
        ("grpc-web/preflight", "grpc-web/preflight-listed"),
        ("header:access-control-allow-headers",),
    ),
    # who is let in, how often, how many at a time
    Difference(
        "a zone is no part of a client's address, and what follows a colon is a port or nothing that anybody should trust",
        ("limiting/allow-depth/2001:db8::1%eth0", "limiting/allow-depth/1.1.1.1:", "limiting/allow-depth/1.1.1.1:x"),
        status=b"403 Forbidden",
    ),
    Difference(
        "an address is the same one in brackets, with a port, or written in IPv6, wherever an entry is looked at",
        (
            "limiting/allow-depth/[2001:db8::1]",
            "limiting/allow-excluded/1.1.1.1, 10.1.1.1:80",
            "limiting/allow-subnet/::ffff:1.1.1.1",
            "limiting/allow-subnet/[2001:db8::5]:80",
        ),
        status=b"200 OK",
    ),
    Difference(
        "another port or other capitals are no other source: whoever varies them would never be refused",
        ("limiting/rate-host-port", "limiting/rate-host-capitals", "limiting/rate-depth-port"),
        ("1.status", "1.refusal"),
    ),
    Difference(
        "who is refused because too many are in flight is told when to come again",
        ("limiting/flight-0",),
        ("header:retry-after",),
    ),
    Difference("the same, while one is under way", ("limiting/flight-1",), ("second:headers",)),
    Difference("a limit below nothing cannot be meant", ("limiting/flight-negative",), status=b"404 Not Found"),
    # TLS and entry points
    Difference(
        "the generated certificate is ECDSA, which costs less; who offers only RSA suites brings a certificate",
        ("tls/rsa-suite-only",),
        ("connection",),
    ),
    Difference(
        "a TLS client is greeted before its server is dialled, so that what a client gets wrong costs no server anything",
        (
            "tcp/no-server",
            "tcp/second-server-after-a-dead-one",
            "tcp/server-refuses",
            "tcp/to-a-server-with-tls-unverified",
        ),
        ("connection",),
    ),
    Difference(
        "a server has 100 ms to answer after the client's end; the reference means that, but takes 0 (routing.md §9)",
        ("tcp/half-closed",),
        ("rest",),
    ),
    Difference(
        "a PROXY header that says nothing of the addresses is as good as LOCAL; a receiver is free to accept it",
        ("proxy/v2-unspecified",),
        status=b"200 OK",
    ),
    Difference("IPv4 addresses are not TCP6", ("proxy/v1-other-family",), status="closed"),
    # HTTP/2
    Difference("who sends more header than may be is told to calm down", ("h2/header-too-large",), ("fate",)),
    Difference("the value of Trailer is the client's own", ("h2/post-with-trailers",), ("server-header:trailer",)),
    Difference(
        "Expect is between the client and the server, as over HTTP/1", ("h2/expect",), ("interim", "server-header:expect")
    ),
    Difference(
        "a malformed request is a stream error (RFC 9113 §8.1.1): fields of a connection, spaces around a value or in the "
        "path, a Host that is not the authority, a body that is not as long as was said",
        (
            "h2/bad/connection",
            "h2/bad/keep-alive",
            "h2/bad/length-too-big",
            "h2/bad/path-with-space",
            "h2/bad/space-around-value",
            "h2/bad/transfer-encoding",
            "h2/bad/upgrade",
            "h2/host-that-differs",
            "h2/te-gzip",
        ),
        status=b"reset 1",
    ),
    Difference(
        "what would be refused over HTTP/1 is refused in the same words",
        (
            "h2/bad/authority-with-path",
            "h2/bad/authority-with-user",
            "h2/bad/bad-escape",
            "h2/bad/length-no-number",
            "h2/bad/no-authority",
            "h2/bad/two-lengths",
        ),
        status=b"400",
    ),
    Difference(
        "a redirection keeps an IPv6 host as it is, where the reference fails",
        ("redirect/ipv6",),
        status=b"301 Moved Permanently",
    ),
    # forwardAuth
    Difference(
        "a client that does not say what it is is not said to be a library (middlewares.md §7, D11)",
        ("forwardauth/no-user-agent-legacy", "forwardauth/told-anonymous"),
        ("server-header:user-agent",),
    ),
    Difference(
        "what some servers take for a managed header is the client's word too (middlewares.md §7, D10)",
        ("forwardauth/headers-spelled",),
        ("server-2-header:x_auth_user",),
    ),
    Difference(
        "a refusal streams, framed as it came",
        ("forwardauth/no-chunked",),
        ("header:content-length", "header:transfer-encoding"),
    ),
    Difference(
        "what the authentication server names in Connection is about its connection (RFC 9110 §7.6.1)",
        ("forwardauth/about-the-servers-connection",),
        ("header:x-b",),
    ),
    Difference(
        "cookies of the service keep attributes that the gateway does not know",
        ("forwardauth/cookies-with-news",),
        ("header:set-cookie",),
    ),
    # errors
    Difference(
        "no request headers are none (middlewares.md §7, D3)",
        ("pages/404-none",),
        tuple(
            f"server-2-header:{name}"
            for name in (
                "accept",
                "accept-encoding",
                "cookie",
                "user-agent",
                "x-a",
                "x-forwarded-host",
                "x-forwarded-port",
                "x-forwarded-proto",
                "x-forwarded-server",
                "x-real-ip",
            )
        ),
    ),
    Difference(
        "whoever has the pages learns who the client is, as every service does (middlewares.md §7, D14)",
        ("pages/404-chained", "pages/forwarded-for"),
        ("server-2-header:x-forwarded-for",),
    ),
    Difference("headers of a 103 stay with it (middlewares.md §7, D14)", ("pages/early",), ("header:link",)),
    Difference(
        "an upgrade is not asked for with a page (middlewares.md §7, D14)",
        ("pages/upgrade-refused",),
        ("server-2-header:connection", "server-2-header:upgrade"),
    ),
    Difference(
        "a page is wanted whole, whatever the client has or wants of what it asked for",
        ("pages/conditions",),
        ("server-2-header:if-none-match", "server-2-header:range"),
    ),
    # basicAuth, digestAuth, passTLSClientCert
    Difference("a realm is escaped (RFC 9110 §5.6.4)", ("auth/basic-realm-with-a-quote",), ("header:www-authenticate",)),
    Difference(
        "who asks is told by the gateway alone, however a server reads the name (middlewares.md §7, D10)",
        ("auth/basic-told-an-alias",),
        ("server-header:x_webauth-user",),
    ),
    Difference(
        "credentials that nobody looked at do not go on",
        ("auth/basic-first-line-counts",),
        ("server-header:authorization",),
    ),
    Difference(
        "counts begin with 1 (RFC 7616 §3.4); the reference lets 0 come as often as it likes",
        ("auth/digest-count-zero",),
        status=b"401 Unauthorized",
    ),
    Difference(
        "who knows the password and comes with a nonce from before a restart is not asked for it again (RFC 7616 §3.3)",
        ("auth/digest-unknown-nonce",),
        ("header:www-authenticate",),
    ),
    Difference(
        "an answer is good for the target it was made for, and not for all below it (middlewares.md §3.8, 3)",
        ("auth/digest-uri-is-the-root", "auth/digest-uri-without-query"),
        status=b"401 Unauthorized",
    ),
    Difference(
        "what a client says of its certificate is always removed (middlewares.md §7, D9)",
        ("auth/certificate-plain-trusted",),
        ("server-header:x-forwarded-tls-client-cert", "server-header:x-forwarded-tls-client-cert-info"),
    ),
    # retry
    Difference(
        "early hints reach the client at once, where the attempt they belong to cannot be given up any more",
        ("again/early-hints",),
        ("interim",),
    ),
    # access logs
    Difference(
        "nothing was packed where the gateway answered itself (operations.md §3.3)",
        (
            "accesslog/json/no-router",
            "accesslog/json/auth-wrong",
            "accesslog/json/auth-two-lines",
            "accesslog/json/auth-none",
            "accesslog/json/redirected",
            "accesslog/json/no-server",
        ),
        ("GzipRatio",),
    ),
    Difference(
        "a header that was not sent has no value either",
        ("accesslog/json/agent", "accesslog/json/refused"),
        ("downstream_Content-Type", "origin_Content-Type"),
    ),
    Difference("the same", ("accesslog/json/redirected",), ("downstream_Content-Type",)),
    Difference("nobody is `-`, in every format", ("accesslog/json/auth-none",), ("ClientUsername",)),
    Difference("a name with a line break is nobody's", ("accesslog/json/auth-two-lines",), ("ClientUsername",)),
    Difference(
        "what the server said, before middlewares edit it",
        ("accesslog/json/edited",),
        ("origin_X-Answer", "origin_X-Own"),
    ),
    Difference(
        "what the server sent is counted where it sent it (operations.md §3.3)",
        ("accesslog/json/compressed",),
        (
            "DownstreamContentSize",
            "GzipRatio",
            "OriginContentSize",
            "origin_Content-Encoding",
            "origin_Content-Length",
            "origin_Vary",
        ),
    ),
    Difference("another encoder", ("accesslog/common/compressed",), ("line",)),
    Difference(
        "the target as the client sent it: whoever tries something is seen", ("accesslog/json/dots",), ("RequestPath",)
    ),
    Difference("the same", ("accesslog/common/dots",), ("line",)),
    Difference(
        "nobody ends a line or a quoted item from within (operations.md §3.3)",
        ("accesslog/common/auth-two-lines",),
        ("line",),
    ),
    # providers
    Difference(
        "405 says which method there is (RFC 9110 §15.5.6)",
        ("rest/post", "rest/get", "rest/head", "rest/get-other"),
        ("header:allow",),
    ),
    Difference(
        "the echo is what was sent, without fields that nobody named",
        ("rest/service", "rest/clear"),
        ("body", "header:content-length"),
    ),
    Difference(
        "a refusal says where, and what was expected",
        ("rest/no-json", "rest/no-body", "rest/list", "rest/wrong-type"),
        ("body", "header:content-length"),
    ),
    Difference("numbers may be text, as in files", ("rest/number-as-text",), status=b"200 OK"),
    Difference(
        "what can be read in two ways is refused", ("rest/two-documents", "rest/key-twice"), status=b"400 Bad Request"
    ),
    Difference("blocks that say nothing are refused, as in files", ("rest/empty-block",), status=b"400 Bad Request"),
    Difference(
        "what is left out has its default, as in files; `compress` has no encodings there",
        ("rest-live/defaults",),
        ("packed",),
    ),
    # what ingress-nginx asks for
    Difference(
        "the whole path becomes the URL, as nginx does it, and no path with a URL in it",
        ("nginx/target-away//zz/old/x",),
        ("header:location",),
    ),
    Difference("a path begins with a slash", ("nginx/target-empty//apix",), ("server:start",)),
    Difference(
        "a path that climbs behind an escaped slash is refused, as by other middlewares (middlewares.md §2.1)",
        ("nginx/target-empty//api/..%2fx",),
        status=b"400 Bad Request",
    ),
    Difference("a Location holds no spaces", ("nginx/root-variables-space",), ("header:location",)),
    Difference("no server is asked with a Host that is none", ("nginx/vhost-said-badly",), status=b"400 Bad Request"),
    Difference(
        "as in nginx, a variable that some `set` names is empty until it is set",
        ("nginx/set-never",),
        ("server-header:x-x",),
    ),
    Difference("as in nginx, single quotes are quotes", ("nginx/quotes",), ("server-header:x-a",)),
    Difference("as in nginx, words in quotes may hold spaces in a condition, too", ("nginx/if/2",), ("server-header:k",)),
    Difference("as in nginx, the first return counts", ("nginx/return-if",), status=b"418 I'm a teapot"),
    Difference(
        "as in nginx, the client's query goes on behind the one that is written",
        ("nginx/rewrite-query/more",),
        ("server:start",),
    ),
    Difference("as in nginx, a redirection by rewrite keeps the query", ("nginx/rewrite-away/query",), ("header:location",)),
    Difference(
        "as in nginx, `break` ends the rewriting and no more: a deny beside it applies",
        ("nginx/rewrite-deny",),
        status=b"403 Forbidden",
    ),
    Difference(
        "as in nginx, the longest prefix is the location", ("nginx/location-longest",), ("body", "header:content-length")
    ),
    Difference("as in nginx, proxy_set_header can say the Host", ("nginx/proxy-host",), ("server-header:host",)),
    Difference("proxy_hide_header hides", ("nginx/hidden/200", "nginx/hidden/404"), ("header:x-up",)),
    Difference(
        "as in nginx, failures do not expire later",
        ("nginx/expires-epoch/404", "nginx/expires-max/404"),
        ("header:cache-control", "header:expires"),
    ),
    Difference("as in nginx, an empty value adds no header", ("nginx/added-empty",), ("header:a",)),
    Difference("as in nginx, the server's answer can be spoken of", ("nginx/more-upstream",), ("header:was",)),
    Difference(
        "as ingress-nginx does, and so that clients cannot: the question tells what was asked for",
        (
            "nginx/auth/yes",
            "nginx/auth/401",
            "nginx/auth/403",
            "nginx/auth/302",
            "nginx/auth/500",
            "nginx/auth/post",
            "nginx/auth-signin",
            "nginx/auth-signin/403",
            "nginx/auth-signin-rd",
            "nginx/auth-variables",
            "nginx/auth-set",
            "nginx/auth-snippet",
            "nginx/auth-headers",
        ),
        ("server-header:x-auth-request-redirect", "server-header:x-original-method", "server-header:x-original-url"),
    ),
    Difference("as in nginx, refusals have the headers of all answers", ("nginx/auth-headers",), ("header:a",)),
    Difference(
        "the service with the pages is told who the client is", ("nginx/pages",), ("server-2-header:x-forwarded-for",)
    ),
)

BUGS: dict[str, str] = {}


def declared_for(case: str) -> tuple[frozenset[str], bytes | str]:
    """The aspects in which a case may differ, and the status if it is another one."""
    found = [difference for difference in DIFFERENCES if case in difference.cases]
    status = next((difference.status for difference in found if difference.status), b"")
    return frozenset(aspect for difference in found for aspect in difference.aspects), status
