"""Records at a search server: how they are written, what becomes of them, and what is sent again."""

from __future__ import annotations

import gzip
import json
import re
from dataclasses import replace
from typing import Any

import pytest

from making import StillClock, alb, batch, clb, item
from searching import To, delivered, surroundings, workers
from services.strict_bulk import AWAY, BROKEN, BUSY, LOST, NO_IDS, RESET, UNFIT, Error, StrictBulk, Whole, refused
from tailrace.errors import Fatal, Retryable
from tailrace.hosts.reading import plan_of
from tailrace.kernel.plan import ItemPlan
from tailrace.kernel.reference import Parser
from tailrace.letters import decoded, of_refusal
from tailrace.model import Batch, Item, View, record_id
from tailrace.settings import Settings

LINES = [alb("2026-09-23", number) for number in range(5)]
FIVE = batch(b"".join(LINES))
STREAM, INDEX = "logs-alb-default", "requests"
CLF = b"<134>lb1 haproxy[1]: nothing that has a time"


def ids_of(content: bytes, of: Item | None = None) -> list[str]:
    offsets = [0, *(match.end() for match in re.finditer(b"\n", content))][:-1]
    return [record_id((of or item()).identity.token, offset) for offset in offsets]


def many(number: int, first: int = 0) -> Batch:
    return batch(b"".join(alb("2026-09-23", number) for number in range(first, first + number)))


def only(*names: str, judge: Error) -> Any:
    """What becomes of the documents with these ids."""
    return lambda _index, id_, _document: judge if id_ in names else None


