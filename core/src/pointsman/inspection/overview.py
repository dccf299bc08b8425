"""What a gateway is and has, in short (operations.md §6.4)."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from pointsman.config.static import Static
from pointsman.inspection.elements import Index

CODENAME: Final = "pointsman"
_CAPITALS: Final = {"http": "HTTP", "otlp": "OTLP", "ecs": "Ecs"}


def overview(static: Static, index: Index, certificates: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Counts, features and providers; `errors` counts what is disabled."""
    words = [each["status"] for each in certificates]
    return {
        **index.counts,
        "certificates": {"total": len(words), "warnings": words.count("warning"), "errors": words.count("expired")},
        "features": {
            "tracing": _first(getattr(static.tracing, "exporters", {})),
            "metrics": _first(getattr(static.metrics, "exporters", {})),
            "accessLog": static.access_log is not None,
        },
        "providers": [
            *(_capital(name) for name in static.providers.kinds),
            *(f"plugin-{name}" for name in static.providers.plugin),
        ],
    }


def version(static: Static, number: str, started: str) -> dict[str, Any]:
    """What runs, and since when; two keys begin with a capital, as the dialect has it."""
    told: dict[str, Any] = {"Version": number, "Codename": CODENAME, "startDate": started}
    api = static.api
    if api is not None and api.disable_dashboard_ad:
        told["disableDashboardAd"] = True
    if api is not None and api.dashboard_name:
        told["dashboardName"] = api.dashboard_name
    return told


def _first(exporters: Mapping[str, Any]) -> str:
    return next((_capital(name) for name in exporters), "")


def _capital(name: str) -> str:
    return _CAPITALS.get(name.lower()) or name[:1].upper() + name[1:]
