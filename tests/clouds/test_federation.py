"""Keys of an STS: of roles, which are fetched again before they end, and of one region for another."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from services.eucalyptus import ACCESS, PATHS, REGION, SECRET, Eucalyptus, eucalyptus
from tailrace.clouds import connect_to_region
from tailrace.clouds.cloud import Told
from tailrace.clouds.connecting import connect
from tailrace.clouds.connecting.federation import federated, temporary
from tailrace.clouds.finding import Given
from tailrace.errors import Fatal, Retryable, UsageError

ROLE = "arn:aws:iam::123456789012:role/reader"


@pytest.fixture(scope="module", params=["v4", "old"])
def euca(request: pytest.FixtureRequest) -> Iterator[Eucalyptus]:
    with eucalyptus(set(PATHS) - {"swf"} if request.param == "old" else set()) as made:
        yield made


@pytest.fixture(autouse=True)
def _nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ENDPOINT_URL", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE", "AWS_ACCESS_KEY_ID"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


def actions(euca: Eucalyptus, action: str) -> int:
    return sum(f"Action={action}&".encode() in b"&" + request.body + b"&" for _, request, _ in euca.asked)


def test_a_role_is_assumed_at_the_clouds_own_sts_and_again(euca: Eucalyptus) -> None:
    before = actions(euca, "AssumeRole")
    with closing(connect(euca.cloud(), "s3", role_arn=ROLE)) as s3:
        assert actions(euca, "AssumeRole") == before  # not before it is needed
        s3.list_buckets()
        s3.list_buckets()
        assert actions(euca, "AssumeRole") == before + 1
        verified = euca.asked[-1][2]
        assert verified.access_key != ACCESS
        assert verified.token == euca.tokens[verified.access_key]
        s3._request_signer._credentials._expiry_time = datetime.now(UTC)
        s3.list_buckets()
        assert actions(euca, "AssumeRole") == before + 2
        assert euca.asked[-1][2].access_key not in (ACCESS, verified.access_key)
    assert not euca.refused


def test_the_role_of_a_cloud_is_assumed(euca: Eucalyptus, tmp_path: Path) -> None:
    endpoints = {service: euca.url + PATHS[service] for service in ("s3", "sts")}
    signatures = {service: "v2" for service in endpoints if service in euca.old}
    told = {
        "endpoints": endpoints, "signatures": signatures, "access_key": ACCESS, "secret_key": SECRET, "role_arn": ROLE,
    }  # fmt: skip
    given = Given(environ={}, home=tmp_path, clouds={REGION: told}, root=tmp_path)
    with closing(connect_to_region("s3", REGION, given=given)) as s3:
        s3.list_buckets()
    assert euca.asked[-1][2].access_key != ACCESS
    assert not euca.refused


def test_the_role_of_a_profile_is_assumed(euca: Eucalyptus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "config").write_text(
        f"[profile keys]\naws_access_key_id = {ACCESS}\naws_secret_access_key = {SECRET}\n"
        f"[profile reader]\nrole_arn = {ROLE}\nsource_profile = keys\nregion = {REGION}\n"
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    with closing(connect(euca.cloud(user=None, profile=Told("reader", "test")), "s3")) as s3:
        s3.list_buckets()
    assert euca.asked[-1][2].access_key != ACCESS
    assert not euca.refused


def test_keys_of_one_region_open_another(euca: Eucalyptus) -> None:
    with eucalyptus(euca.old, euca) as other:
        target = other.cloud(name="other", user=None)
        for role in ("", ROLE):
            cloud = federated(euca.cloud(), target, role_arn=role)
            assert cloud.user is not None
            assert cloud.name == "other"
            assert euca.tokens[cloud.user.access_key.value] not in repr(cloud)
            for service, call in (("s3", "list_buckets"), ("ec2", "describe_volumes"), ("cloudwatch", "list_metrics")):
                with closing(connect(cloud, service)) as client:
                    getattr(client, call)()
                assert other.asked[-1][2].access_key == cloud.user.access_key.value
        assert not other.refused
    with eucalyptus(euca.old) as stranger, pytest.raises(ClientError, match="there is no access key"):
        connect(federated(euca.cloud(), stranger.cloud()), "s3").list_buckets()


def test_user_at_region_uses_the_keys_of_that_user(tmp_path: Path) -> None:
    with eucalyptus() as euca:
        euca.secrets["AKIOTHER"] = "other secret".replace(" ", "")
        folder = tmp_path / ".euca"
        folder.mkdir()
        (folder / "euca.ini").write_text(
            f"[user me]\nkey-id = {ACCESS}\nsecret-key = {SECRET}\n[user other]\nkey-id = AKIOTHER\nsecret-key = othersecret\n"
            f"[region {REGION}]\nuser = me\niam-url = {euca.url}/services/Euare\n"
        )
        given = Given(environ={}, home=tmp_path, root=tmp_path)
        for region, key in ((REGION, ACCESS), (f"other@{REGION}", "AKIOTHER")):
            with closing(connect_to_region("iam", region, given=given)) as iam:
                iam.list_users()
            assert euca.asked[-1][2].access_key == key


def test_an_sts_that_refuses_is_told(euca: Eucalyptus) -> None:
    user = euca.cloud().user
    assert user is not None
    wrong = euca.cloud(user=replace(user, secret_key=Told("wrong", "test")))
    for role in ("", ROLE):
        with pytest.raises(
            Fatal, match=r"http://127\.0\.0\.1:\d+/services/Tokens gives no keys for .* \(Refused\)"
        ) as raised:
            temporary(wrong, role_arn=role)
        assert "wrong" not in str(raised.value)
    with (
        closing(connect(wrong, "s3", role_arn=ROLE)) as s3,
        pytest.raises(Fatal, match=f"gives no keys for the role {ROLE}"),
    ):
        s3.list_buckets()
    euca.refused.clear()


def test_an_sts_that_is_not_there_is_told(euca: Eucalyptus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_: 0.0)
    cloud = euca.cloud()
    away = replace(cloud.endpoints["sts"], url=Told("http://127.0.0.1:1/services/Tokens", "test"))
    gone: Any = replace(cloud, endpoints={**cloud.endpoints, "sts": away})
    with pytest.raises(Retryable, match=r"http://127\.0\.0\.1:1/services/Tokens gives no keys for a session token now"):
        temporary(gone)
    without = replace(cloud, endpoints={name: each for name, each in cloud.endpoints.items() if name != "sts"})
    with pytest.raises(UsageError, match="has no endpoint of sts"):
        connect(without, "s3", role_arn=ROLE)
