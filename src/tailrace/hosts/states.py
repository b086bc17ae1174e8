"""Where receipts are kept: beside the store on this machine's disk, or where the setting `state` says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from tailrace.errors import UsageError
from tailrace.kinds import Surroundings
from tailrace.permissions import Need
from tailrace.ports import State
from tailrace.settings import Settings
from tailrace.state.dynamodb import DynamodbState
from tailrace.state.dynamodb import needs as needs_of_table
from tailrace.state.memory import MemoryState

SQLITE: Final = "sqlite"


def needs(settings: Settings) -> list[Need]:
    """What is called in a cloud to keep receipts."""
    word, _, table = settings.state.partition(":")
    return needs_of_table(table) if word == "dynamodb" else []


def shared_state(settings: Settings, given: Surroundings, stores: Sequence[str] = ()) -> State | None:
    """The state that the settings name; None where they name none but SQLite, which is in the folder of each store.

    `stores`: the sinks that keep receipts beside their files. Raises UsageError if there are such, or for another word,
    and what the state raises that cannot be used.
    """
    if settings.state in ("", SQLITE):
        return None
    if stores:
        message = (
            f"{stores[0]} keeps its receipts beside its files: it cannot be used with state = {settings.state!r};"
            f" set state to {SQLITE}, or deliver to it in a run of its own"
        )
        raise UsageError(message)
    return MemoryState(given.clock) if settings.state == "memory" else dynamodb(settings, given)


def dynamodb(settings: Settings, given: Surroundings, *, read_only: bool = False) -> DynamodbState:
    """The state in the table that the settings name. Raises UsageError, Fatal, Retryable."""
    word, _, table = settings.state.partition(":")
    if word != "dynamodb" or not table:
        message = f"state: expected sqlite, dynamodb:TABLE or memory, not {settings.state!r}"
        raise UsageError(message)
    retention = float(settings.state_retention)
    return DynamodbState.open(table, given.client("dynamodb"), given.clock, retention=retention, read_only=read_only)
