"""The difficult lines: values that parsers tend to get wrong."""

from __future__ import annotations

from typing import Any

import pytest

from parsing import ITEM, Kernel, only, promised, read, sample_objects

NASTY = sample_objects("nasty.jsonl")
NAMES = {
    "method": "request_method", "url": "request_url", "proto": "request_protocol", "ua": "user_agent",
}  # fmt: skip


@pytest.mark.parametrize("way", ["by_key", "by_line", "named"])
@pytest.mark.parametrize("case", NASTY, ids=[case["id"] for case in NASTY])
def test_a_difficult_line_is_read_as_it_is_meant(kernel: Kernel, case: dict[str, Any], way: str) -> None:
    kind, truth = case["kind"], dict(case["truth"])
    item = promised(kind) if way == "by_key" else ITEM
    told = read(kernel, case["line"].encode(), item=item, **({"plan": only(kind)} if way == "named" else {}))
    record = told.record
    assert record["format"] == kind
    host, _, port = truth.pop("client").rpartition(":")
    assert (record["client_ip"], record["client_port"]) == (host, int(port))
    if "alpn" in truth:
        assert record["alpn_client_preference_list"] == [truth.pop("alpn").strip('"')]
    if "created" in truth:
        assert record["tls_connection_creation_time"] == truth.pop("created") + "Z"
    assert {name: record.get(NAMES[name]) for name in truth} == truth
    assert told.counts.lines == case["line"].count("\n") + 1


def test_every_kind_has_difficult_lines() -> None:
    assert {case["kind"] for case in NASTY} == {"alb", "alb_connection", "clb", "nlb"}


def test_a_missing_space_behind_a_quote_shifts_nothing(kernel: Kernel) -> None:
    (case,) = (case for case in NASTY if case["id"] == "A21")
    record = read(kernel, case["line"].encode()).record
    assert "chosen_cert_arn" not in record
    assert record["matched_rule_priority"] == 1
    assert record["request_creation_time"] == "2018-07-02T22:22:48.364000Z"
    assert record["actions_executed"] == ["forward"]


def test_fields_without_a_name_are_kept_as_extra(kernel: Kernel) -> None:
    (case,) = (case for case in NASTY if case["id"] == "A01")
    told = read(kernel, case["line"].encode())
    assert told.record["extra"] == ["-", "-"]
    assert told.counts.unknown == 1


def test_a_leading_space_of_a_domain_name_is_kept(kernel: Kernel) -> None:
    (case,) = (case for case in NASTY if case["id"] == "A15")
    assert read(kernel, case["line"].encode()).record["domain_name"] == " some-subdomain.example.com"


def test_empty_actions_are_an_empty_list_and_a_dash_is_none(kernel: Kernel) -> None:
    (case,) = (case for case in NASTY if case["id"] == "A23")
    assert read(kernel, case["line"].encode()).record["actions_executed"] == []
    (case,) = (case for case in NASTY if case["id"] == "A07")
    assert "actions_executed" not in read(kernel, case["line"].encode()).record
