"""What a Lambda makes once and keeps from invocation to invocation: settings, clients, parsers, sinks."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from tailrace.clock import Clock, SystemClock
from tailrace.clouds import Vault, client
from tailrace.clouds.recursion import own_group
from tailrace.errors import UsageError
from tailrace.hosts._lambda_settings import lambda_settings
from tailrace.hosts.asking import Target, asked_for, refuse_twins, target_of
from tailrace.hosts.clients import clients
from tailrace.hosts.reading import parsers
from tailrace.hosts.states import SQLITE, dynamodb
from tailrace.kernel.load import Parser
from tailrace.kinds import Surroundings
from tailrace.model import Item, Rendering
from tailrace.ports import Sink, State
from tailrace.settings import Settings
from tailrace.sources._objects import Objects
from tailrace.subscriptions import Form


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """What is there before an event comes.

    `state`: None where no receipts are kept. `dead`: takes dead letters, if the settings name a sink for them; `discreet`: without
    the text of rejects. `form`: in which events of a log group travel. `own_group`: the log group to which this function's own
    output goes. `notice`: is told, once of each thing, what is wrong and stops nothing.
    """

    settings: Settings
    clock: Clock
    parser: Callable[[Item, int, Rendering | None], Parser]
    sinks: Sequence[Sink]
    state: State | None
    dead: Sink | None
    discreet: bool
    form: Form
    objects: Callable[[], Objects]
    client: Callable[[str], Any]
    own_group: str
    notice: Callable[[str], None]

    def close(self) -> None:
        """Let go of the sinks."""
        for sink in [*self.sinks, *([self.dead] if self.dead else [])]:
            sink.close()


def made(environ: Mapping[str, str], notice: Callable[[str], None]) -> Container:
    """The container that the environment asks for; `notice` is told what is no failure. Raises UsageError, Fatal."""
    told = lambda_settings(environ, client)
    for name in told.ignored:
        notice(f"{name} is no setting; it is ignored")
    settings, clock = told.settings, SystemClock()
    shared, asked = cache(clients(settings)), asked_for(told, ()).sinks
    given = Surroundings(
        settings=settings,
        clock=clock,
        stdin=io.BytesIO(),
        stdout=1,
        client=shared,
        vault=Vault(shared, environ),
        notice=notice,
        environ=environ,
    )
    return Container(
        settings=settings,
        clock=clock,
        parser=parsers(settings, notice),
        sinks=_sinks(asked, given),
        state=_state(settings, given),
        dead=_dead(settings, given),
        discreet=any(target.view(given).redact for target in asked),
        form="lines" if settings.format != "auto" or settings.log_format else "events",
        objects=cache(lambda: Objects(shared("s3"), clock)),
        client=shared,
        own_group=own_group(environ),
        notice=cache(notice),
    )


def _sinks(asked: Sequence[Target], given: Surroundings) -> list[Sink]:
    for target in asked:
        _refuse_folder("to", target)
    made = [target.opened(given)() for target in asked]
    refuse_twins(asked, made)
    return made


def _state(settings: Settings, given: Surroundings) -> State | None:
    if settings.state == SQLITE:
        message = f"state: {SQLITE} needs a disk, and a Lambda keeps none; set it to dynamodb:TABLE"
        raise UsageError(message)
    return dynamodb(settings, given) if settings.state not in ("", "memory") else None


def _dead(settings: Settings, given: Surroundings) -> Sink | None:
    if not settings.dead_letters:
        return None
    target = target_of(settings.dead_letters, settings)
    _refuse_folder("dead_letters", target)
    return target.opened(given)()


def _refuse_folder(key: str, target: Target) -> None:
    """Raises UsageError for a sink that keeps what it has in a folder."""
    if target.kind.home:
        message = f"{key}: {target.asked} is a folder on a disk, and a Lambda keeps none; name another sink"
        raise UsageError(message)
