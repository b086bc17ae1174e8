"""From the settings of a sink to its view, and what is told where that cannot be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from parsing import ALL, kernel_named, read
from tailrace.documentation import field_docs
from tailrace.errors import UsageError
from tailrace.model import Condition, Reject, View
from tailrace.settings import resolve, struct_of
from tailrace.transforms import Transforms, redacted, split, view_of
from viewing import KEY


def viewed(key: bytes = KEY, *, fixed: bool = False, **told: Any) -> View:
    return view_of(struct_of(Transforms, told, "sink x"), ALL.formats, key, fixed=fixed)


def test_nothing_told_is_everything() -> None:
    assert viewed(b"") == View()
    assert View().digest == ""
    assert not View().filters


def test_conditions_are_read() -> None:
    view = viewed(
        include=[
            "elb_status_code >= 500 and request_method = 'PATCH' and user_agent",
            "not client_ip and time < 2026-01-01T00:00:00Z",
        ],
        exclude='request_url !~ "^https://a b"',
    )
    assert view.include == (
        (Condition("elb_status_code", ">=", "500"), Condition("request_method", "=", "PATCH"), Condition("user_agent", "present")),
        (Condition("client_ip", "absent"), Condition("time", "<", "1767225600000000")),
    )  # fmt: skip
    assert view.exclude == ((Condition("request_url", "!~", r"\Ahttps\x3a\x2f\x2fa\x20b"),),)
    assert viewed(include="elb_status_code>=500").include == ((Condition("elb_status_code", ">=", "500"),),)


@pytest.mark.parametrize(
    ("told", "why"),
    [
        ({"include": "zzz = 1"}, "no format has a field zzz"),
        ({"include": "elb_status_cod = 1"}, "did you mean elb_status_code?"),
        ({"include": "elb_status_code = many"}, "is a number, and 'many' is none"),
        ({"include": "elb_status_code = 1e3"}, "is a number"),
        ({"include": "elb_status_code >="}, "a value is expected"),
        ({"include": "elb_status_code = 1 or elb = x"}, "for `or` write two entries"),
        ({"include": "elb_status_code 500"}, "expected one of"),
        ({"include": "elb = x and"}, "expected one of"),
        ({"include": ""}, "a field is expected"),
        ({"include": "invalid = x"}, "only be told whether it is there"),
        ({"include": "time ~ 2026"}, "is a time"),
        ({"include": "time > yesterday"}, "is no time such as"),
        ({"include": "elb ~ (?=a)"}, "looking around"),
        ({"formats": ["elb"]}, "did you mean"),
        ({"rename": {"client": "x"}}, "rename: no format has a field client"),
        ({"rename": {"client_ip": 1}}, "needs a text"),
        ({"rename": {"client_ip": "elb"}}, "would be there twice"),
        ({"rename": {"client_ip": "_id"}}, "would be there twice"),
        ({"rename": {"client_ip": "a", "elb": "a"}}, "would be there twice"),
        ({"constants": {"elb": "x"}}, "would be there twice"),
        ({"constants": {"a": [1]}}, "needs a text, a number, true or false"),
        ({"constants": {"a": float("nan")}}, "needs a text"),
        ({"redact": {"client_ip": "blur"}}, "one of remove, mask, hash, network, query"),
        ({"redact": {"client_port": "hash"}}, "is no text"),
        ({"redact": {"time": "remove"}}, "cannot be redacted"),
        ({"redact": {"extra": "remove"}}, "withheld with any redaction"),
        ({"redact": {"clientip": "mask"}}, "did you mean client_ip?"),
        ({"fixed": True, "rename": {"client_ip": "ip"}}, "columns of this sink are fixed"),
        ({"fixed": True, "constants": {"a": "ip"}}, "columns of this sink are fixed"),
        ({"key": b"", "redact": {"client_ip": "hash"}}, "needs redact_key"),
        ({"filter_mode": "dry"}, "expected one of apply, count"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_told(told: dict[str, Any], why: str) -> None:
    with pytest.raises(UsageError) as refused:
        viewed(**told)
    assert why in str(refused.value)


def test_tables_and_flags_mean_the_same(tmp_path: Path) -> None:
    path = tmp_path / "t.toml"
    path.write_text(
        '[sinks.es]\nurl = "stdout"\ninclude = ["elb = a b"]\nredact = { client_ip = "network", user_agent = "mask" }\n'
        '[sinks.es.constants]\n"labels.env" = "prod"\nn = 1\n'
    )
    options = resolve({}, [], {}, path).settings.sinks["es"]
    mine, own = split(options)
    assert own == {"url": "stdout"}
    told = struct_of(Transforms, mine, "sink es")
    assert dict(told.constants) == {"labels.env": "prod", "n": 1}
    flagged = struct_of(Transforms, {"redact": "client_ip=network user_agent=mask"}, "--set")
    assert flagged.redact == told.redact
    with pytest.raises(UsageError, match="NAME=VALUE"):
        struct_of(Transforms, {"redact": "client_ip"}, "--set")
    with pytest.raises(UsageError, match="list of texts"):
        struct_of(Transforms, {"include": [1]}, "--set")


def test_every_setting_is_documented() -> None:
    assert set(field_docs(Transforms)) == set(Transforms.__struct_fields__)


def test_the_digest_changes_with_what_changes_bytes() -> None:
    views = [
        viewed(include="elb = a"), viewed(exclude="elb = a"), viewed(include="elb = b"), viewed(formats=("alb",)), viewed(rename={"elb": "x"}),
        viewed(redact={"elb": "mask"}), viewed(redact={"elb": "hash"}), viewed(b"other", redact={"elb": "hash"}), viewed(constants={"x": "1"}),
        viewed(constants={"x": 1}),
    ]  # fmt: skip
    digests = {view.digest for view in views}
    assert len(digests) == len(views)
    assert all(len(digest) == 8 for digest in digests)
    assert viewed(include="elb = a", filter_mode="count").digest == ""
    assert viewed(b"other", redact={"elb": "mask"}).digest == viewed(redact={"elb": "mask"}).digest


def test_the_key_is_in_no_text() -> None:
    assert "key" not in repr(viewed(b"very secret", redact={"elb": "hash"})).replace("redact_key", "")


def test_a_reject_keeps_its_structure_only() -> None:
    (reject,) = read(kernel_named("reference"), 'broken 192.0.2.1:80 "Ünï" <x>\n'.encode()).rejects
    shown = redacted(reject)
    assert shown.payload == b'xxxxxx 000.0.0.0:00 "xxxxx" <x>'
    assert (shown.offset, shown.length, shown.sha256) == (reject.offset, reject.length, reject.sha256)
    assert isinstance(shown, Reject)
