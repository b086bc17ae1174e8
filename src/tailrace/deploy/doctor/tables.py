"""The table of receipts: there, and with the keys that Tailrace uses. It is only described; opening it would write into it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from tailrace.deploy.doctor.checking import Check
from tailrace.deploy.doctor.finding import Finding, aws, compact, ok, unknown, wrong
from tailrace.deploy.doctor.looking import Looking, Unseen
from tailrace.deploy.listing import NO_RESOURCE
from tailrace.deploy.wanted import Wanted
from tailrace.settings import Settings
from tailrace.state.dynamodb import definition

_SUBJECT: Final = "receipts"
_DYNAMODB: Final = "dynamodb"
_READY: Final = ("ACTIVE", "UPDATING")


def of_worker(settings: Settings, looking: Looking) -> Iterator[Finding]:
    """Of a run on this machine, if its receipts are in a table."""
    word, _, name = settings.state.partition(":")
    if word != _DYNAMODB:
        return
    try:
        yield usable(name, _described(looking, name), _making(name))
    except Unseen as error:
        yield unknown(_SUBJECT, str(error))


def _look(wanted: Wanted, looking: Looking) -> Mapping[str, Any] | None:
    return _described(looking, wanted.settings.state.partition(":")[2])


def _described(looking: Looking, name: str) -> Mapping[str, Any] | None:
    told = looking("dynamodb:DescribeTable", *NO_RESOURCE, TableName=name)
    found: Mapping[str, Any] | None = told and told["Table"]
    return found


def _judge(wanted: Wanted, found: Mapping[str, Any] | None) -> Iterator[Finding]:
    name = wanted.settings.state.partition(":")[2]
    yield usable(name, found, _making(name))


def usable(name: str, found: Mapping[str, Any] | None, remedy: str) -> Finding:
    """Whether a table can be used, as it is described; None if there is none."""
    if found is None:
        return wrong(_SUBJECT, f"there is no table {name}", remedy)
    keys = [(each["AttributeName"], each["KeyType"]) for each in found.get("KeySchema", ())]
    if keys != [(each["AttributeName"], each["KeyType"]) for each in definition(name)["KeySchema"]]:
        text = f"the table {name} has other keys than receipts need ({keys}); take another one"
        return wrong(_SUBJECT, text, _making(f"{name}-receipts"))
    if found.get("TableStatus") not in _READY:
        state = found.get("TableStatus")
        return wrong(_SUBJECT, f"the table {name} is {state}", aws("dynamodb", "describe-table", "--table-name", name))
    return ok(_SUBJECT, f"the table {name} is there")


def _making(name: str) -> str:
    return aws("dynamodb", "create-table", "--cli-input-json", compact(definition(name)))


CHECKS: Final = (Check(subject=_SUBJECT, look=_look, judge=_judge),)
