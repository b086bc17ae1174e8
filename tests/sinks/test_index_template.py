"""Index templates: the types that follow from the formats, for servers of different ages, and when they are put."""

from __future__ import annotations

import json
from typing import Any

import pytest

from making import batch
from searching import surroundings
from services.strict_bulk import Asked, StrictBulk
from tailrace.changes import Setup
from tailrace.errors import Fatal, Retryable, UsageError
from tailrace.hosts.reading import plan_of
from tailrace.kernel.layout import Format
from tailrace.kernel.names import SCHEMAS
from tailrace.registry import formats
from tailrace.settings import Settings, struct_of
from tailrace.sinks._index_template import SERVERLESS, dialect_of, fields_of, holds
from tailrace.sinks.elasticsearch import SINK

ELASTIC = {"number": "9.1.0", "build_flavor": "default"}
KNOWN = list(formats().values())


def open_search(number: str) -> dict[str, str]:
    return {"number": number, "distribution": "opensearch"}


@pytest.mark.parametrize(("version", "free", "flat"), [
    (ELASTIC, "wildcard", "flattened"), ({"number": "8.0.0"}, "wildcard", "flattened"),
    (open_search("3.1.0"), "wildcard", "flat_object"), (open_search("2.15.0"), "wildcard", "flat_object"),
    (open_search("2.14.9"), "keyword", "flat_object"), (open_search("2.7.0"), "keyword", "flat_object"),
    (open_search("2.6.0"), "keyword", "object"),
])  # fmt: skip
def test_types_are_called_as_the_server_knows_them(version: dict[str, str], free: str, flat: str) -> None:
    found = fields_of(KNOWN, "ecs", dialect_of(version), stamped=True)
    assert (found["url.original"]["type"], found["tailrace.invalid"]["type"]) == (free, flat)