class TestWriting:
    def test_a_record_is_created_under_its_id_as_it_was_parsed(self, search: StrictBulk, to: To) -> None:
        sink = to(STREAM)
        flushed = delivered(sink, item(), FIVE)
        assert (flushed.already, flushed.refusals, flushed.unconfirmed) == (0, [], False)
        expected = [json.loads(line) for line in FIVE.records.ndjson("ecs").splitlines()]
        assert [search.documents[STREAM, id_] for id_ in ids_of(b"".join(LINES))] == expected
        assert len(search.documents) == len(LINES)
        assert len(search.asked) == 1

    @pytest.mark.parametrize(("index", "own", "schema"), [
        (INDEX, {}, "aws"), (STREAM, {}, "ecs"), (INDEX, {"schema": "otel"}, "otel"), (INDEX, {"data_stream": True}, "ecs"),
        (STREAM, {"data_stream": False}, "aws"),
    ])  # fmt: skip
    def test_the_names_are_those_of_ecs_for_data_streams_else_as_set(
        self, search: StrictBulk, to: To, index: str, own: dict[str, Any], schema: str
    ) -> None:
        delivered(to(f"{index}", **own), item(), FIVE)
        expected = json.loads(FIVE.records.ndjson(schema).splitlines()[0])
        assert search.documents[index, ids_of(LINES[0])[0]] == expected

    def test_the_schema_of_the_run_is_that_of_indices(self, search: StrictBulk, to: To) -> None:
        given = surroundings(settings=Settings(schema="otel"))
        delivered(to(INDEX, given), item(), FIVE)
        assert search.documents[INDEX, ids_of(LINES[0])[0]]["encoding.format"] == "alb"

    @pytest.mark.parametrize("schema", ["aws", "ecs", "otel"])
    def test_in_a_data_stream_every_record_has_a_time(self, search: StrictBulk, to: To, schema: str) -> None:
        search.data_streams = {STREAM}
        of = replace(item(), modified=1_790_000_000.5)
        dated, undated = batch(LINES[0], of), timeless(of, 9999)
        flushed = delivered(to(STREAM, schema=schema), of, dated, undated)
        assert flushed.refusals == []
        first, second = search.documents.values()
        assert first["@timestamp"] == "2026-09-23T07:15:47.805298Z"
        assert second["@timestamp"] == "2026-09-21T14:13:20.500Z", "that of the object"
        names = {"aws": "time_source", "ecs": "tailrace.time_source", "otel": "tailrace.time_source"}
        assert second[names[schema]] == "none"

    def test_where_the_time_of_the_object_is_not_known_it_is_that_of_delivery(self, search: StrictBulk, to: To) -> None:
        search.data_streams = {STREAM}
        given = surroundings(clock=StillClock(1_790_000_001.0))
        delivered(to(STREAM, given), item(), timeless(item()))
        (document,) = search.documents.values()
        assert document["@timestamp"] == "2026-09-21T14:13:21.000Z"

    def test_an_index_gets_records_without_a_time_as_they_are(self, search: StrictBulk, to: To) -> None:
        delivered(to(INDEX), item(), timeless(item()))
        (document,) = search.documents.values()
        assert "@timestamp" not in document
        assert document["time_source"] == "none"

    def test_the_name_may_follow_from_the_record_and_the_key(self, search: StrictBulk, to: To) -> None:
        key = "AWSLogs/123456789012_elasticloadbalancing_us-east-1_app.My-Shop.50dc6c495c0c9188_20260923T0720Z_203.0.113.7_2x8ce5j1.log.gz"
        of = item(key)
        mixed = batch(LINES[0] + clb("2026-10-14") + alb("2026-09-24"), of)
        flushed = delivered(to("x-{load_balancer}-{format}-{date}"), of, mixed, timeless(of, 9999))
        assert flushed.refusals == []
        assert sorted(index for index, _ in search.documents) == [
            "x-my-shop-alb-2026-09-23", "x-my-shop-alb-2026-09-24", "x-my-shop-clb-2026-10-14",
            "x-my-shop-haproxy_custom-undated",
        ]  # fmt: skip
        assert search.asked[0].path.startswith("/_bulk")

    @pytest.mark.parametrize("view", [
        View(rename=(("time", "when"), ("format", "kind"))), View(rename=(("time", "@timestamp"),)),
        View(constants=(("@timestamp", '"2026-01-01T00:00:00Z"'),), rename=(("time", "when"),)),
        View(redact=(("client_ip", "mask"),), constants=(("environment", '"test"'),)), View(exclude=()),
    ])  # fmt: skip
    @pytest.mark.parametrize("schema", ["aws", "ecs"])
    def test_fields_may_be_called_otherwise_and_there_may_be_more(
        self, search: StrictBulk, to: To, view: View, schema: str
    ) -> None:
        mixed = batch(LINES[0] + clb("2026-10-14"))
        shown = replace(mixed, records=mixed.records.select(view))
        sink = to("logs-{format}-{date}", schema=schema)
        assert delivered(sink, item(), shown).refusals == []
        expected = [json.loads(line) for line in shown.records.ndjson(schema).splitlines()]
        found = {index: document for (index, _), document in search.documents.items()}
        assert sorted(found) == ["logs-alb-2026-09-23", "logs-clb-2026-10-14"]
        for document, told in zip((found["logs-alb-2026-09-23"], found["logs-clb-2026-10-14"]), expected, strict=True):
            assert document == {"@timestamp": document["@timestamp"], **told}
            assert document["@timestamp"][:4] == "2026"

    def test_a_batch_of_one_day_is_named_alike_for_all(self, search: StrictBulk, to: To) -> None:
        delivered(to("x-{date}-{load_balancer}"), item("a.log"), FIVE)
        assert {index for index, _ in search.documents} == {"x-2026-09-23-unknown"}

    def test_the_url_may_have_a_path_before_the_index(self, search: StrictBulk, to: To) -> None:
        delivered(to(f"search/api/{INDEX}"), item(), FIVE)
        assert search.asked[0].path.startswith(f"/search/api/{INDEX}/_bulk?")

    @pytest.mark.parametrize("packed", [True, False])
    def test_requests_are_compressed_if_so_set(self, search: StrictBulk, to: To, *, packed: bool) -> None:
        delivered(to(INDEX, gzip=packed), item(), FIVE)
        (asked,) = search.asked
        assert asked.headers.get("Content-Encoding") == ("gzip" if packed else None)
        plain = gzip.decompress(asked.body) if packed else asked.body
        assert plain.startswith(b'{"create":{"_id":"')

    def test_requests_are_as_large_as_set_and_few(self, search: StrictBulk, to: To) -> None:
        sink = to(INDEX, batch_bytes="20KiB", gzip=False)
        batches = [many(6, first) for first in range(0, 60, 6)]
        delivered(sink, item(), *batches)
        sizes = [len(asked.body) for asked in search.asked]
        total = sum(len(each.records.ndjson("aws")) for each in batches)
        assert max(sizes) <= 20 << 10
        assert len(sizes) <= total / (14 << 10) + 1

    def test_nothing_is_sent_for_nothing(self, search: StrictBulk, to: To) -> None:
        sink = to(INDEX)
        assert delivered(sink, item(), batch(b"")).refusals == []
        assert search.asked == []

    def test_the_bytes_that_come_from_attackers_stay_in_their_line(self, search: StrictBulk, to: To) -> None:
        nasty = r"/\x0a{\x22create\x22:{}}\x0a\xff\x00\",\"event.dataset\":\"x"
        line = LINES[0].replace(b"/search/0", nasty.encode())
        made = batch(line)
        delivered(to(STREAM), item(), made)
        (document,) = search.documents.values()
        assert document == json.loads(made.records.ndjson("ecs"))


