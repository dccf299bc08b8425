"""A certificate authority, spoken with in ACME (RFC 8555). The library blocks, so it runs in threads, one call at a time."""

import asyncio
import base64
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

import josepy
import requests
from acme import challenges, client, errors, messages
from attrs import frozen
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID
from josepy.jwk import JWKRSA
from urllib3.exceptions import HTTPError

from pointsman.dialect.resolvers import ACME
from pointsman_acme import schedule
from pointsman_acme.keys import account_der
from pointsman_acme.network import Network, trust
from pointsman_acme.store import Account

T = TypeVar("T")
AGENT: Final = "pointsman-acme/0.1"
HTTP_01: Final = "http-01"
TLS_ALPN_01: Final = "tls-alpn-01"
DNS_01: Final = "dns-01"
MAX_CHAINS: Final = 10
_MAX_WORDS: Final = 300


class AuthorityError(OSError):
    """The authority did not do what it was asked.

    `refused`: it looked into it and said no, and counts that; `limited`: it has had enough of us for now; `stranger`: it
    does not know the account.
    """

    def __init__(self, message: str, *, refused: bool = False, limited: bool = False, stranger: bool = False) -> None:
        super().__init__(message)
        self.refused = refused
        self.retry_after = schedule.UNTOLD if limited else 0.0
        """Seconds that it wants to be left alone."""
        self.stranger = stranger

    def until(self, seconds: float) -> "AuthorityError":
        """The same of an authority that wants to be left alone for so long."""
        error = AuthorityError(str(self), refused=self.refused, stranger=self.stranger)
        error.retry_after = seconds
        return error


@challenges.ChallengeResponse.register
class TlsAlpnResponse(challenges.KeyAuthorizationChallengeResponse):
    typ = TLS_ALPN_01


@challenges.Challenge.register
class TlsAlpn(challenges.KeyAuthorizationChallenge):
    """RFC 8737, which the library has given up."""

    response_cls = TlsAlpnResponse
    typ = TLS_ALPN_01

    def validation(self, account_key: Any, **_: Any) -> str:
        return str(self.key_authorization(account_key))


@frozen
class Proof:
    """One way to prove one name: a challenge of an authorization."""

    name: str
    """Without `*.`."""
    kind: str
    token: str
    authorization: str
    """The key authorization (RFC 8555 §8.1)."""
    body: Any
    resource: Any


@frozen
class Order:
    """What was ordered, and what is to be proven for it: of each name, the ways there are."""

    resource: Any
    proofs: Sequence[Sequence[Proof]]


