"""What custom resources name in Secrets and ConfigMaps: authorities, certificates, users (kubernetes.md §3.7 to §3.10).

PEM text is put into the document itself, where anything else would be taken for the path of a file: so what is none is
refused here. Pure; no message says more of a content than whose it is.
"""

from base64 import b64encode
from collections.abc import Mapping
from hashlib import sha1
from typing import Any, Final

from pointsman.dialect.lookups import text, texts
from pointsman_kubernetes.crd.references import Refused
from pointsman_kubernetes.kinds import CONFIG_MAP
from pointsman_kubernetes.objects import Object, Objects
from pointsman_kubernetes.secrets import Unusable, held, pair, secret

BASIC_AUTH: Final = "kubernetes.io/basic-auth"
_AUTHORITY_KEYS: Final = ("tls.ca", "ca.crt")
_BEGIN: Final = "-----BEGIN CERTIFICATE-----"
_URN: Final = "urn:k8s:secret:"
_DEEPEST: Final = 64


def certificate(objects: Objects, namespace: str, name: str) -> dict[str, str]:
    """A Secret of type `kubernetes.io/tls`, as documents say certificates. Unusable if it is none."""
    shown, key = pair(objects, namespace, name)
    return {"certFile": shown, "keyFile": key}


def authority(objects: Objects, namespace: str, name: str) -> str:
    """The CA in a Secret: `tls.ca`, else `ca.crt`, else its only key. Unusable if there is none."""
    thing = secret(objects, namespace, name)
    return _pem(f"secret {namespace}/{name}", {key: held(thing, key) for key in texts(thing, "data")})


def authority_of_config_map(objects: Objects, namespace: str, name: str) -> str:
    """The CA in a ConfigMap: `tls.ca`, else `ca.crt`, else its only key. Unusable if there is none."""
    called = f"configmap {namespace}/{name}"
    thing = objects.get(CONFIG_MAP, name, namespace)
    if thing is None:
        raise Unusable(f"{called}: not found")
    return _pem(called, texts(thing, "data"))


def _pem(called: str, found: Mapping[str, str | None]) -> str:
    key = next((key for key in _AUTHORITY_KEYS if found.get(key)), "")
    if not key:
        if len(found) != 1:
            raise Unusable(f"{called}: has neither {' nor '.join(_AUTHORITY_KEYS)}, nor a single key")
        (key,) = found
    content = found[key]
    if content is None or _BEGIN not in content:
        raise Unusable(f"{called}: {key} holds no certificate in PEM")
    return content


def users(objects: Objects, namespace: str, name: str, *, basic: bool) -> list[str]:
    """The users of a Secret, as `users` has them. Unusable if there are none.

    A Secret of type `kubernetes.io/basic-auth` is one user of `basic` authentication; any other holds lines in its only key.
    """
    thing, called = secret(objects, namespace, name), f"secret {namespace}/{name}"
    if basic and text(thing, "type") == BASIC_AUTH:
        return [_user(thing, called)]
    keys = list(texts(thing, "data"))
    if len(keys) != 1:
        raise Unusable(f"{called}: must have a single key with the users; it has {len(keys)}")
    content = held(thing, keys[0])
    lines = [line.strip() for line in (content or "").split("\n")]
    found = [line for line in lines if line and not line.startswith("#")]
    if not found:
        raise Unusable(f"{called}: {keys[0]} holds no users")
    return found


def _user(thing: Object, called: str) -> str:
    name, password = held(thing, "username"), held(thing, "password")
    if name is None or password is None:
        raise Unusable(f"{called}: has no {'username' if name is None else 'password'}")
    if ":" in name or not name.isprintable():
        raise Unusable(f"{called}: username holds a colon or a control character, so nobody can give it")
    return f"{name}:{{SHA}}{b64encode(sha1(password.encode(), usedforsecurity=False).digest()).decode()}"


def login(objects: Objects, namespace: str, name: str) -> dict[str, str]:
    """`username` and `password` of a Secret, the first of which may be missing. Unusable if there is no password."""
    thing = secret(objects, namespace, name)
    password = held(thing, "password")
    if password is None:
        raise Unusable(f"secret {namespace}/{name}: has no password")
    return {"username": held(thing, "username") or "", "password": password}


def resolved(objects: Objects, namespace: str, value: Any, where: str, depth: int = 0) -> Any:
    """The value with each text `urn:k8s:secret:<secret>:<key>` in it replaced by what that Secret holds.

    Unusable if it does not hold it; Refused, with the place, for another form, and what is nested too deeply.
    """
    if depth > _DEEPEST:
        raise Refused(f"{where}: is nested more than {_DEEPEST} deep")
    if isinstance(value, Mapping):
        return {key: resolved(objects, namespace, each, f"{where}.{key}", depth + 1) for key, each in value.items()}
    if isinstance(value, list):
        return [resolved(objects, namespace, each, f"{where}[{at}]", depth + 1) for at, each in enumerate(value)]
    if not isinstance(value, str) or not value.startswith(_URN):
        return value
    name, colon, key = value.removeprefix(_URN).partition(":")
    if not colon or ":" in key:
        raise Refused(f"{where}: write {_URN}<name of a Secret>:<key>")
    content = held(secret(objects, namespace, name), key)
    if content is None:
        raise Unusable(f"secret {namespace}/{name}: has no {key}")
    return content