def timeless(of: Item, offset: int = 0) -> Batch:
    """A record whose time is not known."""
    plan = plan_of(Settings(log_format="%ci:%cp %ST"))
    parser = Parser(plan, ItemPlan(reference_us=0, identity=of.identity.token, offset=offset))
    made = parser.feed(b"198.51.100.7:1234 200\n")
    assert len(made.records) == 1
    return made


class TestOutcomes:
    def test_what_is_there_already_is_counted_and_not_doubled(self, search: StrictBulk, to: To) -> None:
        sink = to(INDEX)
        delivered(sink, item(), FIVE)
        flushed = delivered(sink, item(), FIVE)
        assert (flushed.already, flushed.refusals, len(search.documents)) == (5, [], 5)
        assert delivered(sink, item(), many(1)).already == 1, "the count begins anew with each flush"

    @pytest.mark.parametrize("busy", [BUSY, AWAY, BROKEN])
    def test_only_what_the_server_had_no_room_for_is_sent_again(self, search: StrictBulk, to: To, busy: Error) -> None:
        second, fourth = (ids_of(b"".join(LINES))[at] for at in (1, 3))
        search.judge = only(second, fourth, judge=busy)
        sink = to(INDEX)
        sink.write(item(), FIVE, 0)
        with pytest.raises(
            Retryable, match=f"^{search.url}/requests has no room for 2 of 5 records now \\({busy[1]}\\)$"
        ):
            sink.flush()
        search.judge = lambda *_: None
        assert sink.flush().already == 0
        assert written(search, 1) == [second, fourth]
        assert len(search.documents) == 5

    @pytest.mark.parametrize("number", [0, 2, 4])
    def test_what_does_not_fit_is_refused_with_the_line_as_it_was_logged(
        self, search: StrictBulk, to: To, number: int
    ) -> None:
        content = b"".join(LINES)
        search.judge = only(ids_of(content)[number], judge=UNFIT)
        flushed = delivered(to(INDEX), item(), FIVE)
        (refusal,) = flushed.refusals
        assert refusal.payload + b"\n" == LINES[number]
        assert refusal.offset == len(b"".join(LINES[:number]))
        assert (refusal.reason, refusal.detail) == ("mapping", "mapper_parsing_exception: source.port is no long")
        assert len(search.documents) == 4

    @pytest.mark.parametrize(("error", "reason", "detail"), [
        ((400, "strict_dynamic_mapping_exception", "SECRET"), "mapping", "strict_dynamic_mapping_exception"),
        ((400, "illegal_argument_exception", "Document contains at least one immense term in field=SECRET"), "mapping",
         "illegal_argument_exception"),
        ((400, "illegal_argument_exception", "SECRET"), "refused", "400 illegal_argument_exception"),
        ((400, "SECRET <b>", "SECRET"), "refused", "400 unknown error"),
        ((413, "too_large_exception", "SECRET"), "refused", "413 too_large_exception"),
    ])  # fmt: skip
    def test_a_refusal_tells_the_kind_of_error_and_never_the_content(
        self, search: StrictBulk, to: To, error: Error, reason: str, detail: str
    ) -> None:
        search.judge = lambda *_: error
        flushed = delivered(to(INDEX), item(), many(1))
        assert [(refusal.reason, refusal.detail) for refusal in flushed.refusals] == [(reason, detail)]

    def test_outcomes_of_all_kinds_in_one_answer(self, search: StrictBulk, to: To) -> None:
        ids = ids_of(b"".join(LINES))
        delivered(to(INDEX), item(), many(1))
        outcomes = {ids[1]: [BUSY, BUSY], ids[2]: [UNFIT], ids[3]: [AWAY, UNFIT]}
        search.judge = lambda _index, id_, _document: outcomes[id_].pop(0) if outcomes.get(id_) else None
        flushed = delivered(to(INDEX), item(), FIVE)
        assert (flushed.already, len(flushed.refusals), len(search.documents)) == (1, 2, 3)

    @pytest.mark.parametrize(("error", "remedy"), [
        ((404, "index_not_found_exception", "no such index"), "make it, or allow action.auto_create_index"),
        ((400, "index_closed_exception", "closed"), "open it"),
        ((400, "validation_exception", "maximum normal shards open"), "use fewer indices"),
        ((403, "security_exception", "action [indices:data/write/bulk] is unauthorized"), "give them the privilege"),
        ((400, "illegal_argument_exception", "no write index is defined for alias [x]"), "is_write_index"),
        ((404, "resource_not_found_exception", "SECRET"), "refuses to write there"),
    ])  # fmt: skip
    def test_what_no_record_can_help_ends_the_run(self, search: StrictBulk, to: To, error: Error, remedy: str) -> None:
        search.judge = lambda *_: error
        sink = to(INDEX)
        sink.write(item(), FIVE, 0)
        with pytest.raises(Fatal, match=remedy) as raised:
            sink.flush()
        assert "SECRET" not in str(raised.value)

    def test_a_blocked_index_is_waited_for(self, search: StrictBulk, to: To) -> None:
        search.judge = lambda *_: (403, "cluster_block_exception", "blocked by: [FORBIDDEN/8/index write (api)]")
        sink = to(INDEX)
        sink.write(item(), FIVE, 0)
        with pytest.raises(Retryable):
            sink.flush()


