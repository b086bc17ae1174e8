"""What can be set for search servers, and who sends: passwords, keys, and AWS's signatures."""

from __future__ import annotations

import re
from typing import Any

import pytest

from making import alb, batch, item
from searching import To, Vault, delivered, surroundings, workers
from services.sigv4 import client_with, refusal_of
from services.strict_bulk import Asked, StrictBulk
from tailrace.errors import Fatal, Retryable, UsageError

ONE = batch(alb("2026-09-23"))


class TestSettings:
    @pytest.mark.parametrize(("address", "own", "told"), [
        ("http://h:9200", {}, "^http://h:9200: name the index or data stream, as in http://h:9200/logs-"),
        ("http://h:9200/", {}, "name the index"),
        ("ftp://h/x", {}, "^expected http://HOST:PORT or https://HOST:PORT"),
        ("http://h:9200/Requests", {}, "^Requests cannot be the name of an index"),
        ("http://h:9200/_bulk", {}, "^_bulk cannot be the name"),
        ("http://h:9200/x-{day}", {}, r"there is no \{day\}; there are \{format\}, \{date\}, \{load_balancer\}$"),
        ("http://h:9200/" + "x" * 256, {}, "cannot be the name"),
        ("http://h:9200/x", {"username": "u"}, "^username and password belong together"),
        ("http://h:9200/x", {"password": "SECRET"}, "^username and password belong together"),
        ("http://h:9200/x", {"username": "u", "password": "SECRET", "api_key": "k"}, "^username and api_key are given"),
        ("http://h:9200/x", {"api_key": "SECRET", "aws": "es"}, "^api_key and aws are given"),
        ("http://h:9200/x", {"dead_letter_index": "x-{date}"}, "without placeholders$"),
        ("http://h:9200/x", {"ids": "perhaps"}, "ids: expected one of true, false, auto, not 'perhaps'$"),
        ("http://h:9200/x", {"gzip": "perhaps"}, "gzip: expected one of true, false, not 'perhaps'$"),
        ("http://h:9200/x", {"concurrency": 0}, "concurrency"),
    ])  # fmt: skip
    def test_what_cannot_be_is_told(self, address: str, own: dict[str, Any], told: str) -> None:
        with pytest.raises(UsageError, match=told) as raised:
            workers(address, **own)
        assert "SECRET" not in str(raised.value)

    def test_a_password_in_the_url_is_refused_and_not_shown(self) -> None:
        with pytest.raises(UsageError, match="may hold no user and password") as raised:
            workers("http://me:SECRET@h:9200/x")
        assert "SECRET" not in str(raised.value)

    def test_the_name_tells_the_place_and_what_changes_bytes(self, search: StrictBulk) -> None:
        names = {
            workers(f"{search.url}/{index}", **own)().name
            for index, own in [
                ("x", {}), ("y", {}), ("x", {"schema": "ecs"}), ("x", {"data_stream": True}),
                ("x", {"batch_bytes": 5, "gzip": False, "username": "u", "password": "SECRET"}),
            ]
        }  # fmt: skip
        assert len(names) == 4
        assert all(re.fullmatch(rf"elasticsearch:{search.url}/[xy]#[0-9a-f]{{8}}", name) for name in names)


class TestCredentials:
    @pytest.mark.parametrize(("own", "header"), [
        ({"username": "me", "password": "pass:word"}, "Basic bWU6cGFzczp3b3Jk"),
        ({"api_key": "ZW5jb2RlZA=="}, "ApiKey ZW5jb2RlZA=="),
        ({"api_key": "id:key"}, "ApiKey aWQ6a2V5"),
        ({}, None),
    ])  # fmt: skip
    def test_every_request_tells_who_sends_it(
        self, search: StrictBulk, to: To, own: dict[str, Any], header: str | None
    ) -> None:
        delivered(to("x", **own), item(), ONE)
        assert [asked.headers.get("Authorization") for asked in search.asked] == [header]

    @pytest.mark.parametrize("status", [401, 403])
    def test_a_secret_that_is_refused_is_read_anew_once(self, search: StrictBulk, to: To, status: int) -> None:
        vault = Vault({"env:KEY": ["old", "new"]})
        search.welcome = lambda asked: 200 if asked.headers.get("Authorization") == "ApiKey new" else status
        assert delivered(to("x", surroundings(vault=vault), api_key="env:KEY"), item(), ONE).refusals == []
        assert [asked.headers["Authorization"] for asked in search.asked] == ["ApiKey old", "ApiKey new"]
        assert vault.anew == 1

    @pytest.mark.parametrize("status", [401, 403])
    def test_if_it_stays_refused_the_run_ends(self, search: StrictBulk, to: To, status: int) -> None:
        search.welcome = lambda _asked: status
        vault = Vault({"env:PASSWORD": ["SECRET 1", "SECRET 2", "SECRET 3"]})
        sink = to("x", surroundings(vault=vault), username="me", password="env:PASSWORD")
        sink.write(item(), ONE, 0)
        with pytest.raises(Fatal, match=rf"does not accept the credentials, .* \({status}\)") as raised:
            sink.flush()
        assert (len(search.asked), vault.anew) == (2, 1)
        assert "SECRET" not in str(raised.value)

    def test_without_credentials_it_is_said_that_they_are_asked_for(self, search: StrictBulk, to: To) -> None:
        search.welcome = lambda _asked: 401
        sink = to("x")
        sink.write(item(), ONE, 0)
        with pytest.raises(Fatal, match=r"asks for credentials \(401\): set username and password, api_key, or aws$"):
            sink.flush()
        assert len(search.asked) == 1


