"""What people and `tailrace deploy` ask a stack for."""

from __future__ import annotations

from typing import Any

from tailrace.deploy.template.bucket import BUCKET
from tailrace.deploy.template.expressions import ref
from tailrace.deploy.template.function import ALIAS, FUNCTION, LOG
from tailrace.deploy.template.queue import DEAD, EVENTS
from tailrace.deploy.template.table import TABLE, is_made
from tailrace.deploy.wanted import Wanted


def outputs(wanted: Wanted) -> dict[str, Any]:
    """Names and addresses of what was made."""
    there = wanted.own.bucket
    of_logs = "The bucket of logs" + (
        ", which is not the stack's: tailrace deploy adds to its notifications" if there else ""
    )
    table: Any = ref(TABLE) if is_made(wanted) else wanted.settings.state.partition(":")[2]
    found: dict[str, tuple[Any, str]] = {
        "FunctionName": (ref(FUNCTION), "The function"),
        "AliasArn": (ref(ALIAS), "The alias that everything calls"),
        "QueueUrl": (ref(EVENTS), "The queue of events"),
        "DeadLetterQueueUrl": (ref(DEAD), "Where messages are that were not delivered"),
        "LogsBucket": (there or ref(BUCKET), of_logs),
        "ReceiptsTable": (table, "The table of receipts"),
        "LogGroup": (ref(LOG), "The function's own log"),
    }
    return {name: {"Value": value, "Description": about} for name, (value, about) in found.items()}