class TestWholeRequests:
    @pytest.mark.parametrize("fault", [refused(status) for status in (408, 429, 500, 502, 503, 504)] + [RESET])
    def test_what_passes_is_tried_again(self, search: StrictBulk, to: To, fault: Whole) -> None:
        search.instead = [fault, fault]
        flushed = delivered(to(INDEX), item(), FIVE)
        assert (flushed.already, len(search.documents)) == (0, 5)

    def test_an_answer_that_was_lost_makes_no_doubles(self, search: StrictBulk, to: To) -> None:
        search.instead = [LOST]
        flushed = delivered(to(INDEX), item(), FIVE)
        assert (flushed.already, len(search.documents)) == (5, 5)

    @pytest.mark.parametrize(("headers", "after"), [({"Retry_After": "7"}, 7.0), ({}, None)])
    def test_the_server_may_say_how_long_to_wait(
        self, search: StrictBulk, to: To, headers: dict[str, str], after: float | None
    ) -> None:
        search.instead = [refused(503, **headers)]
        sink = to(INDEX)
        sink.write(item(), FIVE, 0)
        with pytest.raises(Retryable, match="cannot take records now") as raised:
            sink.flush()
        assert raised.value.after == after

    def test_a_request_that_is_too_large_is_split(self, search: StrictBulk, to: To) -> None:
        search.limit = 10_000
        sink = to(INDEX, batch_bytes="1MiB")
        assert delivered(sink, item(), many(40)).refusals == []
        assert len(search.documents) == 40
        before = len(search.asked)
        assert before < 20, "each time half as much is tried"
        delivered(sink, item("b.log"), batch(many_lines(40), item("b.log")))
        sizes = [len(gzip.decompress(asked.body)) for asked in search.asked[before:]]
        assert max(sizes) <= 10_000, "the size is remembered"

    def test_a_record_that_is_too_large_alone_is_refused(self, search: StrictBulk, to: To) -> None:
        long = LINES[1].replace(b"/search/1", b"/" + b"x" * 20_000)
        search.limit = 10_000
        flushed = delivered(to(INDEX), item(), batch(LINES[0] + long + LINES[2]))
        (refusal,) = flushed.refusals
        assert (refusal.offset, refusal.payload + b"\n", refusal.reason) == (len(LINES[0]), long, "too_large")
        assert len(search.documents) == 2

    @pytest.mark.parametrize("size", [0, 1, -1])
    def test_the_limit_itself_is_no_excess(self, search: StrictBulk, to: To, size: int) -> None:
        sink = to(INDEX, gzip=False)
        delivered(sink, item(), many(3))
        search.limit = len(search.asked[0].body) + size
        before = len(search.asked)
        delivered(sink, item("b.log"), batch(many_lines(3), item("b.log")))
        assert (len(search.asked) - before == 1) == (size >= 0)
        assert len(search.documents) == 6

    @pytest.mark.parametrize("status", [301, 400, 404, 405, 411])
    def test_what_is_no_search_server_ends_the_run(self, search: StrictBulk, to: To, status: int) -> None:
        search.instead = [refused(status)]
        sink = to(INDEX)
        sink.write(item(), FIVE, 0)
        with pytest.raises(
            Fatal, match=rf"^{search.url}/requests does not do .* \({status} some_exception\)"
        ) as raised:
            sink.flush()
        assert "SECRET" not in str(raised.value)

    @pytest.mark.parametrize(
        "body",
        [b"", b"{}", b"<html>", b'{"errors":false,"items":[]}', b'{"errors":true,"items":[{"create":{"status":201}}]}'],
    )
    def test_an_answer_that_does_not_tell_of_every_record_is_none(
        self, search: StrictBulk, to: To, body: bytes
    ) -> None:
        search.instead = [Whole(200, {}, body)]
        flushed = delivered(to(INDEX), item(), FIVE)
        assert (flushed.already, flushed.refusals, len(search.documents)) == (0, [], 5)


