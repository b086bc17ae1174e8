"""Regular expressions mean the same to both kernels, and what they do not share is refused."""

from __future__ import annotations

import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from parsing import ITEM, kernel_named, read
from tailrace.errors import UsageError
from tailrace.model import Condition, View
from tailrace.registry import formats
from tailrace.transforms.patterns import common

LINE = formats()["alb"].example.encode()
WRITTEN = LINE.partition(b' "Dart')[2].partition(b'" ')[0]


def matches(pattern: str, agent: bytes) -> bool:
    """Whether both find the pattern in a user agent."""
    line = LINE.replace(b"Dart" + WRITTEN, agent) + b"\n"
    view = View(include=((Condition("user_agent", "~", common(pattern)),),))
    found = [
        len(read(kernel_named(name), line, item=ITEM).batches[0].records.select(view))
        for name in ("native", "reference")
    ]
    assert found[0] == found[1]
    return bool(found[0])


CASES = [
    ("^ELB-", "ELB-HealthChecker/2.0", True), ("^ELB-", "x ELB-", False), ("0$", "a 10", True), ("0$", "10 a", False),
    (r"Mozilla/\d+\.\d", "Mozilla/5.0", True), (r"a.c", "abc", True), ("[a-c]{3}$", "abca", True), (r"[^\d]x", "1x", False),
    ("(?i)BOT|spider", "GoogleBot", True), (r"\bbot\b", "a bot.", True), (r"\bbot\b", "robots", False), ("é+", "éé", True),
    (r"(?:ab){2}", "abab", True), (r"(?:ab){2}", "ab", False), (r"\x41\t?", "A", True), (r"[\w.-]+@", "a.b-c@d", True), ("a|b|", "", True),
    (r"\(x\)", "(x)", True), ("^$", "x", False), ("a+?b*?c??", "a", True), (r"\S\s\S", "a b", True), (r"[]", "", None),
]  # fmt: skip


@pytest.mark.parametrize(("pattern", "agent", "expected"), [case for case in CASES if case[2] is not None])
def test_common_patterns_mean_what_they_mean(pattern: str, agent: str, expected: bool) -> None:  # noqa: FBT001
    assert matches(pattern, agent.encode()) == expected
    assert (re.search(pattern, agent, re.ASCII) is not None) == expected


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("(?=a)", "looking around"), ("(?<!a)b", "looking around"), ("(?P<n>a)", "no name"), (r"(a)\1", "none of"), ("a(?i)b", "flag"),
        (r"\Aa", "none of"), (r"\Bx", "none of"), (r"\p{L}", "none of"), ("a**", "follows another"), ("a*+", "follows another"), ("*a", "nothing before"),
        ("a{2", "nothing before"), ("{2}", "nothing before"), ("a{3,2}", "smaller"), ("(a", "not closed"), ("a)", "closes no group"), ("[a", "not closed"),
        ("[]", "empty"), ("[[:alpha:]]", "ASCII only"), ("[é]", "ASCII only"), ("[z-a]", "before it begins"), ("^*", "cannot be repeated"),
        ("(a{100}){100}", "more than 5000"),
        ("a{2000}a{2000}a{2000}", "more than 5000"), ("(" * 60 + ")" * 60, "deeper"), ("a" * 1001, "longer"), ("a\\", "none of"),
    ],
)  # fmt: skip
def test_what_is_not_common_is_refused(pattern: str, why: str) -> None:
    with pytest.raises(UsageError, match=re.escape(why)):
        common(pattern)


@pytest.mark.parametrize(
    "pattern", [r"(?:[\w-]{90}){49}", r"[^a]{4998}", "(?i)" + "(?:[a-z]|x)" * 60 + r"{1,40}\W{0,3000}"]
)
def test_the_longest_patterns_can_be(pattern: str) -> None:
    matches(pattern, b"abc")


PIECES = st.sampled_from(
    [
        "a",
        "b",
        ".",
        r"\d",
        r"\W",
        r"\s",
        "[ab]",
        "[^a]",
        "[a-z0-9]",
        "(ab|c)",
        "(?:a|)",
        "^",
        "$",
        r"\b",
        "*",
        "+",
        "?",
        "{2}",
        "{0,1}",
        "|",
        "é",
        " ",
    ]
)


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(pieces=st.lists(PIECES, max_size=6), flag=st.sampled_from(("", "(?i)")), agent=st.text("abAB1c é.", max_size=8))
def test_both_find_the_same(pieces: list[str], flag: str, agent: str) -> None:
    pattern = flag + "".join(pieces)
    try:
        common(pattern)
    except UsageError:
        return
    matches(pattern, agent.encode())
