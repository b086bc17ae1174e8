"""The samples that a real HAProxy wrote become lines that say what was sent through it."""

from __future__ import annotations

import re

import pytest

from forming import application, classic
from parsing import SAMPLES, kernel_named, only, read, sample, sample_objects

FRAMINGS = ("rfc3164", "rfc5424", "local")
OTHERS = {"f_default_fmt": 1, "f_tls": 1, "f_proxyproto": 1}
"""Lines of the samples that are about no request, by frontend."""
STAMP = r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z"
CLASSIC = re.compile(  # AWS's table of fields, one after the other
    STAMP + r" web \S+:[0-9]+ (?:\S+:[0-9]+|-)(?: (?:[0-9]+\.[0-9]{6}|-1)){3}(?: (?:[0-9]{3}|-)){2} [0-9]+ [0-9]+ "
    r'"(?:\\"|[^"\\\n]|\\(?!"))*" "(?:\\"|[^"\\\n]|\\(?!"))*" [A-Z0-9-]+ (?:TLSv1(?:\.[0-3])?|-)'
)
APPLICATION = re.compile(
    r"(?:http|https|h2|wss?) " + STAMP + r" app/web/[0-9a-f]{16} \S+:[0-9]+ (?:\S+:[0-9]+|-)(?: (?:[0-9]+\.[0-9]{3}|-1)){3}"
    r'(?: (?:[0-9]{3}|-)){2} [0-9]+ [0-9]+ "[ !#-~]*" "[ !#-~]*" \S+ (?:TLSv1(?:\.[0-3])?|-) - "-" "[ !#-~]+" "-" - ' + STAMP
    + r' "(?:forward|redirect|fixed-response|-)" "[ !#-~]+" "-" "(?:\S+:[0-9]+|-)" "(?:[0-9]{3}|-)" "-" "-" - "-" "-" "-" '
    r"203\.0\.113\.9"
)  # fmt: skip
TRAFFIC = sorted(path.name for path in (SAMPLES / "haproxy_traffic").glob("*.log"))
MALFORMED = "- http://203.0.113.9:"


@pytest.mark.parametrize("framing", FRAMINGS)
def test_the_request_and_its_status_are_those_of_the_wire(framing: str) -> None:
    """Of 56 requests and connections, in the order in which they were made."""
    content, told = classic(sample(f"haproxy/{framing}.log"))
    assert (told.lines, told.records, told.rejected) == (59, 56, 3)
    causes = [cause for cause in sample_objects("haproxy/truth.jsonl") if cause[framing] is not None]
    rejected = {reject.payload.decode("latin-1") for reject in told.rejects}
    causes = [cause for cause in causes if cause[framing] not in rejected]
    records = read(kernel_named("reference"), content, plan=only("clb")).records()
    good = 0
    for cause, record in zip(causes, records, strict=True):
        if cause["frontend"].startswith("l_tcp"):
            assert record["request"] == "- - - "
            continue
        if record["request"].startswith(MALFORMED):
            assert record["elb_status_code"] in (400, 408)
            continue
        if cause["answer"] and record.get("elb_status_code"):
            assert cause["answer"].split(" ")[1] == str(record["elb_status_code"]), cause["case"]
        if not cause["case"].startswith("long uri"):
            check_request(cause, record)
            good += 1
    assert good > 38


def check_request(cause: dict, record: dict) -> None:  # type: ignore[type-arg]
    """Method, path and version that were sent."""
    method, url, version = (
        [cause["request"][name] for name in ("method", "url", "version")]
        if cause.get("request")
        else next(line for line in cause["sent"].split("\r\n") if not line.startswith("PROXY ")).split(" ")
    )
    assert (record["request_method"], record["request_protocol"]) == (method, version)
    path = re.sub(r"^https?://[^/]*", "", url)
    assert re.sub(r"^https?://[^/]*:[0-9]+", "", record["request_url"]) == (path if path[:1] == "/" else f"/{path}")


@pytest.mark.parametrize("name", TRAFFIC)
def test_every_line_of_traffic_has_the_fields_of_aws_or_is_a_reject(name: str) -> None:
    content = sample(f"haproxy_traffic/{name}")
    lines = len(content.splitlines())
    for convert, pattern in ((classic, CLASSIC), (application, APPLICATION)):
        converted, told = convert(content)
        assert told.lines == told.records + told.rejected == lines
        written = converted.decode().splitlines()
        assert len(written) == told.records
        assert [line for line in written if not pattern.fullmatch(line)] == []
        if convert is classic and not name.startswith(("no_log_option", "server_state", "rsyslog", "httpslog")):
            assert told.rejected == 0
        if convert is application:
            assert told.records == 0 or "tcp" not in name
