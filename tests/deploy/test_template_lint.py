"""cfn-lint finds nothing in the template of any settings."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from cfnlint.api import ManualArgs, lint
from templating import AXES, every, made, pairwise

from tailrace.deploy.template import as_json

LINES = ("trigger", "bucket", "vpc", "sinks", "concurrency", "tracing", "topic", "table")
REGIONS = ("eu-west-1", "cn-north-1", "us-gov-west-1", "il-central-1")


def found(text: str, region: str) -> Iterable[str]:
    return map(str, lint(text, config=ManualArgs(regions=[region], include_checks=["I"])))


@pytest.mark.parametrize("assignments", pairwise(), ids=lambda each: str(pairwise().index(each)))
def test_any_two_choices(assignments: tuple[str, ...]) -> None:
    assert list(found(as_json(made(*assignments)), "eu-west-1")) == []


@pytest.mark.parametrize("region", REGIONS[1:])
def test_other_partitions(region: str) -> None:
    assert list(found(as_json(made()), region)) == []


@pytest.mark.long
def test_all_of_them() -> None:
    axes = {name: AXES[name] for name in LINES}
    for assignments in every(axes):
        assert list(found(as_json(made(*assignments)), "eu-west-1")) == [], assignments


def test_it_would_find_something() -> None:
    template = made()
    template["Resources"]["EventQueue"]["Properties"]["VisibilityTimeout"] = "for ever"
    template["Resources"]["LogsBucket"]["DependsOn"] = ["LogsBucketPolicy"]
    text = " ".join(found(as_json(template), "eu-west-1"))
    assert "E3004" in text
    assert "'for ever' is not of type 'integer'" in text
