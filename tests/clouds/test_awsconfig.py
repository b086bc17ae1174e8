"""~/.aws is read as boto3 reads it: compared with botocore itself."""

from __future__ import annotations

from pathlib import Path

import pytest
from botocore.loaders import create_loader
from botocore.session import Session
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from homing import ACCESS, SECRET, Home
from tailrace.clouds import services
from tailrace.clouds.cloud import Told
from tailrace.clouds.finding import find, names
from tailrace.errors import UsageError

KEYS = f"aws_access_key_id = {ACCESS}\naws_secret_access_key = {SECRET}\n"
SERVICES = ("autoscaling", "cloudformation", "cloudwatch", "dynamodb", "ec2", "elb", "elbv2", "events", "iam", "logs", "s3", "secretsmanager", "sqs", "ssm", "sts", "swf")  # fmt: skip
LOADER = create_loader()
CONFIG = """
[default]
region = eu-west-1

[profile lab]
region = lab
endpoint_url = https://lab.example
services = lab
ca_bundle = ~/ca.pem
s3 =
  signature_version = s3
  addressing_style = path

[services lab]
elastic_load_balancing =
  endpoint_url = https://lab.example:8773/services/LoadBalancing
elastic_load_balancing_v2 =
  endpoint_url = https://lab.example/v2
cloudwatch_logs =
  endpoint_url = https://logs.lab.example
"""


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def refused(home: Home, region: str) -> str:
    with pytest.raises(UsageError) as error:
        find(region, home.given())
    assert SECRET not in str(error.value)
    return str(error.value)


def of_botocore(home: Home, monkeypatch: pytest.MonkeyPatch, profile: str | None = None) -> Session:
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "AWS_PROFILE", "AWS_CA_BUNDLE", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(home.home))
    for name, value in home.environ.items():
        monkeypatch.setenv(name, value)
    session = Session(profile=profile)
    session.register_component("data_loader", LOADER)
    return session


def endpoint(session: Session, service: str) -> str:
    keys = {"aws_access_key_id": "a", "aws_secret_access_key": "b"}
    return str(session.create_client(service, region_name="us-east-1", verify=False, **keys).meta.endpoint_url)


def test_a_profile_with_endpoints(home: Home) -> None:
    home.write("~/.aws/config", CONFIG)
    home.write("~/.aws/credentials", f"[lab]\n{KEYS}aws_session_token = token==\n")
    home.write("~/ca.pem", "")
    cloud = find("lab", home.given())
    assert (cloud.region.value, cloud.kind.value, cloud.private) == ("lab", "eucalyptus", True)
    assert {name: found.url.value for name, found in cloud.endpoints.items()} == {
        "elb": "https://lab.example:8773/services/LoadBalancing", "elbv2": "https://lab.example/v2",
        "logs": "https://logs.lab.example", "s3": "https://lab.example",
    }  # fmt: skip
    assert cloud.endpoints["logs"].url.origin == "~/.aws/config [services lab] cloudwatch_logs"
    assert cloud.endpoints["s3"].signature == Told("v2", "~/.aws/config [profile lab] s3")
    assert cloud.shared is not None
    assert cloud.shared.url == Told("https://lab.example", "~/.aws/config [profile lab]")
    assert cloud.verify == Told(str(home.home / "ca.pem"), "~/.aws/config [profile lab]")
    assert cloud.user is not None
    assert cloud.user.session_token is not None
    assert (cloud.user.access_key, cloud.user.session_token.value) == (
        Told(ACCESS, "~/.aws/credentials [lab]"),
        "token==",
    )
    assert names(home.given()) == ["lab", "eu-west-1"]
    assert find("", home.given()).region == Told("eu-west-1", "~/.aws/config [default]")