@pytest.mark.parametrize(("version", "told"), [
    ({"number": "7.17.0"}, "^the server is Elasticsearch 7.17.0, or says so"), (open_search("1.3.2"), "OpenSearch 1.3.2"),
    ({}, "an unknown version"), ({"number": "new"}, "Elasticsearch new"),
])  # fmt: skip
def test_servers_that_are_too_old_are_told_of(version: dict[str, str], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        dialect_of(version)


@pytest.mark.parametrize(("name", "type_"), [
    ("@timestamp", "date"), ("source.ip", "ip"), ("source.port", "long"), ("http.response.status_code", "long"),
    ("aws.elb.backend_processing_time.sec", "double"), ("aws.elb.ip_address", "ip"), ("aws.elb.name", "keyword"),
    ("url.original", "wildcard"), ("user_agent.original", "wildcard"), ("haproxy.http.request.raw_request_line", "wildcard"),
    ("http.request.method", "keyword"), ("tailrace.truncated", "boolean"), ("event.dataset", "keyword"),
    ("aws.elb.target_status_code", "long"), ("aws.elb.target_port", "keyword"), ("event.start", "date"),
])  # fmt: skip
def test_types_follow_from_the_columns(name: str, type_: str) -> None:
    assert fields_of(KNOWN, "ecs", dialect_of(ELASTIC), stamped=True)[name]["type"] == type_


@pytest.mark.parametrize("schema", SCHEMAS)
def test_every_field_of_every_record_has_a_type(schema: str) -> None:
    types = fields_of(KNOWN, schema, SERVERLESS, stamped=True)
    fitting: dict[str, type | tuple[type, ...]] = {"long": int, "double": (int, float), "boolean": bool, "object": dict}
    for line in batch("".join(f"{known.example}\n" for known in KNOWN).encode()).records.ndjson(schema).splitlines():
        for name, value in json.loads(line).items():
            for each in value if isinstance(value, list) else [value]:
                assert isinstance(each, fitting.get(types[name]["type"], str)), name


def test_the_columns_of_a_log_format_have_types_too() -> None:
    (custom,) = plan_of(Settings(log_format="%ci:%cp %ST %[var(txn.one)]")).formats
    assert fields_of([custom], "aws", SERVERLESS, stamped=False)["client_ip"]["type"] == "ip"


def test_what_was_wanted_may_be_found_among_more() -> None:
    wanted = {"a": {"b": 1024, "c": True, "d": [{"e": "x"}]}}
    assert holds({"a": {"b": "1024", "c": "true", "d": [{"e": "x", "more": 1}], "more": {}}}, wanted)
    for found in (
        {},
        {"a": 1},
        {"a": {"b": 1024, "c": True, "d": []}},
        {"a": {"b": 1023, "c": True, "d": [{"e": "x"}]}},
    ):
        assert not holds(found, wanted)


class TestSetup:
    """Against the strict server, which keeps templates as they were put."""

    @pytest.fixture
    def templates(self, search: StrictBulk) -> dict[str, Any]:
        kept: dict[str, Any] = {}

        def get(asked: Asked) -> tuple[int, Any]:
            name = asked.path.rpartition("/")[2]
            found = [{"name": name, "index_template": kept[name]}] if name in kept else []
            return (
                (200, {"index_templates": found})
                if found
                else (404, {"error": {"type": "resource_not_found_exception"}})
            )

        def put(asked: Asked) -> tuple[int, Any]:
            path, _, query = asked.path.partition("?")
            name = path.rpartition("/")[2]
            assert asked.headers["Content-Type"] == "application/json"
            if name in kept and query == "create=true":
                return 400, {
                    "error": {"type": "illegal_argument_exception", "reason": f"index template [{name}] already exists"}
                }
            kept[name] = json.loads(asked.body)
            return 200, {"acknowledged": True}

        search.answers["GET", "/"] = lambda _asked: (200, {"version": ELASTIC})
        for name in ("tailrace-x", "tailrace-dead", "tailrace-logs-format-default"):
            search.answers["GET", f"/_index_template/{name}"] = get
            search.answers["PUT", f"/_index_template/{name}"] = put
        return kept

    def setup_of(self, search: StrictBulk, index: str, of: list[Format] | None = None, **own: Any) -> Setup:
        assert SINK.setup
        return SINK.setup(
            f"{search.url}/{index}", struct_of(SINK.settings, own, "the test"), surroundings(), of or KNOWN
        )

    def done(self, setup: Setup) -> list[str]:
        changes = setup.plan(setup.look())
        for change in changes:
            setup.apply(change)
        setup.close()
        return [change.why for change in changes]

    def test_it_is_put_once(self, search: StrictBulk, templates: dict[str, Any]) -> None:
        assert self.done(self.setup_of(search, "logs-{format}-default")) == ["there is no such template"]
        assert self.done(self.setup_of(search, "logs-{format}-default")) == []
        (made,) = templates.values()
        assert (made["index_patterns"], made["data_stream"]) == (["logs-*-default"], {})
        assert made["priority"] > 100
        assert made["template"]["mappings"]["properties"]["source"]["properties"]["ip"]["type"] == "ip"

    def test_it_is_put_again_when_formats_have_more_columns(
        self, search: StrictBulk, templates: dict[str, Any]
    ) -> None:
        self.done(self.setup_of(search, "x", KNOWN[:1]))
        assert self.done(self.setup_of(search, "x")) == ["it differs; indices that are there keep their types"]
        assert "data_stream" not in templates["tailrace-x"]

    def test_looking_and_planning_change_nothing(self, search: StrictBulk, templates: dict[str, Any]) -> None:
        setup = self.setup_of(search, "x")
        assert len(setup.plan(setup.look())) == 1
        setup.close()
        assert templates == {}
        assert {asked.method for asked in search.asked} == {"GET"}

    def test_one_that_somebody_else_makes_meanwhile_is_not_overwritten(
        self, search: StrictBulk, templates: dict[str, Any]
    ) -> None:
        setup = self.setup_of(search, "x")
        (change,) = setup.plan(setup.look())
        templates["tailrace-x"] = {"_meta": {}}
        with pytest.raises(Fatal, match=r"PUT _index_template/tailrace-x is refused .* already exists"):
            setup.apply(change)
        with pytest.raises(UsageError, match=r"that Tailrace has not made; rename or remove it$"):
            setup.plan(setup.look())
        setup.close()
        assert templates == {"tailrace-x": {"_meta": {}}}

    def test_the_index_of_dead_letters_gets_one_too(self, search: StrictBulk, templates: dict[str, Any]) -> None:
        assert len(self.done(self.setup_of(search, "x", dead_letter_index="dead"))) == 2
        properties = templates["tailrace-dead"]["template"]["mappings"]["properties"]
        assert properties["payload"]["type"] == "wildcard"
        assert properties["item"]["properties"]["key"]["type"] == "keyword"

    def test_a_serverless_collection_is_not_asked_for_its_version(
        self, search: StrictBulk, templates: dict[str, Any]
    ) -> None:
        from services.sigv4 import client_with  # noqa: PLC0415

        assert SINK.setup
        own = struct_of(SINK.settings, {"aws": "aoss"}, "the test")
        given = surroundings(client=lambda _service: client_with("A SECRET"))
        self.done(SINK.setup(f"{search.url}/x", own, given, KNOWN))
        assert "/" not in [asked.path for asked in search.asked]
        assert list(templates) == ["tailrace-x"]

    @pytest.mark.parametrize("answer", [(200, {}), (200, []), (404, {}), (200, None)])
    def test_what_is_no_search_server_is_told(self, search: StrictBulk, answer: tuple[int, Any]) -> None:
        search.answers["GET", "/"] = lambda _asked: answer
        setup = self.setup_of(search, "x")
        with pytest.raises((UsageError, Fatal)):
            setup.look()
        setup.close()

    def test_a_server_that_is_busy_asks_to_come_again(self, search: StrictBulk) -> None:
        search.answers["GET", "/"] = lambda _asked: (503, None)
        setup = self.setup_of(search, "x")
        with pytest.raises(Retryable):
            setup.look()
        setup.close()

    def test_fields_that_do_not_go_together_are_told(self, search: StrictBulk, templates: dict[str, Any]) -> None:
        from tailrace.kernel.layout import Column, Columns, Field  # noqa: PLC0415

        column = Column(name="x", doc="", ecs="source.ip.x", otel="x")
        other = Format(
            name="other", title="", about="", source="", example="",
            layouts=(Columns(fields=(Field(label="x", columns=(column,)),), required=1, starts=()),),
        )  # fmt: skip
        setup = self.setup_of(search, "x", [*KNOWN, other], schema="ecs")
        with pytest.raises(
            UsageError, match=r"source.ip.x cannot be beside a field source.ip; write each format into .* \{format\}$"
        ):
            setup.plan(setup.look())
        setup.close()
        assert templates == {}
