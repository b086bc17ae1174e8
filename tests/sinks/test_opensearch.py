"""A real OpenSearch: what it takes, refuses and recognises, and how it types what it takes."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from cli.conftest import Run, run  # noqa: F401 - a fixture
from making import alb, batch, item
from parsing import SAMPLES
from searching import delivered, surroundings, workers
from services.opensearch import OpenSearch, running
from tailrace.errors import Fatal, Retryable, UsageError
from tailrace.model import Batch, Flushed, Item
from tailrace.registry import formats
from tailrace.settings import struct_of
from tailrace.sinks.elasticsearch import SINK

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]
_numbers = itertools.count()
ALL = "".join(f"{known.example}\n" for known in formats().values()).encode()
KEYED: dict[str, Any] = {"type": "keyword"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenSearch]:
    with running(tmp_path_factory.mktemp("opensearch")) as found:
        yield found


@pytest.fixture
def index(server: OpenSearch) -> Iterator[str]:
    """The name of an index that is not there yet."""
    name = f"requests-{next(_numbers)}"
    yield name
    server.ask("DELETE", f"{name}*?ignore_unavailable=true")


@pytest.fixture
def stream(server: OpenSearch) -> Iterator[str]:
    """The name of a data stream, whose template is set up."""
    name = f"logs-alb{next(_numbers)}-default"
    set_up(server, name)
    yield name
    server.ask("DELETE", f"_data_stream/{name}*")
    server.ask("DELETE", f"_index_template/tailrace-{name}")


def set_up(server: OpenSearch, name: str, **own: Any) -> list[str]:
    """Bring the templates of a sink in order; what was done."""
    assert SINK.setup
    told = struct_of(SINK.settings, own, "the test")
    with closing(SINK.setup(f"{server.url}/{name}", told, surroundings(), list(formats().values()))) as setup:
        changes = setup.plan(setup.look())
        for change in changes:
            setup.apply(change)
        return [change.why for change in changes]


def sent(server: OpenSearch, name: str, of: Item, *batches: Batch, **own: Any) -> Flushed:
    sink = workers(f"{server.url}/{name}", **own)()
    with closing(sink):
        return delivered(sink, of, *batches)


def properties(server: OpenSearch, name: str) -> dict[str, Any]:
    """The types of the fields of an index, by the fields' whole names."""
    (told,) = server.ask("GET", f"{name}/_mapping").values()
    found: dict[str, Any] = {}

    def walk(at: dict[str, Any], prefix: str) -> None:
        for key, value in at.items():
            if "properties" in value:
                walk(value["properties"], f"{prefix}{key}.")
            else:
                found[prefix + key] = value["type"]

    walk(told["mappings"]["properties"], "")
    return found


def test_every_format_gets_into_a_data_stream_once(server: OpenSearch, stream: str) -> None:
    made = batch(ALL)
    assert len(made.records) == len(formats())
    assert sent(server, stream, item(), made).refusals == []
    expected = {
        (told := json.loads(line)).pop("_id"): told for line in made.records.ndjson("ecs", ids=True).splitlines()
    }
    assert server.documents(stream) == expected
    again = sent(server, stream, item(), made)
    assert (again.already, again.refusals) == (len(made.records), [])
    assert server.count(stream) == len(expected)


@pytest.mark.parametrize("schema", ["aws", "ecs", "otel"])
def test_every_field_has_the_type_of_its_template(server: OpenSearch, index: str, schema: str) -> None:
    assert set_up(server, index, schema=schema) == ["there is no such template"]
    assert set_up(server, index, schema=schema) == []
    server.ask("PUT", index)
    before = properties(server, index)
    assert sent(server, index, item(), batch(ALL), schema=schema).refusals == []
    assert properties(server, index) == before, "no record brings a field that the template does not know"
    address, port, url = {
        "aws": ("client_ip", "client_port", "request_url"), "ecs": ("source.ip", "source.port", "url.original"),
        "otel": ("client.address", "client.port", "url.full"),
    }[schema]  # fmt: skip
    assert (before[address], before[port], before[url]) == ("ip", "long", "wildcard")
    server.ask("DELETE", f"_index_template/tailrace-{index}")


def test_a_template_that_differs_is_put_right_and_one_of_others_is_left(server: OpenSearch, index: str) -> None:
    set_up(server, index)
    path = f"_index_template/tailrace-{index}"
    (told,) = server.ask("GET", path)["index_templates"]
    document = told["index_template"]
    document["template"]["mappings"]["properties"]["client_ip"] = KEYED
    server.ask("PUT", path, document)
    assert set_up(server, index) == ["it differs; indices that are there keep their types"]
    assert set_up(server, index) == []
    server.ask("PUT", path, document | {"_meta": {}})
    with pytest.raises(UsageError, match=f"there is a template tailrace-{index} that Tailrace has not made"):
        set_up(server, index)
    server.ask("DELETE", path)


def test_what_does_not_fit_is_refused_and_the_rest_is_taken(server: OpenSearch, index: str) -> None:
    server.ask("PUT", index, {"mappings": {"properties": {"request_url": {"type": "long"}, "elb": KEYED}}})
    made = batch(alb("2026-09-23", 1) + alb("2026-09-23", 2))
    flushed = sent(server, index, item(), made, dead_letter_index=f"{index}-dead")
    assert [refusal.detail for refusal in flushed.refusals] == ["mapper_parsing_exception: request_url is no long"] * 2
    assert [refusal.payload + b"\n" for refusal in flushed.refusals] == [alb("2026-09-23", 1), alb("2026-09-23", 2)]
    letters = server.documents(f"{index}-dead")
    assert {letter["payload"].encode() + b"\n" for letter in letters.values()} == {
        alb("2026-09-23", 1),
        alb("2026-09-23", 2),
    }
    assert {letter["reason"] for letter in letters.values()} == {"mapping"}