@pytest.mark.parametrize("extra", [{}, {"AWS_ENDPOINT_URL_LOGS": "http://no", "AWS_ENDPOINT_URL_CLOUDWATCH_LOGS": "http://yes"}, {"AWS_ENDPOINT_URL_S3": "http://s3"}])  # fmt: skip
def test_endpoints_are_those_of_botocore(home: Home, monkeypatch: pytest.MonkeyPatch, extra: dict[str, str]) -> None:
    home.write("~/.aws/config", CONFIG)
    home.write("~/ca.pem", "")
    home.environ |= extra
    session = of_botocore(home, monkeypatch, "lab")
    cloud = find("lab", home.given())
    for service in SERVICES:
        found = cloud.endpoints.get(service) or cloud.shared
        assert found is not None
        assert found.url.value == endpoint(session, service), service


ids = st.sampled_from(["s3", "elastic_load_balancing", "cloudwatch"])
urls = st.sampled_from(["http://a.example", "http://b.example:8773/services/x"])
booleans = st.sampled_from(["", "true", "false", "True", "yes", "1"])


@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.dictionaries(ids, urls, max_size=3), st.dictionaries(ids, urls, max_size=3), st.tuples(*[st.one_of(st.none(), urls)] * 2), booleans, booleans
)  # fmt: skip
def test_what_counts_first_counts_first_in_botocore(
    tmp_path_factory: pytest.TempPathFactory, variables: dict[str, str], block: dict[str, str],
    shared: tuple[str | None, str | None], ignored: str, variable: str,
) -> None:  # fmt: skip
    home = Home(tmp_path_factory.mktemp("home"))
    inner = "".join(f"{identity} =\n  endpoint_url = {url}\n" for identity, url in block.items())
    options = f"services = x\nignore_configured_endpoint_urls = {ignored}\n" + (
        f"endpoint_url = {shared[0]}\n" if shared[0] else ""
    )
    home.write("~/.aws/config", f"[profile x]\nregion = us-east-1\n{options}\n[services x]\nvoid =\n{inner}")
    home.environ |= {f"AWS_ENDPOINT_URL_{identity.upper()}": url for identity, url in variables.items()}
    home.environ |= {"AWS_ENDPOINT_URL": shared[1]} if shared[1] else {}
    home.environ |= {"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": variable} if variable else {}
    with pytest.MonkeyPatch.context() as monkeypatch:
        session = of_botocore(home, monkeypatch, "x")
        cloud = find("us-east-1", home.given(profile=Told("x", "--profile")))
        for service in ("s3", "elb", "cloudwatch"):
            found = cloud.endpoints.get(service) or cloud.shared
            theirs = endpoint(session, service)
            assert found.url.value == theirs if found else ".amazonaws.com" in theirs


@pytest.mark.parametrize("name", SERVICES)
def test_every_id_of_a_service_leads_to_its_name(name: str) -> None:
    identity = LOADER.load_service_model(name, "service-2")["metadata"]["serviceId"].replace(" ", "_")
    assert services.of_id(identity) == services.of_id(identity.upper()) == name


def test_the_default_profile_is_for_its_own_region_only(home: Home) -> None:
    """Keys for AWS are not sent to a private cloud, nor its to AWS, because they are the default's."""
    home.write("~/.euca/x.ini", "[region lab]\nec2-url = http://lab.example\n")
    home.write("~/.aws/credentials", f"[default]\n{KEYS}")
    home.write("~/.aws/config", "[default]\nregion = us-east-1\n")
    assert find("lab", home.given()).user is None
    cloud = find("us-east-1", home.given())
    assert (cloud.user, cloud.profile, cloud.private) == (None, None, False)
    home.environ["AWS_PROFILE"] = "default"
    assert find("lab", home.given()).user is None
    user = find("us-east-1", home.given()).user
    assert user is not None
    assert user.name == Told("default", "~/.aws/credentials [default]")
    asked = find("lab", home.given(profile=Told("default", "--profile")))
    assert asked.user is not None
    assert asked.profile == Told("default", "--profile")