class TestContract:
    def test_a_write_that_asks_to_wait_has_not_taken_its_batch(self, search: StrictBulk, to: To) -> None:
        sink = to(INDEX, batch_bytes="1B")
        sink.write(item(), many(2), 0)
        search.instead = [refused(429)]
        content = many_lines(4)
        second = batch(content)
        with pytest.raises(Retryable):
            sink.write(item(), second, 0)
        assert delivered(sink, item(), second).already == 2, "the first two are among the four"
        assert len(search.documents) == 4

    def test_what_was_abandoned_is_not_sent_nor_told_of(self, search: StrictBulk, to: To) -> None:
        search.judge = only(ids_of(LINES[0])[0], judge=UNFIT)
        sink = to(INDEX, batch_bytes="1B")
        sink.write(item(), many(2), 0)
        sink.write(item(), batch(b""), 0)
        assert len(search.asked) > 0
        sink.write(item(), FIVE, 0)
        sink.abandon()
        asked = len(search.asked)
        flushed = sink.flush()
        assert (flushed.already, flushed.refusals, len(search.asked)) == (0, [], asked)

    def test_a_flush_goes_on_where_it_was(self, search: StrictBulk, to: To) -> None:
        sink = to(INDEX, batch_bytes="1B")
        sink.write(item(), FIVE, 0)
        search.instead = [None, None, refused(503)]
        with pytest.raises(Retryable):
            sink.flush()
        assert sink.flush().already == 0
        assert len(search.documents) == 5
        assert len(search.asked) == 6, "five and the one that was refused"

    def test_it_may_be_closed_twice(self, to: To) -> None:
        sink = to(INDEX)
        assert sink.keeps_receipts
        assert sink.rendering is None
        delivered(sink, item(), FIVE)
        sink.close()
        sink.close()


