"""Records kept by services that dns-lexicon knows: their names, and the variables that hold their credentials (§7.1)."""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Final

from attrs import frozen

from pointsman_acme.asking import in_thread

TTL: Final = 120
"""Seconds."""

SERVICES: Final[Mapping[str, tuple[str, Mapping[str, tuple[str, ...]]]]] = {
    "azuredns": (
        "azure",
        {
            "auth_client_id": ("AZURE_CLIENT_ID",),
            "auth_client_secret": ("AZURE_CLIENT_SECRET",),
            "auth_tenant_id": ("AZURE_TENANT_ID",),
            "auth_subscription_id": ("AZURE_SUBSCRIPTION_ID",),
            "resource_group": ("AZURE_RESOURCE_GROUP",),
        },
    ),
    "cloudflare": (
        "cloudflare",
        {
            "auth_username": ("CF_API_EMAIL", "CLOUDFLARE_EMAIL"),
            "auth_token": ("CF_DNS_API_TOKEN", "CLOUDFLARE_DNS_API_TOKEN", "CF_API_KEY", "CLOUDFLARE_API_KEY"),
        },
    ),
    "desec": ("desec", {"auth_token": ("DESEC_TOKEN",)}),
    "digitalocean": ("digitalocean", {"auth_token": ("DO_AUTH_TOKEN",)}),
    "duckdns": ("duckdns", {"auth_token": ("DUCKDNS_TOKEN",)}),
    "gandiv5": ("gandi", {"auth_token": ("GANDIV5_PERSONAL_ACCESS_TOKEN", "GANDIV5_API_KEY")}),
    "gcloud": ("googleclouddns", {"auth_service_account_info": ("GCE_SERVICE_ACCOUNT_FILE",)}),
    "godaddy": ("godaddy", {"auth_key": ("GODADDY_API_KEY",), "auth_secret": ("GODADDY_API_SECRET",)}),
    "hetzner": ("hetzner", {"auth_token": ("HETZNER_API_TOKEN", "HETZNER_API_KEY")}),
    "linode": ("linode4", {"auth_token": ("LINODE_TOKEN",)}),
    "namecheap": ("namecheap", {"auth_username": ("NAMECHEAP_API_USER",), "auth_token": ("NAMECHEAP_API_KEY",)}),
    "ovh": (
        "ovh",
        {
            "auth_entrypoint": ("OVH_ENDPOINT",),
            "auth_application_key": ("OVH_APPLICATION_KEY",),
            "auth_application_secret": ("OVH_APPLICATION_SECRET",),
            "auth_consumer_key": ("OVH_CONSUMER_KEY",),
        },
    ),
    "pdns": ("powerdns", {"pdns_server": ("PDNS_API_URL",), "auth_token": ("PDNS_API_KEY",)}),
    "porkbun": ("porkbun", {"auth_key": ("PORKBUN_API_KEY",), "auth_secret": ("PORKBUN_SECRET_API_KEY",)}),
    "route53": (
        "route53",
        {
            "auth_access_key": ("AWS_ACCESS_KEY_ID",),
            "auth_access_secret": ("AWS_SECRET_ACCESS_KEY",),
            "zone_id": ("AWS_HOSTED_ZONE_ID",),
        },
    ),
    "vultr": ("vultr", {"auth_token": ("VULTR_API_KEY",)}),
}
"""By the dialect's names: what dns-lexicon calls them, and its options by the variables that give them."""
_OPTIONAL: Final = frozenset(("auth_username", "zone_id", "auth_entrypoint"))


def service_named(name: str, read: Callable[[str], str]) -> "Service":
    """One of `SERVICES`; `read` gives what a variable holds, "" for nothing. ValueError if something is missing."""
    kind, options = SERVICES[name]
    found = {}
    for option, variables in options.items():
        value = next((value for each in variables if (value := read(each))), "")
        if not value and option not in _OPTIONAL:
            raise ValueError(f"{name} needs {' or '.join(variables)} in the environment")
        found[option] = value
    return Service(kind, {option: value for option, value in found.items() if value})


@frozen(repr=False)
class Service:
    """One that dns-lexicon knows."""

    kind: str
    options: Mapping[str, str]
    wants_zone: ClassVar[bool] = True

    async def present(self, record: str, value: str, zone: str) -> None:
        await in_thread(self._do, "create_record", record, value, zone)

    async def cleanup(self, record: str, value: str, zone: str) -> None:
        await in_thread(self._do, "delete_record", record, value, zone)

    def _do(self, what: str, record: str, value: str, zone: str) -> None:
        from lexicon.client import Client  # 20 MB and more, for those who need it
        from lexicon.config import ConfigResolver
        from lexicon.exceptions import AuthenticationError

        settings: dict[str, Any] = {"provider_name": self.kind, "domain": zone, "delegated": zone, "ttl": TTL}
        config = ConfigResolver().with_dict(  # type: ignore[no-untyped-call]
            {**settings, self.kind: dict(self.options)}
        )
        try:
            with Client(config) as operations:
                if what == "create_record":
                    operations.create_record("TXT", record.rstrip("."), value)
                else:
                    operations.delete_record(rtype="TXT", name=record.rstrip("."), content=value)
        except AuthenticationError:
            raise OSError("refuses the credentials") from None
        except Exception as error:  # each of its providers raises what it likes, maybe with what was sent
            raise OSError(f"failed ({type(error).__name__})") from None