def test_a_profile_without_a_region_is_for_all(home: Home) -> None:
    home.write(
        "~/.aws/config",
        f"[default]\nendpoint_url = http://lab.example\n{KEYS}[profile x]\nregion = eu-west-1\n{KEYS.replace(ACCESS, 'AKIAX')}",
    )
    for region in ("lab", "us-east-1"):
        cloud = find(region, home.given())
        assert cloud.shared is not None
        assert (cloud.private, cloud.shared.url.value) == (True, "http://lab.example")
    home.environ["AWS_PROFILE"] = "x"
    cloud = find("us-east-1", home.given())
    assert cloud.user is not None
    assert (cloud.user.access_key.value, cloud.shared, cloud.private) == ("AKIAX", None, False)


def test_a_store_elsewhere_does_not_take_the_other_services_from_aws(home: Home) -> None:
    block = "services = s\n[services s]\ns3 =\n  endpoint_url = http://minio.example\n"
    home.write(
        "~/.aws/config", f"[default]\nregion = us-east-1\n{block}[profile minio]\nregion = us-east-1\nservices = s\n"
    )
    cloud = find("us-east-1", home.given())
    assert (cloud.private, cloud.endpoints["s3"].url.value) == (False, "http://minio.example")
    named = find("minio", home.given())
    assert (named.private, named.region, named.endpoints.keys()) == (
        True,
        Told("us-east-1", "~/.aws/config [profile minio]"),
        {"s3"},
    )


def test_two_profiles_of_a_region_are_asked_for_by_name(home: Home) -> None:
    profile = f"region = lab\nendpoint_url = http://lab.example\n{KEYS}"
    home.write(
        "~/.aws/config",
        f"[profile a]\n{profile}[profile b]\n{profile.replace(ACCESS, 'AKIAB').replace('lab.example', 'b')}",
    )
    assert "profiles a and b of ~/.aws are both of the region lab; choose one: a@lab, or AWS_PROFILE" in refused(
        home, "lab"
    )
    for cloud in (find("b@lab", home.given()), find("lab", home.given(profile=Told("b", "--profile")))):
        assert cloud.user is not None
        assert (cloud.user.access_key.value, cloud.shared and cloud.shared.url.value) == ("AKIAB", "http://b")
    home.environ["AWS_PROFILE"] = "b"
    assert find("lab", home.given()).user == find("b@", home.given()).user
    home.environ["AWS_PROFILE"] = "c"
    assert "AWS_PROFILE: there is no profile c in ~/.aws (a, b)" in refused(home, "lab")


@pytest.mark.parametrize(
    "option", ["role_arn = arn:aws:iam::1:role/x\nsource_profile = a", "credential_process = x", "sso_session = s"]
)
def test_what_boto3_must_get_is_left_to_it(home: Home, option: str) -> None:
    home.write("~/.aws/config", f"[profile x]\nregion = lab\nendpoint_url = http://a\n{option}\n{KEYS}")
    for cloud in (find("lab", home.given()), find("x@lab", home.given())):
        assert cloud.user is None
        assert cloud.profile is not None
        assert cloud.profile.value == "x"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("[profile x]\nregion = x\nservices = y\n", "~/.aws/config [profile x]: there is no section [services y]"),
        (f"[profile x]\nregion = x\nendpoint_url = http://a\naws_secret_access_key = {SECRET}\n", "has no aws_access_key_id; add it"),
        ("[profile x]\nregion = x\nendpoint_url = a\n", "~/.aws/config [profile x]: the endpoint of a service must be a URL"),
        ("[profile x]\nregion = x\nendpoint_url = http://a\nca_bundle = /nowhere\n", "there is no file /nowhere of certificate authorities"),
        (f"[profile x]\nregion = x\nservices = y\n[services y]\ns3 =\n  {SECRET}\n", "no OPTION = VALUE"),
        ("[profile x]\nregion = x\n[profile x]\n", "~/.aws/config: line 3: the section [profile x] is there twice"),
    ],
)  # fmt: skip
def test_what_is_contradictory_is_told(home: Home, content: str, told: str) -> None:
    home.write("~/.aws/config", content)
    assert told in refused(home, "x")
