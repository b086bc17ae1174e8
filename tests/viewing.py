"""Views for tests, and as Hypothesis makes them."""

from __future__ import annotations

from functools import cache
from typing import Any, get_args

from hypothesis import strategies as st

from parsing import ALL
from tailrace.model import Condition, Conditions, Method, Operator, View
from tailrace.registry import formats
from tailrace.transforms import Transforms, view_of
from tailrace.transforms.patterns import common
from tailrace.transforms.settings import Pairs, Texts

KEY = b"a key of sixteen"
_OWN = ("format", "time", "time_source", "truncated", "invalid", "extra")
_VALUES = (
    "", "0", "200", "-1", "0.001", "192.0.2.1", "GET", "alb", "é", "none", "1795262400000000", "499.5", "9", "a b", "https", "1e9",
)  # fmt: skip
_PATTERNS = ("", "^2", "0$", r"\d+\.\d", "(?i)get|POST", r"[^a-z]{2,3}", "a.b", r"\bh", "é", r"^(\w+/)*x?$")
CONSTANTS = (("environment", '"prod"'), ("shard", "7"), ('té"st', "true"), ("ratio", "0.5"))


def view(**told: Any) -> View:
    """What settings mean, whose tables and lists may be plain ones."""
    for name, kind in (
        ("include", Texts),
        ("exclude", Texts),
        ("rename", Pairs),
        ("redact", Pairs),
        ("constants", Pairs),
    ):
        if name in told:
            told[name] = kind.parse(told[name])
    return view_of(Transforms(**told), ALL.formats, KEY)


@cache
def fields() -> tuple[str, ...]:
    names = {column.name: None for known in formats().values() for column in known.columns}
    return (*names, "client", "when", "a", "headers")


def groups() -> st.SearchStrategy[Conditions]:
    field = (
        st.sampled_from(fields())
        | st.sampled_from(_OWN)
        | st.sampled_from(("elb_status_code", "client_ip", "request_url"))
    )
    plain = st.sampled_from([each for each in get_args(Operator) if "~" not in each])
    compared = st.builds(Condition, field, plain, st.sampled_from(_VALUES))
    texts = field.filter(lambda name: "time" not in name and "date" not in name)
    matched = st.builds(Condition, texts, st.sampled_from(("~", "!~")), st.sampled_from(_PATTERNS).map(common))
    group = st.lists(compared | matched, min_size=1, max_size=2).map(tuple)
    return st.lists(group, max_size=2).map(tuple)


def redactions() -> st.SearchStrategy[tuple[tuple[str, Method], ...]]:
    field = st.sampled_from([name for name in fields() if name != "time"])
    usual = st.sampled_from(
        ("client_ip", "request", "request_url", "user_agent", "user_agent_raw", "target", "target_ip", "syslog_host")
    )
    pair = st.tuples(field | usual, st.sampled_from(get_args(Method)))
    return st.lists(pair, max_size=5, unique_by=lambda pair: pair[0]).map(tuple)


def views() -> st.SearchStrategy[View]:
    names = list(formats())
    rename = st.lists(
        st.sampled_from(("client_ip", "time", "format", "request", "extra", "invalid", "elb")), max_size=3, unique=True
    )
    return st.builds(
        View,
        formats=st.just(()) | st.just(()) | st.lists(st.sampled_from(names), min_size=1, max_size=4).map(tuple),
        include=st.just(()) | groups(),
        exclude=st.just(()) | groups(),
        counted=st.booleans(),
        rename=rename.map(
            lambda chosen: tuple(
                (name, f'a "new" name for {name}' * (number * 3 % 4 + 1)) for number, name in enumerate(chosen)
            )
        ),
        redact=redactions(),
        key=st.sampled_from((b"", KEY)),
        constants=st.just(()) | st.sampled_from((CONSTANTS, CONSTANTS[:1])),
    )
