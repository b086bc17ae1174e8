"""`tailrace sink setup`: which sink is meant, what is shown, and what is done."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.conftest import Run
from services.strict_bulk import Asked, StrictBulk

TEMPLATE = "/_index_template/tailrace-logs-alb-default"


@pytest.fixture
def server() -> Iterator[StrictBulk]:
    server = StrictBulk()
    server.answers["GET", "/"] = lambda _asked: (200, {"version": {"number": "9.1.0"}})
    server.answers["PUT", TEMPLATE] = lambda _asked: (200, {"acknowledged": True})
    yield server
    assert server.wrongs == []
    server.close()


def puts(server: StrictBulk) -> list[Asked]:
    return [asked for asked in server.asked if asked.method == "PUT"]


def test_what_would_be_done_is_shown(run: Run, server: StrictBulk) -> None:
    ran = run("sink", "setup", "elasticsearch", f"{server.url}/logs-alb-default", "--dry-run")
    head, _, document = ran.out.partition("\n")
    assert (ran.code, head) == (0, f"PUT {TEMPLATE}?create=true: there is no such template")
    assert json.loads(document)["index_patterns"] == ["logs-alb-default"]
    assert puts(server) == []


def test_it_is_done_and_told(run: Run, server: StrictBulk) -> None:
    ran = run("sink", "setup", f"elasticsearch:{server.url}/logs-alb-default")
    assert (ran.code, ran.out) == (0, f"PUT {TEMPLATE}?create=true: there is no such template\n")
    assert len(puts(server)) == 1


@pytest.mark.parametrize("word", ["elasticsearch", "search"])
def test_a_sink_of_the_settings_may_be_named_or_meant(run: Run, server: StrictBulk, word: str, tmp_path: Path) -> None:
    config = f'to = ["stdout"]\n[sinks.search]\nurl = "elasticsearch:{server.url}/logs-alb-default"\nusername = "me"\npassword = "env:PW"\n'
    (tmp_path / "tailrace.toml").write_text(config)
    ran = run("sink", "setup", word, PW="secret")
    assert ran.code == 0, ran.err
    assert {asked.headers["Authorization"] for asked in server.asked} == {"Basic bWU6c2VjcmV0"}
    assert len(puts(server)) == 1


@pytest.mark.parametrize(("words", "told"), [
    (("elasticsearch",), "error: which elasticsearch? No sink of this kind is in the settings; write elasticsearch:http://HOST:9200/INDEX\n"),
    (("store",), "error: store needs no setup\n"),
    (("nothing",), "error: no sink is called 'nothing'; there are: "),
    (("elasticsearch", "http://127.0.0.1:1/x"), "error: http://127.0.0.1:1 cannot be reached: "),
    (("elasticsearch", "http://127.0.0.1:1"), "error: http://127.0.0.1:1: name the index or data stream"),
])  # fmt: skip
def test_what_cannot_be_is_told(run: Run, words: tuple[str, ...], told: str) -> None:
    ran = run("sink", "setup", *words)
    assert ran.code in (2, 3, 4)
    assert ran.err.startswith(told)


def test_of_several_one_must_be_named(run: Run, tmp_path: Path) -> None:
    (tmp_path / "tailrace.toml").write_text(
        '[sinks.a]\nurl = "elasticsearch:http://h/x"\n[sinks.b]\nurl = "elasticsearch:http://h/y"\n'
    )
    ran = run("sink", "setup", "elasticsearch")
    assert (ran.code, ran.err) == (2, "error: a and b are of the kind elasticsearch; name one of them\n")
