r"""Which quote closes a field, where quotes stand inside of it, behind backslashes, or without a space behind.

An Application Load Balancer writes a client's quote as `\x22`; whether it escapes a backslash is not known. So a quote
behind one is weighed by what follows.
"""

from __future__ import annotations

import pytest

from parsing import Kernel, only, read
from tailrace.registry import formats

ALB = formats()["alb"].example
CLB = formats()["clb"].example
AGENT, NAME = '"Dart/3.11 (dart:io)"', '"www.example.com"'


@pytest.mark.parametrize(
    ("written", "agent"),
    [
        (r"say \"hi\" now", 'say "hi" now'),
        (r"\" \" \"", '" " "'),
        (r"ends with \"quoted\"", 'ends with "quoted"'),
        (r"a\\\" b", r"a\\" + '" b'),
        ("C:\\dir\\", "C:\\dir\\"),
        ("two\\\\", "two\\\\"),
        (r"\"a\" ends with \ ".strip(), '"a" ends with \\'),
        ("\\", "\\"),
        ('a"b"c', 'a"b"c'),
        ('a" b', None),
    ],
)
def test_a_quote_behind_a_backslash_closes_if_what_follows_looks_like_the_rest(
    kernel: Kernel, written: str, agent: str | None
) -> None:
    record = read(kernel, ALB.replace(AGENT, f'"{written}"').encode(), plan=only("alb")).record
    if agent is None:  # a clean quote in the middle closes: the fields behind it shift, none is lost
        assert (record["user_agent"], record["ssl_cipher"]) == ("a", 'b"')
    else:
        assert record["user_agent"] == agent
        assert record["ssl_cipher"] == "ECDHE-RSA-AES128-GCM-SHA256"
        assert record["domain_name"] == "www.example.com"
        assert record["extra"] == ["-", "-"]


@pytest.mark.parametrize("name", ["a\\", r"a\" b", "\\\\"])
def test_so_it_does_in_the_other_quoted_fields(kernel: Kernel, name: str) -> None:
    record = read(kernel, ALB.replace(NAME, f'"{name}"').encode(), plan=only("alb")).record
    assert record["domain_name"] == name
    assert record["chosen_cert_arn"].startswith("arn:aws:acm:")
    assert record["matched_rule_priority"] == 2


def test_a_quote_behind_a_backslash_may_end_the_line(kernel: Kernel) -> None:
    line = ALB.partition(NAME)[0] + '"a\\"'
    assert read(kernel, line.encode(), plan=only("alb")).record["domain_name"] == "a\\"


def test_nothing_closes_a_field_whose_only_quote_is_followed_by_something_else(kernel: Kernel) -> None:
    line = ALB.partition(NAME)[0] + r'"a\" x y z'
    record = read(kernel, line.encode(), plan=only("alb")).record
    assert record["invalid"] == {"domain_name": r'"a\" x y z'}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('" 2 2026', '"2 2026'),
        (f'{NAME} "arn', f'{NAME}"arn'),
        ('"forward" "-"', '"forward""-"'),
        (f"{AGENT} ECDHE", f"{AGENT}ECDHE"),
    ],
)
def test_a_missing_space_is_seen_only_where_the_next_field_is_told_beyond_doubt(
    kernel: Kernel, before: str, after: str
) -> None:
    whole = read(kernel, ALB.encode(), plan=only("alb")).record
    record = read(kernel, ALB.replace(before, after, 1).encode(), plan=only("alb")).record
    assert (record == whole) is not after.endswith("ECDHE")
    assert record["time"] == whole["time"]


def test_a_classic_load_balancers_quote_behind_a_backslash_never_closes(kernel: Kernel) -> None:
    line = CLB.replace(r'"\"probe\" 1.0"', '"C:\\"')
    reject = read(kernel, line.encode(), plan=only("clb")).reject
    assert (reject.reason, reject.payload) == ("unclosed_quote", line.encode())
    record = read(kernel, line.replace("C:\\", "C:\\\\").encode(), plan=only("clb")).record
    assert (record["user_agent"], "ssl_cipher" in record) == ("C:\\\\", False)


def test_sites_may_write_a_word_behind_the_server(kernel: Kernel) -> None:
    line = '192.0.2.7:1 [20/Nov/2026:19:54:26.882] web app/s1 site.example.com 0/0/0/1/1 200 79 - - ---- 1/1/0/0/0 0/0 "GET /a HTTP/1.1"'
    record = read(kernel, line.encode()).record
    assert (record["format"], record["server"], record["extra"]) == ("haproxy_http", "s1", ["site.example.com"])
    plain = read(kernel, line.replace(" site.example.com", "").encode()).record
    del record["extra"]
    assert record == plain
