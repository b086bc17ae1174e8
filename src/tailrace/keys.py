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
ACCOUNT: Final = r"\d{12}|[0-9A-Za-z-]*[A-Za-z][0-9A-Za-z-]*"
"""An account: 12 digits on AWS and Eucalyptus, else a project's id or the like, which is never digits alone."""
REGION: Final = r"[A-Za-z0-9.-]+"
_STAMP = r"(?P<stamp>\d{8}T\d{4}Z)"
_NAME = re.compile(
    r"(?P<log>conn_log[._]|health_check_log[._]|haproxy_log_)?"
    r"(?P<account>" + ACCOUNT + r")_elasticloadbalancing_(?P<region>" + REGION + r")_"
    r"(?P<balancer>(?:app|net)\.[^_.]+\.[0-9a-f]+|[^_.]+)_" + _STAMP + r"_(?:(?P<node>[0-9A-Fa-f.:]+)_)?[^_./]+\.log(?:\.gz)?"
)  # fmt: skip
_DAY = re.compile(r"(?=(?:^|/)([12]\d{3})/(\d\d)/(\d\d)/)")
_RECIPE = re.compile(r"elb-access-(?P<stamp>\d{8}-\d{6})\.log(?:\.gz)?")
_LOGS = {"conn_log": "alb_connection", "health_check_log": "alb_health", "haproxy_log": ""}
_OF_ALB = ("conn_log", "health_check_log")
_BALANCERS = {"app": "alb", "net": "nlb"}


@dataclass(frozen=True, slots=True, kw_only=True)
class LogKey:
    """What a key tells.

    `format`: the name of the format of the log's lines, empty if it may be any of HAProxy's. `load_balancer`: its name without type and id. `resource`: as the
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
    known, log = _BALANCERS.get(kind) if rest else "clb", (match["log"] or "")[:-1]
    if known is None or (log in _OF_ALB and known != "alb"):
        return None
    return LogKey(
        format=_LOGS.get(log, known),
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
    recipe = _RECIPE.fullmatch(key.rpartition("/")[2])
    with suppress(ValueError):
        if recipe:
            return datetime.strptime(recipe["stamp"], "%d%m%Y-%H%M%S").replace(tzinfo=UTC).timestamp()
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