class Authority:
    """As one account. `enter` before anything else."""

    def __init__(self, config: ACME, account: Account | None, new_key: Callable[[], bytes]) -> None:
        self._config = config
        self._account = account
        self._new_key = new_key
        self._client: Any = None
        self._net: Network | None = None
        self._key: Any = None
        self._lock = asyncio.Lock()
        self._limit = config.client_timeout + max(1.0, config.certificate_timeout)
        self.host = urlsplit(config.ca_server).netloc
        self.lost = False
        """It has begun an answer that does not end: begin anew."""

    async def enter(self) -> Account:
        """Register, or come back as who one was. AuthorityError."""
        account = await self._ask(self._enter)
        self._account = account
        return account

    async def order(self, csr: bytes) -> Order:
        """Order what a signing request asks for. AuthorityError."""
        return await self._ask(self._order, csr)

    async def prove(self, proof: Proof) -> None:
        """Have it look at a proof, and wait until it has. AuthorityError if it finds fault."""
        await self._ask(self._answer, proof)
        end = asyncio.get_running_loop().time() + self._config.client_timeout
        pause = 0.25
        while True:
            status, why, wait = await self._ask(self._look, proof)
            if status == "valid":
                return
            if status != "pending":
                raise AuthorityError(f"{proof.name}: {why or f'the authorization is {status}'}", refused=True)
            if asyncio.get_running_loop().time() > end:
                raise AuthorityError(f"{proof.name}: was not looked at within {self._config.client_timeout:g} s")
            await asyncio.sleep(max(pause, min(wait, 30.0)))
            pause = min(pause * 2, 5.0)

    async def fetch(self, order: Order) -> str:
        """The certificate with its chain, as PEM, once everything is proven. AuthorityError."""
        await self._ask(self._finalize, order)
        end = asyncio.get_running_loop().time() + self._config.certificate_timeout
        pause = 0.1
        while True:
            chain, wait = await self._ask(self._collect, order)
            if chain is not None:
                return chain
            left = end - asyncio.get_running_loop().time()
            if left <= 0:
                raise AuthorityError("the certificate was not there in time (certificateTimeout)")
            await asyncio.sleep(min(max(pause, wait), max(left, 0.1)))
            pause = min(pause * 2, 5.0)

    async def wants_renewal(self, certificate: str) -> float | None:
        """When the authority wants this certificate renewed, in seconds since 1970; None if it does not say (RFC 9773)."""
        try:
            when, _ = await self._ask(self._client.renewal_time, certificate.encode())
        except AuthorityError:
            return None
        return float(when.timestamp()) if when is not None else None

    async def _ask(self, call: Callable[..., T], *arguments: Any) -> T:
        await self._lock.acquire()
        asking = asyncio.ensure_future(self._within(call, *arguments))
        asking.add_done_callback(self._answered)  # not sooner: a thread cannot be stopped when nobody waits any more
        return await asyncio.shield(asking)

    async def _within(self, call: Callable[..., T], *arguments: Any) -> T:
        if not self.lost:
            try:
                async with asyncio.timeout(self._limit):
                    return await in_thread(self._call, call, *arguments)
            except TimeoutError:
                self.lost = True
        raise AuthorityError("does not come to an end with its answer (clientTimeout)")

    def _answered(self, asking: "asyncio.Future[Any]") -> None:
        self._lock.release()
        if not asking.cancelled():
            asking.exception()  # maybe nobody else asks

    # in a thread

    def _call(self, call: Callable[..., T], *arguments: Any) -> T:
        try:
            return _translated(call, *arguments)
        except AuthorityError as error:
            wait = schedule.told(self._net.retry_after, time.time()) if self._net is not None else None
            if wait is not None:
                error.retry_after = wait
            raise

    def _enter(self) -> Account:
        account, config = self._account, self._config
        der = account.key if account is not None else self._new_key()
        private = serialization.load_der_private_key(der, None)
        if not isinstance(private, rsa.RSAPrivateKey):
            raise AuthorityError("the key of the stored account is no RSA key")
        self._key = JWKRSA(key=private)
        try:
            verify = trust(config)
        except ValueError as error:
            raise AuthorityError(str(error)) from None
        net = self._net = Network(self._key, config, verify, AGENT)
        directory = client.ClientV2.get_directory(config.ca_server, net)
        self._client = client.ClientV2(directory, net)
        if account is not None:
            known = messages.RegistrationResource(uri=account.uri, body=messages.Registration())
            net.account = known
            return account
        return self._register(directory, account_der(private))

    def _register(self, directory: Any, der: bytes) -> Account:
        config = self._config
        binding = None
        if config.eab is not None and config.eab.kid:
            hmac = str(config.eab.hmac_encoded)
            try:
                base64.urlsafe_b64decode(hmac + "=" * (-len(hmac) % 4))
            except ValueError:
                raise AuthorityError("eab.hmacEncoded is no base64url text") from None
            binding = messages.ExternalAccountBinding.from_data(self._key.public_key(), config.eab.kid, hmac, directory)
        asked = messages.NewRegistration.from_data(
            email=config.email or None, terms_of_service_agreed=True, external_account_binding=binding
        )
        try:
            made = self._client.new_account(asked)
            uri, body = made.uri, made.body.to_partial_json()
        except errors.ConflictError as known:
            uri, body = known.location, {}
        self._client.net.account = messages.RegistrationResource(uri=uri, body=messages.Registration())
        plain = {key: value for key, value in body.items() if isinstance(value, str | list)}
        return Account(config.email, uri, {"status": "valid", **plain}, der)

    def _order(self, csr: bytes) -> Order:
        resource = self._client.new_order(csr, profile=self._config.profile or None)
        proofs = []
        for authorization in resource.authorizations:
            if authorization.body.status != messages.STATUS_VALID:
                name = authorization.body.identifier.value
                proofs.append([self._proof(name, each, authorization) for each in authorization.body.challenges])
        return Order(resource, proofs)

    def _proof(self, name: str, challenge: Any, authorization: Any) -> Proof:
        kind = str(getattr(challenge.chall, "typ", ""))
        known = isinstance(challenge.chall, challenges.KeyAuthorizationChallenge)
        return Proof(
            name,
            kind if known else "",
            challenge.chall.encode("token") if known else "",
            challenge.chall.key_authorization(self._key) if known else "",
            challenge,
            authorization,
        )

    def _answer(self, proof: Proof) -> None:
        self._client.answer_challenge(proof.body, proof.body.chall.response(self._key))

    def _look(self, proof: Proof) -> tuple[str, str, float]:
        authorization, response = self._client.poll(proof.resource)
        told = [str(each.error.detail or each.error) for each in authorization.body.challenges if each.error is not None]
        return authorization.body.status.name, _words("; ".join(told)), _seconds(response)

    def _finalize(self, order: Order) -> None:
        try:
            self._client.begin_finalization(order.resource)
        except messages.Error as error:
            if error.code != "orderNotReady":
                raise

    def _collect(self, order: Order) -> tuple[str | None, float]:
        """The certificate, or None and how long the authority wants to be left alone."""
        response = self._client._post_as_get(order.resource.uri)
        body = messages.Order.from_json(response.json())
        if body.status == messages.STATUS_INVALID:
            why = body.error.detail if body.error is not None else ""
            raise AuthorityError(_words(str(why or "the order has become invalid")), refused=True)
        if body.status == messages.STATUS_READY:
            self._finalize(order)
        if body.status != messages.STATUS_VALID or body.certificate is None:
            return None, _seconds(response)
        response, preferred = self._client._post_as_get(body.certificate), self._config.preferred_chain
        first = str(response.text)
        if preferred and _issuer(first) != preferred:
            for url in self._client._get_links(response, "alternate")[:MAX_CHAINS]:
                chain = str(self._client._post_as_get(url).text)
                if _issuer(chain) == preferred:
                    return chain, 0.0
        return first, 0.0