class TestCheck:
    def test_a_server_that_would_take_records_is_told_of_and_gets_none(self, search: StrictBulk, to: To) -> None:
        told = to("x", username="me", password="secret").check()
        assert told == f"{search.url}/x takes bulk requests, and these credentials if it asks for any"
        assert [asked.body for asked in search.asked] == [b""]
        assert search.documents == {}

    @pytest.mark.parametrize(
        ("status", "error"), [(401, Fatal), (403, Fatal), (404, Fatal), (302, Fatal), (400, Fatal), (503, Retryable)]
    )
    def test_one_that_would_not_raises_what_records_would(
        self, search: StrictBulk, to: To, status: int, error: type[Exception]
    ) -> None:
        search.welcome = lambda _asked: status
        with pytest.raises(error):
            to("x").check()


class TestSignatures:
    """Against the algorithm as AWS describes it, in services.sigv4."""

    @pytest.mark.parametrize("service", ["es", "aoss"])
    @pytest.mark.parametrize("packed", [True, False])
    def test_requests_are_signed_for_the_service(
        self, search: StrictBulk, to: To, service: str, *, packed: bool
    ) -> None:
        refusals: list[str] = []

        def welcome(asked: Asked) -> int:
            refusals.extend(filter(None, [refusal_of(asked, service)]))
            return 403 if refusals else 200

        search.welcome = welcome
        given = surroundings(client=lambda _service: client_with("A SECRET"))
        delivered(to("some/path/x-{format}", given, aws=service, gzip=packed), item(), ONE)
        delivered(to("x", given, aws=service, gzip=packed), item(), ONE)
        assert refusals == []
        (asked, _) = search.asked
        assert asked.headers["X-Amz-Content-SHA256"] in asked.headers["X-Amz-Content-SHA256"]
        signed = re.search("SignedHeaders=([^,]*)", asked.headers["Authorization"])
        assert signed
        assert {"host", "x-amz-content-sha256", "x-amz-date", "content-type"} <= set(signed[1].split(";"))
        assert ("filter_path" in asked.path) == (service == "es")

    def test_session_tokens_are_sent_and_credentials_are_those_of_the_moment(self, search: StrictBulk, to: To) -> None:
        client = client_with("A SECRET", token="a-token")
        sink = to("x", surroundings(client=lambda _service: client), aws="es")
        delivered(sink, item(), ONE)
        assert search.asked[0].headers["X-Amz-Security-Token"] == "a-token"
        client._request_signer._credentials.token = "another"
        delivered(sink, item(), ONE)
        assert search.asked[1].headers["X-Amz-Security-Token"] == "another"
        assert refusal_of(search.asked[1], "es") == ""

    def test_a_wrong_secret_is_noticed_by_this_test(self, search: StrictBulk, to: To) -> None:
        delivered(to("x", surroundings(client=lambda _service: client_with("OTHER")), aws="es"), item(), ONE)
        assert refusal_of(search.asked[0], "es") == "the signature does not match"

    def test_without_a_region_or_credentials_it_is_told(self, search: StrictBulk, to: To) -> None:
        with pytest.raises(UsageError, match=r"set AWS_REGION or --region$"):
            to("x", surroundings(client=lambda _service: client_with("A SECRET", region="aws-global")), aws="es")
        sink = to("x", surroundings(client=lambda _service: client_with("")), aws="es")
        sink.write(item(), ONE, 0)
        with pytest.raises(Fatal, match="no credentials to sign requests with"):
            sink.flush()
        assert search.asked == []
