"""Sinks of search servers for tests, and calls that are made again as the loop makes them."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from making import StillClock
from tailrace.errors import Retryable
from tailrace.kinds import Surroundings
from tailrace.model import Batch, Flushed, Item
from tailrace.quantities import Secret
from tailrace.settings import Settings, struct_of
from tailrace.sinks.elasticsearch import SINK, ElasticsearchSink

T = TypeVar("T")
To = Callable[..., ElasticsearchSink]
"""Makes a sink of an index; takes the surroundings and settings too."""


@dataclass
class Vault:
    """Secrets by what is told of them: the next one of a list each time that it is read anew."""

    secrets: Mapping[str, list[str]] = field(default_factory=dict)
    anew: int = 0

    def read(self, secret: Secret, *, anew: bool = False) -> str:
        self.anew += anew
        known = self.secrets.get(secret.told, [secret.told])
        if anew and len(known) > 1:
            known.pop(0)
        return known[0]


def surroundings(
    *,
    clock: StillClock | None = None,
    vault: Any = None,
    client: Callable[[str], Any] = lambda _service: None,
    notice: Callable[[str], None] = lambda _message: None,
    settings: Settings | None = None,
) -> Surroundings:
    return Surroundings(
        settings=settings or Settings(), clock=clock or StillClock(), stdin=io.BytesIO(), stdout=1, client=client,
        vault=vault or Vault(), notice=notice,
    )  # fmt: skip


def workers(address: str, given: Surroundings | None = None, **own: Any) -> Callable[[], ElasticsearchSink]:
    """Makes the sinks of the workers of one run."""
    made: Callable[[], Any] = SINK.open(address, struct_of(SINK.settings, own, "the test"), given or surroundings())
    return made


def patiently(call: Callable[[], T], most: int = 50) -> T:
    """What the call returns once it does not ask to try again."""
    for _ in range(most):
        try:
            return call()
        except Retryable:
            pass
    return call()


def delivered(sink: ElasticsearchSink, item: Item, *batches: Batch) -> Flushed:
    """What becomes of the batches of an item."""
    for batch in batches:
        patiently(lambda batch=batch: sink.write(item, batch, 0))  # type: ignore[misc]
    return patiently(sink.flush)
