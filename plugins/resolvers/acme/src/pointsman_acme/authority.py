"""A certificate authority, spoken with in ACME (RFC 8555), one call at a time."""

import asyncio
import base64
import time
from collections.abc import Callable
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

from acme import challenges, client, errors, messages
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID
from josepy.jwk import JWKRSA

from pointsman.dialect.resolvers import ACME
from pointsman_acme import schedule
from pointsman_acme.asking import AuthorityError, in_thread, translated, words
from pointsman_acme.challenges import Order, Proof
from pointsman_acme.keys import account_der
from pointsman_acme.network import Network, trust
from pointsman_acme.store import Account

T = TypeVar("T")
AGENT: Final = "pointsman-acme/0.1"
MAX_CHAINS: Final = 10


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
            return translated(call, *arguments)
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
        return authorization.body.status.name, words("; ".join(told)), _seconds(response)

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
            raise AuthorityError(words(str(why or "the order has become invalid")), refused=True)
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


def _issuer(chain: str) -> str:
    """The common name of who signed the last certificate of a chain."""
    last = x509.load_pem_x509_certificates(chain.encode())[-1]
    names = last.issuer.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(names[0].value) if names else ""
