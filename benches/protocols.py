"""The rows of every protocol but plain HTTP/1.1: TLS, HTTP/2, gRPC, WebSockets, TCP and UDP."""

from collections.abc import Callable
from typing import Any, Final

import load
from load import Echo, H2load, Handshakes, Wrk
from peers import Routes, Servers
from rows import Row, balanced, services

EVERYTHING: Final = "PathPrefix(`/`)"


def _certificate(servers: Servers) -> dict[str, Any]:
    files = {"certFile": str(servers.folder / "cert.pem"), "keyFile": str(servers.folder / "key.pem")}
    return {"certificates": [files], "stores": {"default": {"defaultCertificate": files}}}


def http(service: str, *, tls: bool, rule: str = "Host(`h0.example`)") -> Callable[[Servers], Routes]:
    """One router, with TLS or without."""

    def routes(servers: Servers) -> Routes:
        every = services(servers)
        every["echo"] = balanced(f"http://127.0.0.1:{servers.echo_port}")
        every["grpc"] = balanced(f"h2c://127.0.0.1:{servers.grpc_port}")
        router: dict[str, Any] = {"rule": rule, "service": service, **({"tls": {}} if tls else {})}
        found: dict[str, Any] = {"http": {"routers": {"all": router}, "services": {service: every[service]}}}
        return {**found, "tls": _certificate(servers)} if tls else found

    return routes


def tcp(*, tls: bool) -> Callable[[Servers], Routes]:
    def routes(servers: Servers) -> Routes:
        rule = "HostSNI(`h0.example`)" if tls else "HostSNI(`*`)"
        router: dict[str, Any] = {"rule": rule, "service": "echo", **({"tls": {}} if tls else {})}
        echo = {"loadBalancer": {"servers": [{"address": f"127.0.0.1:{servers.echo_port}"}]}}
        found: dict[str, Any] = {"tcp": {"routers": {"all": router}, "services": {"echo": echo}}}
        return {**found, "tls": _certificate(servers)} if tls else found

    return routes


def udp(servers: Servers) -> Routes:
    echo = {"loadBalancer": {"servers": [{"address": f"127.0.0.1:{servers.datagram_port}"}]}}
    return {"udp": {"routers": {"all": {"entryPoints": ["web"], "service": "echo"}}, "services": {"echo": echo}}}


def _haproxy(bind: str, server: str, mode: str = "http") -> str:
    forwarded = "  option forwardfor\n" if mode == "http" else "  option splice-auto\n"
    return f"""
frontend web
  mode {mode}
{forwarded}  bind 127.0.0.1:$port backlog 4096 {bind}
  default_backend all
backend all
  mode {mode}
  server all 127.0.0.1:{server}
"""


def _nginx(listen: str, pass_to: str, server: str = "$nginx", more: str = "") -> str:
    listen = listen.replace("ssl", "ssl backlog=4096", 1) if "ssl" in listen else f"{listen} backlog=4096"
    keys = "" if "ssl" not in listen else NGINX_KEYS
    return f"""
http {{
  access_log off; keepalive_requests 1000000000; keepalive_timeout 600s; client_max_body_size 0; sendfile on;
  proxy_buffering on; proxy_request_buffering off; proxy_http_version 1.1; proxy_set_header Connection "";
  proxy_max_temp_file_size 0;
  proxy_set_header Host $$host; proxy_set_header X-Forwarded-For $$proxy_add_x_forwarded_for;
  client_body_temp_path $folder/gw-body; proxy_temp_path $folder/gw-proxy;
  fastcgi_temp_path $folder/gw-fastcgi; uwsgi_temp_path $folder/gw-uwsgi; scgi_temp_path $folder/gw-scgi;
  upstream all {{ server 127.0.0.1:{server}; keepalive 512; keepalive_requests 1000000000; }}
  server {{
    listen 127.0.0.1:$port {listen};
{keys}    location / {{ {pass_to}; {more} }}
  }}
}}
"""


def _stream(listen: str, server: str) -> str:
    keys = "" if "ssl" not in listen else NGINX_KEYS
    return f"""
stream {{
  server {{
    listen 127.0.0.1:$port {listen};
{keys}    proxy_pass 127.0.0.1:{server};
  }}
}}
"""


NGINX_KEYS: Final = """
    ssl_certificate $folder/cert.pem; ssl_certificate_key $folder/key.pem; ssl_protocols TLSv1.2 TLSv1.3;
    ssl_session_tickets on;
"""
WITH_TLS: Final = "ssl crt $folder/both.pem"
WITH_H2: Final = f"{WITH_TLS} alpn h2,http/1.1"
PASS: Final = "proxy_pass http://all"
UPGRADING: Final = 'proxy_set_header Upgrade $$http_upgrade; proxy_set_header Connection "upgrade"; proxy_read_timeout 180s'

