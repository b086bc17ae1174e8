"""The metrics in the text format of Prometheus, by its own library."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from tailrace.errors import MissingExtra
from tailrace.metrics import LAG, LAG_BOUNDS, METRICS, Tally


def exposition(tally: Tally) -> Callable[[], tuple[bytes, str]]:
    """Makes the text and tells its content type. Raises MissingExtra."""
    try:
        import prometheus_client as library  # noqa: PLC0415 - an optional library
        from prometheus_client import core  # noqa: PLC0415
    except ImportError as error:
        raise MissingExtra("what `listen` tells of metrics", "metrics") from error

    class Figures:
        def collect(self) -> Iterator[Any]:
            families = {
                metric: (core.GaugeMetricFamily if metric.kind == "gauge" else core.CounterMetricFamily)(
                    metric.name, metric.about, labels=metric.labels
                )
                for metric in METRICS
            }
            for metric, labels, number in tally.figures():
                families[metric].add_metric(labels, number)
            yield from families.values()
            yield core.HistogramMetricFamily(LAG.name, LAG.about, _buckets(tally), tally.lags.total)

    registry = library.CollectorRegistry(auto_describe=False)
    registry.register(Figures())
    return lambda: (library.generate_latest(registry), library.CONTENT_TYPE_LATEST)


def _buckets(tally: Tally) -> list[tuple[str, float]]:
    """How many up to each bound."""
    bounds, reached, found = [*map(str, LAG_BOUNDS), "+Inf"], 0, []
    for bound, number in zip(bounds, tally.lags.counts, strict=True):
        reached += number
        found.append((bound, float(reached)))
    return found
