"""What the load balancing API tells is followed; what else answers there is not believed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from making import StillClock
from tailrace.errors import Fatal, Retryable
from tailrace.loadbalancer.agent.attributes import LARGEST, Asking, Polling, keep, known, last_enabled, read
from tailrace.loadbalancer.model import Attributes

_ANSWER = b"""<DescribeLoadBalancerAttributesResponse xmlns="http://elasticloadbalancing.amazonaws.com/doc/2012-06-01/">
<DescribeLoadBalancerAttributesResult><LoadBalancerAttributes><CrossZoneLoadBalancing><Enabled>false</Enabled></CrossZoneLoadBalancing>
<AccessLog><Enabled>true</Enabled><S3BucketName>b</S3BucketName><EmitInterval>5</EmitInterval><S3BucketPrefix>p</S3BucketPrefix></AccessLog>
</LoadBalancerAttributes></DescribeLoadBalancerAttributesResult><ResponseMetadata><RequestId>1</RequestId></ResponseMetadata>
</DescribeLoadBalancerAttributesResponse>"""
_ON = Attributes(enabled=True, bucket="b", prefix="p", interval=300)


def test_an_answer_is_read() -> None:
    assert read(_ANSWER) == _ON


def test_an_answer_may_leave_out_what_has_a_default() -> None:
    told = b"<a><AccessLog><Enabled>true</Enabled><S3BucketName>b</S3BucketName></AccessLog></a>"
    assert read(told) == Attributes(enabled=True, bucket="b", interval=3600)
    assert not read(b"<a><AccessLog><Enabled>false</Enabled></AccessLog></a>").enabled


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"<html>",
        b"<a/>",
        b"<a><AccessLog/></a>",
        _ANSWER.replace(b"true", b"perhaps"),
        _ANSWER.replace(b">5<", b">0<"),
        _ANSWER.replace(b">5<", b">nan<"),
        _ANSWER.replace(b">5<", b">1e9<"),
        _ANSWER.replace(b"<S3BucketName>b</S3BucketName>", b""),
        b'<!DOCTYPE a [<!ENTITY b "c">]>' + _ANSWER,
        b'<!DOCTYPE a SYSTEM "file:///etc/passwd">' + _ANSWER,
        b"<a>" + b" " * LARGEST + b"</a>",
        b"<AccessLog>" * 10_000,
    ],
)
def test_what_is_no_answer_is_not_believed(answer: bytes) -> None:
    with pytest.raises(Retryable, match="the load balancing API"):
        read(answer)


def test_what_was_known_holds_while_nobody_answers(tmp_path: Path, clock: StillClock) -> None:
    answers: list[bytes | Exception] = [
        _ANSWER,
        Retryable("it is down"),
        Fatal("refused"),
        _ANSWER.replace(b"true", b"false"),
    ]
    asked: list[Mapping[str, str]] = []
    said: list[str] = []

    def send(query: Mapping[str, str]) -> bytes:
        asked.append(query)
        answer = answers[len(asked) - 1]
        if isinstance(answer, Exception):
            raise answer
        return answer

    polling = Polling(tmp_path, Asking(lambda: "web", send), clock, said.append)
    polling.look()
    polling.look()
    assert len(asked) == 1, "once a minute"
    assert asked[0]["LoadBalancerName"] == "web"
    assert known(tmp_path) == _ON
    for _ in range(2):
        clock.time += 60
        polling.look()
        assert known(tmp_path) == _ON
    clock.time += 60
    polling.look()
    now = known(tmp_path)
    assert now is not None
    assert not now.enabled
    assert last_enabled(tmp_path) == _ON
    assert [said_[:30] for said_ in said] == [
        "access logging is switched on:", "warning: it is down; what was ", "warning: refused; what was kno", "access logging is switched off",
    ]  # fmt: skip


def test_a_file_that_is_broken_is_nothing_known(tmp_path: Path) -> None:
    keep(tmp_path, _ON)
    (tmp_path / "attributes.json").write_bytes(b"{")
    assert known(tmp_path) is None
    keep(tmp_path, _ON)
    assert known(tmp_path) == _ON
