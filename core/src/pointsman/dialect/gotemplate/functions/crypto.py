"""Sprig's hashes, identifiers and secrets (sprig 3.2: crypto.go)."""

import base64
import hashlib
import secrets
import uuid
import zlib
from typing import Final

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

from pointsman.dialect.gotemplate.errors import Wrong
from pointsman.dialect.gotemplate.library import Group
from pointsman.dialect.gotemplate.limits import counted
from pointsman.dialect.gotemplate.values import as_bytes, as_text

CRYPTO: Final = Group()

CRYPTO("sha256sum", "string")(lambda text: hashlib.sha256(as_bytes(text)).hexdigest())
CRYPTO("sha1sum", "string")(lambda text: hashlib.sha1(as_bytes(text), usedforsecurity=False).hexdigest())
CRYPTO("adler32sum", "string")(lambda text: str(zlib.adler32(as_bytes(text))))
CRYPTO("uuidv4")(lambda: str(uuid.uuid4()))


@CRYPTO("randBytes", "int")
def rand_bytes(count: int) -> str:
    """So many random bytes, in base64."""
    if count < 0:
        raise Wrong("a negative count")
    return base64.b64encode(secrets.token_bytes(counted(count))).decode()


def _hashed(password: str) -> str:
    try:
        import bcrypt
    except ImportError:
        raise Wrong("it needs the package bcrypt; pip install bcrypt") from None
    data = as_bytes(password)
    if len(data) > 72:
        raise Wrong("the password is longer than the 72 bytes that bcrypt takes")
    return bcrypt.hashpw(data, bcrypt.gensalt(10, b"2a")).decode()


CRYPTO("bcrypt", "string")(_hashed)


@CRYPTO("htpasswd", "string", "string")
def htpasswd(user: str, password: str) -> str:
    return f"invalid username: {user}" if ":" in user else f"{user}:{_hashed(password)}"


def _cipher(password: str, start: bytes) -> Cipher[modes.CBC]:
    return Cipher(algorithms.AES(as_bytes(password)[:32].ljust(32, b"\0")), modes.CBC(start))


@CRYPTO("encryptAES", "string", "string")
def encrypt_aes(password: str, text: str) -> str:
    if not text:
        return ""
    padder = PKCS7(128).padder()
    padded = padder.update(as_bytes(text)) + padder.finalize()
    start = secrets.token_bytes(16)
    encryptor = _cipher(password, start).encryptor()
    return base64.b64encode(start + encryptor.update(padded) + encryptor.finalize()).decode()


@CRYPTO("decryptAES", "string", "string")
def decrypt_aes(password: str, text: str) -> str:
    if not text:
        return ""
    try:
        data = base64.b64decode(text, validate=True)
        decryptor = _cipher(password, data[:16]).decryptor()
        padded = decryptor.update(data[16:]) + decryptor.finalize()
        unpadder = PKCS7(128).unpadder()
        return as_text(unpadder.update(padded) + unpadder.finalize())
    except ValueError as error:
        raise Wrong(f"this cannot be decrypted: {error}") from None
