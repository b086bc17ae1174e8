"""Keys of the instance's role are fetched before they end, and those of before are used while they are valid."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from making import StillClock
from tailrace.clouds.direct.instance import InstanceKeys
from tailrace.clouds.direct.signatures import Keys
from tailrace.errors import Fatal, Retryable

ROLES = "latest/meta-data/iam/security-credentials/"


class Service:
    """A metadata service, and what it was asked. Its keys are valid for an hour."""

    def __init__(self, clock: StillClock, role: str = "logs") -> None:
        self.clock, self.role = clock, role
        self.asked: list[str] = []
        self.silent = False
        self.answer: str | None = None

    def get(self, path: str) -> str | None:
        self.asked.append(path)
        if self.silent:
            raise Retryable("silence")
        if path == ROLES:
            return f"{self.role}\nother\n" if self.role else None
        if path != ROLES + self.role.replace("/", "%2F"):
            return None
        return self.answer or self.keys(len(self.asked))

    def keys(self, number: int, **more: str) -> str:
        ends = datetime.fromtimestamp(self.clock.now() + 3600, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        told = {
            "AccessKeyId": f"AK{number}",
            "SecretAccessKey": "s",
            "Token": "t",
            "Expiration": ends,
            "Code": "Success",
        }
        return json.dumps({**told, "Type": "AWS-HMAC", **more})


@pytest.fixture
def service(clock: StillClock) -> Service:
    return Service(clock)


def test_keys_are_asked_for_once_until_shortly_before_they_end(service: Service, clock: StillClock) -> None:
    keys = InstanceKeys(service, clock)
    assert keys.read() == Keys(access="AK2", secret="s", token="t")
    clock.time += 3000
    assert keys.read().access == "AK2"
    assert service.asked == [ROLES, ROLES + "logs"]
    clock.time += 1
    assert keys.read().access == "AK4"


def test_a_service_that_is_silent_does_not_matter_while_keys_are_valid(service: Service, clock: StillClock) -> None:
    keys = InstanceKeys(service, clock)
    keys.read()
    service.silent = True
    clock.time += 3599
    assert keys.read().access == "AK2"
    clock.time += 1
    with pytest.raises(Retryable, match="silence"):
        keys.read()
    service.silent = False
    assert keys.read().access == "AK6"


def test_keys_that_were_refused_are_fetched_anew(service: Service, clock: StillClock) -> None:
    keys = InstanceKeys(service, clock, role="logs")
    assert [keys.read().access, keys.read(anew=True).access] == ["AK1", "AK2"]
    service.silent = True
    with pytest.raises(Retryable):
        keys.read(anew=True)


def test_a_role_that_is_not_there_is_told(service: Service, clock: StillClock) -> None:
    with pytest.raises(Fatal, match="the instance has no role 'a/b'; give it that"):
        InstanceKeys(service, clock, role="a/b").read()
    assert service.asked == [ROLES + "a%2Fb"]
    with pytest.raises(Fatal, match="this instance has no role, and no keys are set"):
        InstanceKeys(Service(clock, role=""), clock).read()


@pytest.mark.parametrize("answer", ["no JSON", "[]", "{}", '{"Code": "Failed", "Expiration": "2026-01-01T00:00:00Z"}'])
def test_an_answer_without_keys_is_asked_for_again(service: Service, clock: StillClock, answer: str) -> None:
    service.answer = answer
    with pytest.raises(Retryable, match="the metadata service"):
        InstanceKeys(service, clock).read()


def test_an_answer_with_half_of_the_keys_is_none(service: Service, clock: StillClock) -> None:
    service.answer = service.keys(1, SecretAccessKey="")
    with pytest.raises(Retryable, match="has no keys of the role 'logs' now"):
        InstanceKeys(service, clock).read()
