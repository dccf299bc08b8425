"""Who is let in, what clients are asked and what servers are told (middlewares.md §3.2, §3.8, §3.16)."""

import base64
import datetime
import hashlib
import ipaddress
import re
import tempfile
from functools import cache
from pathlib import Path

import pytest_asyncio
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from .certificates import authority_pem, client_file, pair
from .harness import ANSWER, ORACLE, Hello, Told, arena_of, balancer, both_agree, case, dialled, get, seen_by_server

pytestmark = ORACLE

SHA = "{SHA}qUqP5cyxm6YcTAhz05Hph5gvu9M="
BCRYPT = "$04$kMfb/0BiS6FIFy4SiAv/C.E2yWI7/rUlH2OA7HSDHfb9VCcwA11eO"
LONG = "kMfb/0BiS6FIFy4SiAv/C.fT812O79sk9Hae4KMhPVkDWsRTIWO6O"
HASHES = {
    "apr1": "$apr1$H6uskkkW$IgXLP6ewTrSuBkTrqE8wj/",
    "md5": "$1$saltsalt$tTWg0JeO/sYmHvtKmZE8c.",
    "sha": SHA,
    **{f"bcrypt-{letter}": f"$2{letter}{BCRYPT}" for letter in "abxy"},
    "plain": "test",
    "sha512": "$6$saltsalt$" + "a" * 86,
    "ssha": "{SSHA}qUqP5cyxm6YcTAhz05Hph5gvu9M=",
    "empty": "",
}


def basic(name, password="test"):
    return "Authorization: Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()


def md5(text):
    return hashlib.md5(text.encode()).hexdigest()


def with_basic(host, *lines):
    return get("/", f"{host}.test", *lines)


CASES = [
    *(case(f"auth/basic-{kind}", with_basic("basic", basic(kind))) for kind in HASHES),
    *(case(f"auth/basic-{kind}-wrong", with_basic("basic", basic(kind, "no"))) for kind in HASHES),
    case("auth/basic-none", with_basic("basic")),
    case("auth/basic-head", get("/", "basic.test", method="HEAD")),
    case("auth/basic-unknown", with_basic("basic", basic("nobody"))),
    case("auth/basic-other-scheme", with_basic("basic", "Authorization: Bearer abc")),
    case("auth/basic-scheme-in-another-case", with_basic("basic", basic("sha").replace("Basic", "bASIC"))),
    case("auth/basic-no-base64", with_basic("basic", "Authorization: Basic ***")),
    case("auth/basic-no-colon", with_basic("basic", "Authorization: Basic YWJj")),
    case("auth/basic-nothing-after-the-scheme", with_basic("basic", "Authorization: Basic")),
    case("auth/basic-first-line-counts", with_basic("basic", basic("sha"), basic("nobody"))),
    case("auth/basic-second-line-does-not", with_basic("basic", basic("nobody"), basic("sha"))),
    case("auth/basic-colons-in-the-password", with_basic("basic", basic("sha", "a:b:c"))),
    case("auth/basic-long-password", with_basic("basic", basic("long", "x" * 72 + "more"))),
    case("auth/basic-empty-name", with_basic("basic", basic(""))),
    case("auth/basic-realm", with_basic("realm")),
    case("auth/basic-empty-realm", with_basic("emptyrealm")),
    case("auth/basic-realm-with-a-quote", with_basic("quoted")),
    case("auth/basic-told", with_basic("told", basic("ann"), "x-webauth-user: root", "X-Other: 1")),
    case("auth/basic-told-an-alias", with_basic("told", basic("ann"), "X_WebAuth-User: root")),
    case("auth/basic-without-header", with_basic("removed", basic("ann"))),
    case(
        "auth/basic-body-not-read",
        [get("/", "basic.test", "Expect: 100-continue", "Content-Length: 5", method="POST"), ANSWER],
        probe=False,
    ),
    case("auth/basic-file", with_basic("file", basic("bob"))),
    case("auth/basic-file-inline-wins", with_basic("file", basic("ann", "inline"))),
    case("auth/basic-file-inline-hides", with_basic("file", basic("ann", "test"))),
    *(
        case(f"auth/basic-broken-{kind}", with_basic(f"broken-{kind}", basic("ann")))
        for kind in ("nobody", "colons", "bare", "nowhere")
    ),
    *(case(f"auth/digest-broken-{kind}", with_basic(f"digest-broken-{kind}")) for kind in ("colon", "colons")),
]


