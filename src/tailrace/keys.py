"""What the key of an S3 object tells of the log in it: the kind, and which load balancer wrote it.

The names are those of the vendor's user guides ("Access logs for your Application Load Balancer", section "Access log
files", and its siblings for connection logs, health check logs, Network and Classic Load Balancers).
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

SMOKE: Final = "TailraceSmokeTest-"
"""How the name of a control object begins: it has receipts, and no line of it is a record or a reject."""
TEST: Final = "ELBAccessLogTestFile"
"""How the name of the object begins that a load balancer writes to try a bucket out; its line is a control line."""
_STAMP = r"(?P<stamp>\d{8}T\d{4}Z)"
_NAME = re.compile(
    r"(?P<log>conn_log[._]|health_check_log[._])?"
    r"(?P<account>\d{12})_elasticloadbalancing_(?P<region>[a-z0-9-]+)_"
    r"(?P<balancer>(?:app|net)\.[^_.]+\.[0-9a-f]+|[^_.]+)_" + _STAMP + r"_(?:(?P<node>[0-9A-Fa-f.:]+)_)?[^_./]+\.log(?:\.gz)?"
)  # fmt: skip
_DAY = re.compile(r"(?=(?:^|/)([12]\d{3})/(\d\d)/(\d\d)/)")
_LOGS = {"conn_log": "alb_connection", "health_check_log": "alb_health"}
_BALANCERS = {"app": "alb", "net": "nlb"}


@dataclass(frozen=True, slots=True, kw_only=True)
class LogKey:
    """What a key tells.

    `format`: the name of the format of the log's lines. `load_balancer`: its name without type and id. `resource`: as the
    log names it, such as `app/shop/50dc6c495c0c9188`. `end`: the end of the interval that the file covers.
    """

    format: str
    account: str
    region: str
    load_balancer: str
    resource: str
    end: datetime | None
    node: str = ""


def parse_key(key: str) -> LogKey | None:
    """What the key of a load balancer's log tells; None for any other key.

    Only the last part of the key is read, so a log that was copied elsewhere is still known by its name.
    """
    match = _NAME.fullmatch(key.rpartition("/")[2])
    if match is None:
        return None
    kind, _, rest = match["balancer"].partition(".")
    known = _BALANCERS.get(kind) if rest else "clb"
    if known is None or (match["log"] and known != "alb"):
        return None
    return LogKey(
        format=_LOGS.get((match["log"] or "")[:-1], known),
        account=match["account"],
        region=match["region"],
        load_balancer=rest.rpartition(".")[0] if rest else kind,
        resource=match["balancer"].replace(".", "/"),
        end=_time(match["stamp"]),
        node=match["node"] or "",
    )


def is_control(key: str) -> bool:
    """Whether the key is of an object that is there to try the way of logs out."""
    return key.rpartition("/")[2].startswith((SMOKE, TEST))


def time_of(key: str, modified: float | None) -> float | None:
    """The time that an object is of, in seconds since 1970.

    It is the end of the interval that its name tells, else the day (YYYY/MM/DD) in its path, else when it was written.
    """
    known = parse_key(key)
    if known and known.end:
        return known.end.timestamp()
    for found in _DAY.finditer(key):
        year, month, day = map(int, found.groups())
        with suppress(ValueError):
            return datetime(year, month, day, tzinfo=UTC).timestamp()
    return modified


def _time(stamp: str) -> datetime | None:
    try:
        return datetime.strptime(stamp, "%Y%m%dT%H%MZ").replace(tzinfo=UTC)
    except ValueError:
        return None
