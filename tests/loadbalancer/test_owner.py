from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.instance_metadata import instance_metadata
from tailrace.accesslogging import AccessLogging
from tailrace.errors import Retryable, TailraceError, UsageError
from tailrace.loadbalancer.model import Balancer
from tailrace.loadbalancer.owner import balancer

ACCOUNT = "000865102303"
MAC = "d0:0d:12:34:56:78"
EUCALYPTUS = {
    "latest/meta-data/instance-id": "i-5f3a2b1c",
    "latest/meta-data/public-ipv4": "192.0.2.10",
    "latest/meta-data/local-ipv4": "172.31.0.5",
    "latest/meta-data/security-groups": f"default\neuca-internal-{ACCOUNT}-web-front-1",
    # the machine belongs to the system's own account, not to the load balancer's owner
    "latest/dynamic/instance-identity/document": json.dumps({"accountId": "999999999999", "region": "eucalyptus"}),
}


def told(**paths: str) -> Callable[[str], str | None]:
    return {**EUCALYPTUS, **paths}.get


def without(*parts: str) -> dict[str, str]:
    return {path: text for path, text in EUCALYPTUS.items() if not any(part in path for part in parts)}


def found(ask: Callable[[str], str | None], **settings: Any) -> Balancer:
    return balancer(AccessLogging(**settings), "eucalyptus", ask)


def test_all_is_found_on_eucalyptus() -> None:
    assert found(told(), bucket="eucalyptus") == Balancer(
        name="web-front-1", account=ACCOUNT, region="eucalyptus", address="192.0.2.10", instance="i-5f3a2b1c"
    )


def test_what_is_given_is_not_asked_for() -> None:
    def ask(path: str) -> str | None:
        raise AssertionError(path)

    made = found(ask, name="lb", account="1", address="::1", instance="i-1")
    assert made == Balancer(name="lb", account="1", region="eucalyptus", address="::1", instance="i-1")


def test_the_instance_is_asked_for_only_where_a_name_has_it() -> None:
    ask = without("instance-id").get
    assert found(ask).instance == ""
    for settings in ({"bucket": "eucalyptus"}, {"layout": "eucalyptus"}, {"layout": "{instance}/%Y"}):
        with pytest.raises(UsageError, match=r"which instance this is.*set lb\.instance"):
            found(ask, **settings)


@pytest.mark.parametrize(
    ("paths", "address"),
    [
        ({"latest/meta-data/public-ipv4": "0.0.0.0"}, "172.31.0.5"),
        ({"latest/meta-data/public-ipv4": "<html>"}, "172.31.0.5"),
        (
            {
                "latest/meta-data/public-ipv4": "",
                "latest/meta-data/network/interfaces/macs/": f"nonsense\n{MAC}/\n",
                f"latest/meta-data/network/interfaces/macs/{MAC}/public-ipv4s": "0.0.0.0\n192.0.2.77",
            },
            "192.0.2.77",
        ),
    ],
)
def test_the_address_that_there_is(paths: dict[str, str], address: str) -> None:
    assert found(told(**paths)).address == address


def test_no_address_at_all() -> None:
    with pytest.raises(UsageError, match=r"under which address.*set lb\.address"):
        found(without("ipv4").get)


@pytest.mark.parametrize(
    "data",
    [
        f"loadbalancer_owner_account={ACCOUNT}\nloadbalancer_name=web\n",
        f"elb_service_url=http://x:8773/a?b=c;loadbalancer_owner_account={ACCOUNT};lb_name='web'",
        f'#!/bin/sh\nexport loadbalancer_owner_account="{ACCOUNT}"\n  loadbalancer_name = web',
        json.dumps({"account": ACCOUNT, "lb": "web", "more": {"account": "x"}}),
    ],
)
def test_user_data_tells_where_no_group_does(data: str) -> None:
    """As in Eucalyptus's VPC mode, whose groups have other names."""
    made = found({**without("security-groups"), "latest/user-data": data}.get)
    assert (made.name, made.account) == ("web", ACCOUNT)


def test_the_owner_of_the_machine_counts_where_nobody_else_is_told() -> None:
    assert found(without("security-groups").get, name="lb").account == "999999999999"
    owner = f"latest/meta-data/network/interfaces/macs/{MAC}/owner-id"
    macs = {"latest/meta-data/network/interfaces/macs/": f"{MAC}/", owner: ACCOUNT}
    assert found({**without("security-groups", "identity"), **macs}.get, name="lb").account == ACCOUNT


def test_the_project_counts_on_openstack() -> None:
    project = "605a95b51b5a4814a8d19a0edc81d212"
    paths = {
        **without("security-groups", "identity"),
        "openstack/latest/meta_data.json": f'{{"project_id": "{project}"}}',
    }
    assert found(paths.get, name="lb").account == project


def test_two_who_could_be_the_owner_are_none() -> None:
    with pytest.raises(
        UsageError, match=r"whose load balancer this is.*'000865102303' and '111111111111'; set lb\.account"
    ):
        found(told(**{"latest/user-data": "loadbalancer_owner_account=111111111111"}))
    groups = "\n".join(f"euca-internal-{ACCOUNT}-{name}" for name in "ab")
    with pytest.raises(UsageError, match=r"'a' and 'b'; set lb\.name"):
        found(told(**{"latest/meta-data/security-groups": groups}))


def test_nothing_that_tells_it() -> None:
    with pytest.raises(UsageError, match=r"which load balancer this is.*set lb\.name"):
        found(without("security-groups").get)
    with pytest.raises(UsageError, match=r"lb\.metadata names no service to ask; set lb\.name"):
        balancer(AccessLogging(metadata=""), "eucalyptus")


def test_a_service_that_fails_is_told_with_the_setting_that_helps() -> None:
    with instance_metadata(tokens=500) as service:
        with pytest.raises(Retryable, match=r"answers 500.*; set lb\.account"):
            balancer(AccessLogging(metadata=service.url, name="lb"), "eucalyptus")
        assert len(service.asked) == 1


def test_from_a_service() -> None:
    with instance_metadata(told=dict(EUCALYPTUS), tokens=404) as service:
        assert balancer(AccessLogging(metadata=service.url), "r").name == "web-front-1"


@given(
    st.dictionaries(st.sampled_from([*EUCALYPTUS, "latest/user-data", "openstack/latest/meta_data.json"]), st.text())
)
def test_any_garbage_is_told_in_a_sentence_or_taken_as_names(paths: dict[str, str]) -> None:
    try:
        made = found(paths.get, bucket="eucalyptus")
    except TailraceError as error:
        assert "; set lb." in str(error)  # noqa: PT017 - either may come
    else:
        for part in (made.name, made.account, made.address, made.instance):
            assert part.isascii()
            assert not set(part) & set("/ \n\"'")


@given(
    st.recursive(
        st.none() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_any_json(document: object) -> None:
    data = msgspec.json.encode({"account": document}).decode()
    paths = {
        **without("security-groups", "identity"),
        "latest/user-data": data,
        "openstack/latest/meta_data.json": data,
    }
    try:
        assert found(paths.get, name="lb").account
    except UsageError as error:
        assert "lb.account" in str(error)  # noqa: PT017 - either may come