ROWS: Final = (
    Row(
        "tls",
        "TLS 1.3, kept alive, small GET",
        http("nginx", tls=True),
        Wrk(load.SAME, scheme="https"),
        _haproxy(WITH_TLS, "$nginx"),
        _nginx("ssl", PASS),
        against_traefik=0.5,
        against_haproxy=1.6,
    ),
    Row(
        "handshake",
        "TLS 1.3, a connection and a full handshake per request",
        http("nginx", tls=True, rule=EVERYTHING),
        Handshakes(resumed=False),
        _haproxy(WITH_TLS, "$nginx"),
        _nginx("ssl", PASS),
        against_traefik=1.0,
    ),
    Row(
        "resume",
        "TLS 1.3, a connection and a resumed session per request",
        http("nginx", tls=True, rule=EVERYTHING),
        Handshakes(resumed=True),
        _haproxy(WITH_TLS, "$nginx"),
        _nginx("ssl", PASS),
        against_traefik=1.0,
    ),
    Row(
        "download-tls",
        "10 MiB downloads over TLS 1.3",
        http("nginx", tls=True),
        Wrk(load.DOWNLOAD, 4, "https", "download"),
        _haproxy(WITH_TLS, "$nginx"),
        _nginx("ssl", PASS),
        per="MiB",
        against_traefik=1.0,
    ),
    Row(
        "upload-tls",
        "10 MiB uploads over TLS 1.3",
        http("sink", tls=True),
        Wrk(load.UPLOAD, 4, "https", "upload"),
        _haproxy(WITH_TLS, "$sink"),
        _nginx("ssl", PASS, "$sink"),
        per="MiB",
        against_traefik=1.0,
    ),
    Row(
        "h2",
        "HTTP/2 over TLS in, HTTP/1.1 out, 50 connections of 10 streams",
        http("nginx", tls=True),
        H2load("https"),
        _haproxy(WITH_H2, "$nginx"),
        _nginx("ssl http2", PASS),
        against_traefik=1.0,
    ),
    Row(
        "h2c",
        "HTTP/2 by prior knowledge in, HTTP/1.1 out",
        http("nginx", tls=False),
        H2load("http"),
        _haproxy("proto h2", "$nginx"),
        _nginx("http2", PASS),
        against_traefik=1.0,
    ),
    Row(
        "grpc",
        "a small gRPC call: HTTP/2 over TLS in, h2c out, with trailers",
        http("grpc", tls=True),
        H2load("https", grpc=True),
        _haproxy(WITH_H2, "$grpc proto h2"),
        _nginx("ssl http2", "grpc_pass grpc://all", "$grpc"),
        grpc=True,
        against_traefik=1.0,
    ),
    Row(
        "websocket",
        "WebSocket echo of 64 bytes",
        http("echo", tls=False),
        Echo("websocket"),
        _haproxy("", "$echo"),
        _nginx("", PASS, "$echo", f"{UPGRADING};"),
        per="message",
        against_traefik=1.0,
    ),
    Row(
        "websocket-tls",
        "the same over TLS 1.3",
        http("echo", tls=True),
        Echo("websocket", tls=True),
        _haproxy(WITH_TLS, "$echo"),
        _nginx("ssl", PASS, "$echo", f"{UPGRADING};"),
        per="message",
        against_traefik=1.0,
    ),
    Row(
        "tcp",
        "TCP, 64 bytes there and back",
        tcp(tls=False),
        Echo("tcp"),
        _haproxy("", "$echo", "tcp"),
        _stream("", "$echo"),
        per="message",
        against_traefik=1.0,
    ),
    Row(
        "tcp-bulk",
        "TCP, bytes from the server",
        tcp(tls=False),
        Echo("source", connections=4),
        _haproxy("", "$echo", "tcp"),
        _stream("", "$echo"),
        per="MiB",
        against_traefik=1.0,
    ),
    Row(
        "tls-tcp",
        "TCP with TLS 1.3 ended in the gateway, 64 bytes there and back",
        tcp(tls=True),
        Echo("tcp", tls=True),
        _haproxy(WITH_TLS, "$echo", "tcp"),
        _stream("ssl", "$echo"),
        per="message",
        against_traefik=1.0,
    ),
    Row(
        "tls-tcp-bulk",
        "the same, bytes from the server",
        tcp(tls=True),
        Echo("source", connections=4, tls=True),
        _haproxy(WITH_TLS, "$echo", "tcp"),
        _stream("ssl", "$echo"),
        per="MiB",
        against_traefik=1.0,
    ),
    Row(
        "udp",
        "UDP, 64 bytes there and back",
        udp,
        Echo("udp"),
        nginx=_stream("udp", "$datagrams"),
        per="datagram",
        against_traefik=1.0,
        datagrams=True,
    ),
)