class TestIds:
    def test_where_ids_are_refused_it_goes_on_without_and_says_so_once(self, search: StrictBulk, to: To) -> None:
        search.ids = False
        said: list[str] = []
        given = surroundings(notice=said.append)
        sink = to(INDEX, given, batch_bytes="1B")
        flushed = delivered(sink, item(), FIVE, many(3))
        assert (flushed.already, flushed.refusals, len(search.documents)) == (0, [], 8)
        assert len(said) == 1
        assert "takes no documents with ids" in said[0]
        assert b'"_id"' not in gzip.decompress(search.asked[-1].body)

    def test_workers_learn_it_from_each_other(self, search: StrictBulk) -> None:
        search.ids = False
        said: list[str] = []
        made = workers(f"{search.url}/{INDEX}-{{format}}", surroundings(notice=said.append))
        first, second = made(), made()
        second.write(item(), FIVE, 0)
        delivered(first, item(), FIVE)
        before = len(search.asked)
        second.flush()
        assert (len(search.asked) - before, len(said), len(search.documents)) == (1, 1, 10)
        assert gzip.decompress(search.asked[-1].body).startswith(b'{"create":{"_index":"requests-alb"}}\n{"format"')
        first.close()
        second.close()

    def test_a_refusal_of_the_whole_request_is_understood_too(self, search: StrictBulk, to: To) -> None:
        status, kind, reason = NO_IDS
        body = json.dumps({"error": {"type": kind, "reason": reason}, "status": status}).encode()
        search.instead = [Whole(status, {}, body)]
        assert delivered(to(INDEX), item(), FIVE).refusals == []
        assert not search.ids_in(INDEX) & set(ids_of(b"".join(LINES)))
        assert len(search.documents) == 5

    def test_ids_may_be_insisted_on(self, search: StrictBulk, to: To) -> None:
        search.ids = False
        sink = to(INDEX, ids=True)
        sink.write(item(), FIVE, 0)
        with pytest.raises(Fatal, match=r"takes no documents with ids, .* set ids to auto or false$"):
            sink.flush()

    def test_ids_may_be_left_out_from_the_start(self, search: StrictBulk, to: To) -> None:
        said: list[str] = []
        sink = to(INDEX, surroundings(notice=said.append), ids=False)
        delivered(sink, item(), FIVE)
        assert delivered(sink, item(), FIVE).already == 0
        assert (len(search.documents), len(search.asked), said) == (10, 2, [])


class TestDeadLetterIndex:
    def test_refused_records_go_there_too_with_the_reason(self, search: StrictBulk, to: To) -> None:
        content = b"".join(LINES)
        search.judge = lambda index, id_, _document: UNFIT if index == INDEX and id_ == ids_of(content)[2] else None
        sink = to(INDEX, dead_letter_index="dead")
        search.instead = [None, refused(503)]
        flushed = delivered(sink, item(), FIVE)
        assert [refusal.reason for refusal in flushed.refusals] == ["mapping"], "the run keeps it as well"
        ((_, id_), document), *more = [(at, document) for at, document in search.documents.items() if at[0] == "dead"]
        assert not more
        assert (document.pop("@timestamp"), document.pop("event.dataset")) == (
            "2026-09-21T14:13:20.000Z",
            "dead_letter",
        )
        letter = of_refusal(item().identity, sink.name, flushed.refusals[0], item().modified)
        assert (id_, decoded(json.dumps(document).encode())) == (letter.id, letter)
        assert len(search.ids_in(INDEX)) == 4

    def test_what_is_refused_there_too_stays_with_the_run(self, search: StrictBulk, to: To) -> None:
        search.judge = lambda *_: UNFIT
        sink = to(INDEX, dead_letter_index="dead")
        assert len(delivered(sink, item(), FIVE).refusals) == 5
        search.judge = lambda *_: None
        assert delivered(sink, item(), FIVE).refusals == [], "nothing is left over"
        assert search.ids_in("dead") == set()


def many_lines(number: int) -> bytes:
    return b"".join(alb("2026-09-23", number) for number in range(number))


def written(search: StrictBulk, request: int) -> list[str]:
    """The ids in a request."""
    body = gzip.decompress(search.asked[request].body)
    return [json.loads(line)["create"]["_id"] for line in body.splitlines()[::2]]
