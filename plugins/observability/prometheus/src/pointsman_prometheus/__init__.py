"""prometheus: metrics for Prometheus to scrape (operations.md §4.2)."""

from pointsman import MetricsExporter, hookimpl
from pointsman_prometheus.exporter import Prometheus


@hookimpl
def pointsman_metrics_exporters() -> list[type[MetricsExporter]]:
    return [Prometheus]