def test_texts_beyond_any_index_are_refused_without_a_template_and_taken_with_it(
    server: OpenSearch, index: str
) -> None:
    long = batch(alb("2026-09-23").replace(b"/search/0", b"/" + "ü".encode() * 20_000))
    server.ask("PUT", index, {"mappings": {"properties": {"request_url": KEYED}}})
    assert [refusal.reason for refusal in sent(server, index, item(), long).refusals] == ["mapping"]
    server.ask("DELETE", index)
    set_up(server, index)
    assert sent(server, index, item(), long).refusals == []
    assert server.count(index) == 1
    server.ask("DELETE", f"_index_template/tailrace-{index}")


def test_an_address_that_is_none_is_kept(server: OpenSearch, stream: str) -> None:
    server.ask("PUT", f"_data_stream/{stream}")
    sink = workers(f"{server.url}/{stream}")()
    made = batch(alb("2026-09-23"))
    chunk = sink._writing.chunk(item(), made.records, 0)
    lines = chunk.body.replace(b'"198.51.100.165"', b'"unix:1"')
    sink._records.add(type(chunk)(lines, chunk.rows, chunk.origin))
    with closing(sink):
        assert sink.flush().refusals == []
    (document,) = server.documents(stream).values()
    assert document["source.ip"] == "unix:1"


def test_an_index_that_is_not_made_by_itself_ends_the_run(server: OpenSearch, index: str) -> None:
    server.ask("PUT", "_cluster/settings", {"persistent": {"action.auto_create_index": "false"}})
    try:
        with pytest.raises(Fatal, match=r"there is no such index, .* make it, or allow"):
            sent(server, index, item(), batch(alb("2026-09-23")))
    finally:
        server.ask("PUT", "_cluster/settings", {"persistent": {"action.auto_create_index": None}})


@pytest.mark.parametrize("block", ["index.blocks.write", "index.blocks.read_only_allow_delete"])
def test_a_blocked_index_is_waited_for_and_nothing_is_lost(server: OpenSearch, index: str, block: str) -> None:
    server.ask("PUT", index)
    server.ask("PUT", f"{index}/_settings", {block: True})
    sink = workers(f"{server.url}/{index}")()
    sink.write(item(), batch(ALL), 0)
    with closing(sink):
        for _ in range(3):
            with pytest.raises(Retryable, match=r"has no room for .* \(cluster_block_exception\)"):
                sink.flush()
        server.ask("PUT", f"{index}/_settings", {block: None})
        assert sink.flush().already == 0
    assert server.count(index) == len(formats())


def test_behind_a_rollover_ids_do_not_help(server: OpenSearch, stream: str) -> None:
    """Why the receipt is the guard there."""
    sent(server, stream, item(), batch(ALL))
    server.ask("POST", f"{stream}/_rollover")
    assert sent(server, stream, item(), batch(ALL)).already == 0
    assert server.count(stream) == 2 * len(formats())


def test_without_ids_the_server_chooses_them(server: OpenSearch, stream: str) -> None:
    for _ in range(2):
        flushed = sent(server, stream, item(), batch(ALL), ids=False)
        assert (flushed.already, flushed.refusals) == (0, [])
    assert server.count(stream) == 2 * len(formats())


def test_a_check_writes_nothing(server: OpenSearch, index: str) -> None:
    for name in (index, f"{index}-{{format}}"):
        with closing(workers(f"{server.url}/{name}")()) as sink:
            assert sink.check().startswith(f"{server.url}/{name} takes bulk requests")
    assert server.ask("GET", f"_cat/indices/{index}*?format=json") == []


def test_names_may_follow_from_records(server: OpenSearch, index: str) -> None:
    flushed = sent(server, f"{index}-{{format}}-{{date}}", item(), batch(ALL))
    assert flushed.refusals == []
    assert server.count(f"{index}-alb-2026-09-23") == 1
    assert server.count(f"{index}-*") == len(formats())


def test_samples_are_carried_whole_by_the_program(
    run: Run,  # noqa: F811
    server: OpenSearch,
    stream: str,
) -> None:
    to = ("--to", f"elasticsearch:{server.url}/{stream}")
    words = ("ship", str(SAMPLES / "aws"), str(SAMPLES / "s3"), "--format", "auto", *to)
    ran = run(*words)
    assert ran.code == 0, ran.err
    records = sum(
        json.loads(line)["counts"]["records"] for line in run("receipts", "--json", "--limit", "0").out.splitlines()
    )
    assert server.count(stream) == records > 1000
    assert run("receipts", "--check").out.endswith("all balance\n")
    again = run(*words, "--again")
    assert again.code == 0
    assert server.count(stream) == records
    told = [json.loads(line) for line in run("receipts", "--json", "--limit", "0").out.splitlines()]
    assert sum(receipt["totals"]["already"] for receipt in told) == records


def test_the_program_sets_a_sink_up(run: Run, server: OpenSearch, index: str) -> None:  # noqa: F811
    url = f"{server.url}/{index}"
    dry = run("sink", "setup", "elasticsearch", url, "--dry-run")
    assert dry.out.startswith(f"PUT /_index_template/tailrace-{index}?create=true: there is no such template\n{{\n")
    assert run("sink", "setup", f"elasticsearch:{url}").out.startswith(f"PUT /_index_template/tailrace-{index}")
    assert run("sink", "setup", f"elasticsearch:{url}").out == "nothing to do: everything is as it should be\n"
    server.ask("DELETE", f"_index_template/tailrace-{index}")
