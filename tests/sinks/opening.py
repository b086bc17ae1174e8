"""Opens sinks as a run does, from words and settings."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

from making import StillClock
from tailrace.clouds import Vault
from tailrace.errors import UsageError
from tailrace.kinds import SinkKind, Surroundings
from tailrace.ports import Sink
from tailrace.settings import Settings, struct_of


def no_client(service: str) -> Any:
    message = f"nothing was to be asked of {service}"
    raise UsageError(message)


def opened(
    kind: SinkKind, address: str, *, environ: Mapping[str, str] | None = None, settings: Settings | None = None, **own: Any
) -> Sink:  # fmt: skip
    """The first sink that a run would make."""
    given = Surroundings(
        settings=settings or Settings(workers=1),
        clock=StillClock(),
        stdin=io.BytesIO(),
        stdout=-1,
        client=no_client,
        vault=Vault(no_client, environ or {}),
    )
    return kind.open(address, struct_of(kind.settings, own, "the test"), given)()
