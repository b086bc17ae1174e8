"""The examples of docs/transforms.md do what the page says."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import get_args

from parsing import ALL, kernel_named, read
from tailrace.model import Method
from tailrace.registry import formats
from tailrace.settings import struct_of
from tailrace.transforms import Transforms, split, view_of
from viewing import KEY, view

PAGE = (Path(__file__).parents[2] / "docs" / "transforms.md").read_text(encoding="utf-8")


def test_the_settings_can_be_read() -> None:
    (block,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    mine, own = split(tomllib.loads(block)["sinks"]["search"])
    assert list(own) == ["url"]
    found = view_of(struct_of(Transforms, mine, "sink search"), ALL.formats, KEY)
    assert set(mine) | {"filter_mode"} == set(Transforms.__struct_fields__)
    assert found.include[0][0].field == "elb_status_code"


def test_every_method_and_setting_is_told() -> None:
    table = PAGE.partition("## Redaction")[2]
    assert re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE) == list(get_args(Method))
    assert all(f"`{name}" in PAGE or f"{name} =" in PAGE for name in Transforms.__struct_fields__)


def test_a_line_is_redacted_as_shown() -> None:
    before, after = (
        [part.strip() for part in line.partition("  ")[2].split("…")[1:-1]]
        for line in re.findall(r"^    (?:before|after) .*$", PAGE, re.MULTILINE)
    )
    line = formats()["alb"].example
    start = line.index('"GET')
    end = line.index(" ECDHE")
    line = line[:start] + before[-1] + line[end:]
    some = view(redact={"client_ip": "network", "request_url": "query", "user_agent": "mask"})
    raw = bytes(
        read(kernel_named("reference"), line.encode() + b"\n").batches[0].records.select(some).raw().data
    ).decode()
    assert all(part in line for part in before)
    assert all(part in raw for part in after)