def _seconds(response: Any) -> float:
    return schedule.told(response.headers.get("Retry-After"), time.time()) or 0.0


def _translated(call: Callable[..., T], *arguments: Any) -> T:
    """What goes wrong, as an AuthorityError in words."""
    try:
        return call(*arguments)
    except AuthorityError:
        raise
    except messages.Error as error:
        limited = error.code == "rateLimited"
        words = _words(str(error.detail or error.description or error.typ))
        stranger = error.code == "accountDoesNotExist"
        refused = not limited and not stranger and error.code != "serverInternal"
        raise AuthorityError(words, refused=refused, limited=limited, stranger=stranger) from None
    except requests.exceptions.SSLError:
        raise AuthorityError("its certificate is not trusted; see caCertificates, caServerName") from None
    except requests.exceptions.ConnectTimeout:
        raise AuthorityError("does not answer") from None
    except requests.exceptions.ReadTimeout:
        raise AuthorityError("did not answer in time (clientResponseHeaderTimeout)") from None
    except requests.exceptions.ConnectionError:
        raise AuthorityError("cannot be reached") from None
    except (errors.Error, josepy.errors.Error, requests.exceptions.RequestException, HTTPError) as error:
        raise AuthorityError(f"gave an answer that no ACME server gives ({type(error).__name__})") from None
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError, RecursionError) as error:
        raise AuthorityError(f"gave an answer that cannot be understood ({type(error).__name__})") from None


def _words(text: str) -> str:
    """On one line, of a length that a log can bear."""
    return "".join(each if each.isprintable() else " " for each in text)[:_MAX_WORDS]


def _issuer(chain: str) -> str:
    """The common name of who signed the last certificate of a chain."""
    last = x509.load_pem_x509_certificates(chain.encode())[-1]
    names = last.issuer.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(names[0].value) if names else ""


async def in_thread(call: Callable[..., T], *arguments: Any) -> T:
    """Call it in a thread of its own, which nobody waits for when the gateway stops."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[T] = loop.create_future()

    def tell(result: T | None, error: BaseException | None) -> None:
        if not answer.done():
            if error is not None:
                answer.set_exception(error)
            else:
                answer.set_result(result)  # type: ignore[arg-type]

    def run() -> None:
        result, failure = None, None
        try:
            result = call(*arguments)
        except BaseException as error:
            failure = error
        if not loop.is_closed():
            loop.call_soon_threadsafe(tell, result, failure)

    threading.Thread(target=run, daemon=True, name="acme").start()
    return await answer