def digested(name, *rounds, host="digest", path="/x?y=1", uri=None, method="GET", lines=(), **changes):
    """A client that is challenged once and then answers: a round is a count, or a count and what is different then."""

    async def story(arena, running):
        arena.upstream.requests.clear()
        arena.upstream.answers(*[[b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"]] * len(rounds))
        async with dialled(running.port(), None) as client:
            await client.play([get(path, f"{host}.test"), ANSWER])
            asked = parameters(client.aspects)
            if rounds:
                client.aspects, client.answers = {}, 0
            for each in rounds:
                nc, more = each if isinstance(each, tuple) else (each, {})
                said = answer_to(asked, **{"uri": uri or path, "nc": nc, "method": method} | changes | more)
                await client.play([get(path, f"{host}.test", said, *lines, method=method), ANSWER])
            return {name: told(value) for name, value in (client.aspects | seen_by_server(arena.upstream.requests)).items()}

    return Told(f"auth/digest-{name}", story)


def parameters(aspects):
    ((_, value),) = aspects["header:www-authenticate"]
    return dict(re.findall(r'(\w+)="([^"]*)"', value.decode()))


def told(value):
    """Without what is another one each time."""
    if isinstance(value, bytes):
        return re.sub(rb'(nonce|opaque|response)="[^"]*"', rb'\1="?"', value)
    return [tuple(map(told, each)) for each in value] if isinstance(value, list) else value


def answer_to(asked, uri, nc, method="GET", user="ann", password="test", realm="traefik", **changes):
    said = {"username": user, "realm": realm, "nonce": asked["nonce"], "uri": uri, "opaque": asked["opaque"]}
    said |= {"algorithm": "MD5", "qop": "auth", "nc": nc, "cnonce": "c"}
    hashed = md5(f"{user}:{realm}:{password}")
    nonce = changes.get("nonce", asked["nonce"])
    said["response"] = md5(f"{hashed}:{nonce}:{nc}:c:auth:{md5(f'{method}:{uri}')}")
    said = {name: value for name, value in (said | changes).items() if value is not None}
    return "Authorization: Digest " + ", ".join(
        f"{name}={value}" if name in ("algorithm", "qop", "nc") else f'{name}="{value}"' for name, value in said.items()
    )


ONE, THREE, FIVE = "00000001", "00000003", "00000005"
DIGEST = [
    digested("challenge"),
    digested("counts", ONE, ONE, FIVE, THREE),
    digested("count-zero", "00000000"),
    digested("wrong-password", ONE, password="no"),
    digested("unknown-user", ONE, user="nobody"),
    digested("other-realms-user", ONE, user="eve", realm="other"),
    digested("no-algorithm", ONE, algorithm=None),
    digested("other-algorithm", ONE, algorithm="SHA-256"),
    digested("no-qop", ONE, qop=None),
    digested("other-qop", ONE, qop="auth-int"),
    digested("other-opaque", ONE, opaque="x"),
    digested("unknown-nonce", ONE, nonce="abcdefghijklmnop"),
    digested("other-uri", ONE, uri="/z"),
    digested("uri-without-query", ONE, uri="/x"),
    digested("uri-is-the-root", ONE, uri="/"),
    digested("post", ONE, method="POST"),
    digested("escapes", ONE, path="/a%2Fb", uri="/a%2Fb"),
    digested("escapes-in-lower-case", ONE, path="/a%2fb", uri="/a%2fb"),
    digested("stripped", ONE, host="stripped", path="/api/x", uri="/x"),
    digested("stripped-original-uri", ONE, host="stripped", path="/api/x", uri="/api/x"),
    digested("told", ONE, host="digest-told", lines=["X-WebAuth-User: root"]),
    digested("bad-count", "zz"),
    digested("nobody", ONE, host="digest-nobody"),
    digested("broken-parameters", (ONE, {"cnonce": '" x'})),
]

NAME = [
    (NameOID.COMMON_NAME, "client.t"),
    (NameOID.COUNTRY_NAME, "FR"),
    (NameOID.DOMAIN_COMPONENT, "org"),
    (NameOID.ORGANIZATION_NAME, 'Cheese, "Inc"; +x é'),
    (NameOID.COUNTRY_NAME, "US"),
    (NameOID.DOMAIN_COMPONENT, "cheese"),
    (NameOID.LOCALITY_NAME, "L1"),
    (NameOID.STATE_OR_PROVINCE_NAME, "ST1"),
    (NameOID.ORGANIZATIONAL_UNIT_NAME, "OU1"),
    (NameOID.ORGANIZATIONAL_UNIT_NAME, "OU2"),
    (NameOID.SERIAL_NUMBER, "9"),
    (NameOID.COMMON_NAME, "last.t"),
]
SANS = [
    x509.UniformResourceIdentifier("https://u.t/x?y=%20"),
    x509.IPAddress(ipaddress.ip_address("10.1.2.3")),
    x509.IPAddress(ipaddress.ip_address("2001:db8::1")),
    x509.DNSName("a.t"),
    x509.RFC822Name("me@x.t"),
    x509.DNSName("*.b.t"),
]
ISSUER = ["domainComponent", "country", "province", "locality", "organization", "serialNumber", "commonName"]
ALL = {
    **dict.fromkeys(["serialNumber", "notBefore", "notAfter", "sans"], True),
    "subject": dict.fromkeys([*ISSUER, "organizationalUnit"], True),
    "issuer": dict.fromkeys(ISSUER, True),
}
PASSING = {
    "pem": {"pem": True},
    "all": {"pem": True, "info": ALL},
    "some": {"info": {"notAfter": True, "sans": True, "subject": {"country": True, "commonName": True}}},
    "issuer": {"info": {"issuer": {"organization": True}}},
}


@cache
def folder():
    return tempfile.TemporaryDirectory(prefix="pointsman-oracle-")


@cache
def rich_file():
    """A certificate that says much, its key, and an authority's in its chain, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(oid, value) for oid, value in NAME])
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 78187493520)
        .not_valid_before(datetime.datetime.fromtimestamp(1767323045, datetime.UTC))
        .not_valid_after(datetime.datetime.fromtimestamp(1893456000, datetime.UTC))
        .add_extension(x509.SubjectAlternativeName(SANS), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path = Path(folder().name) / "rich.pem"
    path.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM) + authority_pem().encode())
    return path


def shown(kind, certificate, *lines):
    return get("/", f"{kind}.pass.test", *lines), Hello("pass.test", certificate=certificate)


def passed(name, kind, file, *lines):
    request, hello = shown(kind, file, *lines)
    return case(f"auth/certificate-{name}", request, hello=hello)


SPOOFED = ("X-Forwarded-Tls-Client-Cert: spoofed", "X-Forwarded-Tls-Client-Cert-Info: spoofed")
CERTIFICATES = [
    *(passed(f"{kind}-rich", kind, rich_file()) for kind in PASSING),
    *(passed(f"{kind}-usual", kind, client_file()) for kind in PASSING),
    *(passed(f"{kind}-none", kind, None) for kind in PASSING),
    passed("spoofed", "all", client_file(), *SPOOFED),
    passed("spoofed-without", "all", None, *SPOOFED),
    case("auth/certificate-plain-trusted", get("/", "plain.pass.test", *SPOOFED), entry_point="trusting"),
]


def dynamic(url, closed):
    file = Path(folder().name) / "users"
    file.write_bytes(f"# staff\r\n\r\n  ann:{SHA}  \r\nbob:{SHA}\r\n".encode())
    inline = "{SHA}" + base64.b64encode(hashlib.sha1(b"inline").digest()).decode()
    users = [f"{kind}:{hashed}" for kind, hashed in HASHES.items()]
    digest = {"users": [f"ann:traefik:{md5('ann:traefik:test')}", f"eve:other:{md5('eve:other:test')}"]}
    one = [f"ann:{SHA}"]
    long = "long:$2b$04$" + LONG
    middlewares = {
        "basic": {"basicAuth": {"users": [*users, f":{SHA}", long]}},
        "realm": {"basicAuth": {"users": one, "realm": "the shop"}},
        "emptyrealm": {"basicAuth": {"users": one, "realm": ""}},
        "quoted": {"basicAuth": {"users": one, "realm": 'a "b"'}},
        "told": {"basicAuth": {"users": one, "headerField": "X-WebAuth-User"}},
        "removed": {"basicAuth": {"users": one, "headerField": "X-Forwarded-User", "removeHeader": True}},
        "file": {"basicAuth": {"usersFile": str(file), "users": [f"ann:{inline}"]}},
        "broken-nobody": {"basicAuth": {"realm": "x"}},
        "broken-colons": {"basicAuth": {"users": ["ann:a:b"]}},
        "broken-bare": {"basicAuth": {"users": ["ann"]}},
        "broken-nowhere": {"basicAuth": {"usersFile": "/nowhere/users"}},
        "digest": {"digestAuth": digest},
        "digest-told": {"digestAuth": {**digest, "headerField": "X-WebAuth-User", "removeHeader": True}},
        "digest-nobody": {"digestAuth": {"realm": "traefik"}},
        "digest-broken-colon": {"digestAuth": {"users": ["ann:traefik"]}},
        "digest-broken-colons": {"digestAuth": {"users": ["ann:traefik:x:y"]}},
        "strip": {"stripPrefix": {"prefixes": ["/api"]}},
        **{f"pass-{kind}": {"passTLSClientCert": options} for kind, options in PASSING.items()},
    }
    routers = {name: {"rule": f"Host(`{name}.test`)", "middlewares": [name]} for name in middlewares}
    routers["stripped"] = {"rule": "Host(`stripped.test`)", "middlewares": ["strip", "digest"]}
    routers["plain"] = {"rule": "Host(`plain.pass.test`)", "middlewares": ["pass-all"]}
    for kind in PASSING:
        routers[f"pass-{kind}"] = {"rule": f"Host(`{kind}.pass.test`)", "middlewares": [f"pass-{kind}"]}
        routers[f"pass-{kind}"]["tls"] = {"options": "asking"}
    routers["pass"] = {"rule": "Host(`pass.test`)", "tls": {"options": "asking"}}
    return {
        "http": {
            "routers": {name: {"service": "echo", **router} for name, router in routers.items()},
            "middlewares": middlewares,
            "services": {"echo": balancer(url)},
        },
        "tls": {
            "certificates": [pair("pass.test", "*.pass.test")],
            "options": {"asking": {"clientAuth": {"clientAuthType": "RequestClientCert"}}},
        },
    }


STATIC = {"entryPoints": {"web": {}, "trusting": {"forwardedHeaders": {"insecure": True}}}}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def arena():
    async with arena_of(dynamic, STATIC) as arena:
        yield arena


@both_agree([*CASES, *DIGEST, *CERTIFICATES])
async def test_both_let_in_the_same(arena, case):
    await arena.compare(case)
