"""A cloud is found in what its users have written down, each value from the place that counts first."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from homing import ACCESS, SECRET, Home, euca, user
from tailrace.clouds.cloud import Told
from tailrace.clouds.finding import find, names, split
from tailrace.errors import UsageError

NINE = ("autoscaling", "cloudformation", "cloudwatch", "ec2", "elb", "iam", "s3", "sts", "swf")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def refused(region: str, home: Home) -> str:
    with pytest.raises(UsageError) as error:
        find(region, home.given())
    assert SECRET not in str(error.value)
    return str(error.value)


def test_nothing_at_all_is_aws_without_a_region(home: Home) -> None:
    cloud = find("", home.given())
    assert (cloud.name, cloud.region.value, cloud.private, cloud.kind.value) == ("", "", False, "aws")
    assert (cloud.user, dict(cloud.endpoints), cloud.shared) == (None, {}, None)
    assert names(home.given()) == []


@pytest.mark.parametrize("region", ["us-east-1", "eu-central-2", "cn-north-1", "us-gov-west-1"])
def test_aws_needs_no_file(home: Home, region: str) -> None:
    cloud = find(region, home.given())
    assert (cloud.region.value, cloud.private, cloud.kind.value) == (region, False, "aws")


NEW = pytest.mark.parametrize("region", ["eu-frankfurt-1", "us-internal-1"])


@NEW
def test_a_name_like_awss_is_no_region_of_aws(home: Home, region: str) -> None:
    message = refused(region, home)
    assert f"there is no region {region}: it is none of AWS" in message
    assert (
        f'write [clouds.{region}] with endpoint_url or endpoints into tailrace.toml, or with kind = "aws" if' in message
    )
    assert 'kind = "aws"' not in refused("nova", home)
    home.environ["AWS_ENDPOINT_URL_S3"] = "http://rgw.example"
    assert find(region, home.given()).private, "no other service is asked for at AWS"


@NEW
def test_a_region_that_is_newer_than_the_tables_is_awss_if_people_say_so(home: Home, region: str) -> None:
    def is_aws(asked: str, **told: Told) -> bool:
        cloud = find(asked, home.given(**told))
        return (cloud.region.value, cloud.private, cloud.kind.value) == (region, False, "aws")

    assert is_aws("", region=Told(region, "--region"))
    assert is_aws(region, region=Told(region, "--region"))
    home.environ["AWS_REGION"] = region
    assert is_aws("")
    assert is_aws(region)
    home.environ.clear()
    home.write("~/.aws/config", f"[default]\nregion = {region}\n")
    assert is_aws("")
    home.write("~/.aws/config", "")
    home.clouds[region] = {"kind": "aws"}
    assert is_aws(region)


def test_every_service_of_a_eucalyptus(home: Home) -> None:
    home.write("~/.euca/prod.ini", f"[region prod]\n{euca(user='admin', name='eucalyptus')}\n{user('admin')}")
    cloud = find("prod", home.given())
    assert (cloud.name, cloud.region.value, cloud.kind.value, cloud.private) == (
        "prod",
        "eucalyptus",
        "eucalyptus",
        True,
    )
    assert {service: cloud.endpoints[service].url.value.rpartition("/")[2] for service in NINE} == {
        "autoscaling": "AutoScaling", "cloudformation": "CloudFormation", "cloudwatch": "CloudWatch", "ec2": "compute", "elb": "LoadBalancing",
        "iam": "Euare", "s3": "objectstorage", "sts": "Tokens", "swf": "SimpleWorkflow",
    }  # fmt: skip
    assert cloud.endpoints["elbv2"].url == cloud.endpoints["elb"].url
    assert cloud.endpoints["s3"].signature == Told("v2", "default of euca2ools")
    assert cloud.endpoints["ec2"].signature.value == "v4"
    assert cloud.endpoints["ec2"].url.origin == "~/.euca/prod.ini [region prod] ec2-url"
    assert cloud.user is not None
    assert (cloud.user.name.value, cloud.user.access_key.value, cloud.user.secret_key.value) == (
        "admin",
        ACCESS,
        SECRET,
    )
    assert cloud.user.account is not None
    assert SECRET not in repr(cloud)


def test_each_value_comes_from_the_place_that_counts_first(home: Home) -> None:
    home.write(
        "~/.euca/x.ini",
        "[region x]\nec2-url = http://e/\ns3-url = http://e/\niam-url = http://e/\nsts-url = http://e/\nswf-url = http://e",
    )
    home.write(
        "~/.aws/config",
        "[profile x]\nregion = x\nservices = x\n[services x]\n"
        + "".join(f"{id_} =\n  endpoint_url = http://a\n" for id_ in ("s3", "iam", "sts", "ec2")),
    )
    home.write("/etc/boto.cfg", f"[Boto]\nendpoints_path = {home.folder}/boto.json\n")
    home.write("boto.json", json.dumps({"autoscaling": {"x": "b"}, "swf": {"x": "b"}}))
    home.environ |= {
        "AWS_ENDPOINT_URL_IAM": "http://v",
        "EC2_URL": "http://w",
        "S3_URL": "http://w",
        "AWS_ENDPOINT_URL_S3": "http://v",
        "EUCA_DEFAULT_REGION": "x",
    }
    home.clouds["x"] = {"endpoints": {"s3": "http://o"}, "region": "y"}
    cloud = find("", home.given())
    found = {service: endpoint.url.value for service, endpoint in cloud.endpoints.items()}
    assert found == {
        "s3": "http://o",
        "iam": "http://v",
        "ec2": "http://w",
        "sts": "http://a",
        "swf": "http://e",
        "autoscaling": "https://b",
    }
    assert cloud.region == Told("y", "tailrace.toml [clouds.x]")
    flag = find("x", home.given(endpoint_url=Told("http://f", "--endpoint-url")))
    assert flag.endpoints["s3"].url == Told("http://f", "--endpoint-url")


def test_an_endpoint_for_all_services_hides_what_counts_less(home: Home) -> None:
    home.write("~/.euca/x.ini", f"[region x]\n{euca()}")
    home.clouds["x"] = {
        "endpoint_url": "https://all.example/",
        "endpoints": {"ec2": "https://ec2.example"},
        "signatures": {"s3": "v2"},
    }
    cloud = find("x", home.given())
    assert {service: endpoint.url.value for service, endpoint in cloud.endpoints.items()} == {
        "ec2": "https://ec2.example",
        "s3": "https://all.example",
    }
    assert cloud.endpoints["s3"].signature.value == "v2"
    assert cloud.shared is not None
    assert (cloud.shared.url.value, cloud.shared.signature.value) == ("https://all.example", "v4")


@pytest.mark.parametrize("region", ["eucalyptsu", "us_east_1", "nova", "EU-WEST-1"])
def test_an_unknown_region_is_told_with_those_there_are(home: Home, region: str) -> None:
    home.write("~/.euca/x.ini", f"[region eucalyptus]\n{euca()}")
    home.clouds["lab"] = {"endpoint_url": "http://lab.example"}
    message = refused(region, home)
    assert f"there is no region {region}" in message
    assert "known: lab, eucalyptus" in message
    assert f"write [clouds.{region}]" in message
    assert ("did you mean eucalyptus?" in message) == (region == "eucalyptsu")


@pytest.mark.parametrize(
    "url",
    ["https://s3.amazonaws.com", "https://S3.EU-west-1.AmazonAWS.com.", "https://ec2.cn-north-1.amazonaws.com.cn/x"],
)
def test_nothing_of_a_private_cloud_leads_to_aws(home: Home, url: str) -> None:
    home.clouds["lab"] = {"endpoints": {"ec2": "http://lab.example", "s3": url}}
    assert "tailrace.toml [clouds.lab] endpoints.s3 leads to AWS" in refused("lab", home)
    home.clouds["lab"] = {"endpoints": {"ec2": "http://lab.example"}}
    home.environ["AWS_ENDPOINT_URL"] = url
    assert "AWS_ENDPOINT_URL leads to AWS" in refused("lab", home)
    home.clouds.clear()
    home.write("~/.euca/x.ini", f"[region lab]\nec2-url = {url}\n")
    home.environ.clear()
    assert "leads to AWS" in refused("lab", home)


def test_a_region_of_awss_name_is_private_if_something_says_so_of_it(home: Home) -> None:
    home.clouds["us-east-1"] = {"endpoints": {"s3": "http://minio.example"}}
    assert find("us-east-1", home.given()).private
    home.clouds.clear()
    home.environ["AWS_ENDPOINT_URL_S3"] = "http://minio.example"
    cloud = find("us-east-1", home.given())
    assert not cloud.private
    assert cloud.endpoints["s3"].url.value == "http://minio.example"
    home.environ["AWS_ENDPOINT_URL"] = "http://localstack.example"
    assert find("us-east-1", home.given()).private


def test_variables_of_eucarc_are_not_for_regions_of_aws(home: Home) -> None:
    home.environ |= {
        "EC2_URL": "http://clc.example:8773/services/compute",
        "S3_URL": "http://osg.example:8773/services/objectstorage",
    }
    assert not find("us-east-1", home.given()).endpoints
    cloud = find("", home.given())
    assert (cloud.name, cloud.region.value, cloud.private, cloud.kind.value) == (
        "environment",
        "eucalyptus",
        True,
        "eucalyptus",
    )
    assert cloud.endpoints["s3"].url == Told("http://osg.example:8773/services/objectstorage", "S3_URL")
    assert names(home.given()) == ["environment"]
    assert find("environment", home.given()) == cloud
    home.environ |= {"EC2_ACCESS_KEY": ACCESS, "EC2_SECRET_KEY": SECRET, "EC2_ACCOUNT_NUMBER": "7"}
    assert find("us-east-1", home.given()).user is None
    found = find("", home.given()).user
    assert found is not None
    assert (found.access_key, found.account) == (Told(ACCESS, "EC2_ACCESS_KEY"), Told("7", "EC2_ACCOUNT_NUMBER"))
    home.environ["EC2_URL"] = "lab::http://clc.example:8773/services/compute"
    assert find("euca", home.given()).region == Told("lab", "EC2_URL")


def of_two_clouds(home: Home) -> None:
    """Two regions in a file of euca2ools, each with its user, and the `eucarc` of the first."""
    regions = (
        f"[region {name}]\n{euca(f'{name}.example', user=f'u{name}')}{user(f'u{name}', f'AKIA{name}')}" for name in "ab"
    )
    home.write("~/.euca/x.ini", "".join(regions))
    home.write("iamrc", f"AWSAccessKeyId=AKIAiamrc\nAWSSecretKey={SECRET}\n")
    home.environ |= {
        "EC2_URL": "http://A.example:8773/services/compute", "EC2_ACCESS_KEY": "AKIAeucarc", "EC2_SECRET_KEY": SECRET,
        "AWS_CREDENTIAL_FILE": f"{home.folder}/iamrc",
    }  # fmt: skip


def key_and_hosts(region: str, home: Home, /, **told: Told) -> tuple[str, set[str]]:
    """With which key a region is called, and where EC2 and S3 are."""
    cloud = find(region, home.given(**told))
    assert cloud.user is not None
    return cloud.user.access_key.value, {
        cloud.endpoints[name].url.value.split("/")[2].lower() for name in ("ec2", "s3")
    }


def test_what_is_meant_for_one_cloud_does_not_go_to_that_of_eucarc(home: Home) -> None:
    of_two_clouds(home)
    assert key_and_hosts("b", home) == ("AKIAb", {"b.example:8773"})
    assert key_and_hosts("ua@b", home) == ("AKIAa", {"b.example:8773"})
    for told in ("b", "ub@b"):
        assert key_and_hosts("", home, region=Told(told, "--region")) == ("AKIAb", {"b.example:8773"})
    assert key_and_hosts("a", home) == ("AKIAeucarc", {"a.example:8773"})
    home.environ |= {"AWS_ACCESS_KEY_ID": "AKIAboto3", "AWS_SECRET_ACCESS_KEY": SECRET}
    assert key_and_hosts("b", home) == ("AKIAboto3", {"b.example:8773"})


def test_one_url_of_another_cloud_makes_eucarc_anothers(home: Home) -> None:
    of_two_clouds(home)
    home.environ |= {
        "EC2_URL": "http://b.example:8773/services/compute/",
        "S3_URL": "http://a.example:8773/services/objectstorage",
    }
    assert key_and_hosts("b", home) == ("AKIAb", {"b.example:8773"})
    home.environ["S3_URL"] = "http://b.example:8773/services/objectstorage"
    assert key_and_hosts("b", home) == ("AKIAeucarc", {"b.example:8773"})
    home.environ |= {"EC2_URL": "", "S3_URL": "", "EUCA_PROPERTIES_URL": "http://a.example:8773/services/Properties"}
    assert key_and_hosts("b", home)[0] == "AKIAb", "nothing tells that it is the same cloud"
    home.environ["EUCA_PROPERTIES_URL"] = ""
    assert key_and_hosts("b", home)[0] == "AKIAeucarc", "keys without a URL are no other cloud's"


def test_eucarc_counts_for_the_region_in_use_and_for_one_that_nothing_else_knows(home: Home) -> None:
    of_two_clouds(home)
    home.environ |= {"S3_URL": "http://a.example:8773/services/objectstorage", "EUCA_DEFAULT_REGION": "b"}
    assert key_and_hosts("", home) == ("AKIAeucarc", {"a.example:8773"})
    assert key_and_hosts("c", home) == ("AKIAeucarc", {"a.example:8773"})


@pytest.mark.parametrize(
    "written",
    [
        ("~/.aws/config", "[profile b]\nregion = b\nendpoint_url = http://b.example:8773/\n"),
        ("~/.boto", "[Boto]\nec2_region_name = b\nec2_region_endpoint = b.example:8773\n[Credentials]\ns3_host = b.example\ns3_port = 8773\n"),
    ],
)  # fmt: skip
def test_a_region_of_other_files_is_not_that_of_eucarc_either(home: Home, written: tuple[str, str]) -> None:
    of_two_clouds(home)
    home.write("~/.euca/x.ini", "")
    home.write(*written)
    cloud = find("b", home.given())
    urls = [endpoint.url.value for endpoint in (*cloud.endpoints.values(), *([cloud.shared] if cloud.shared else []))]
    assert urls
    assert all("//b.example:8773" in url for url in urls)
    assert cloud.user is None


@pytest.mark.parametrize("variable", ["EC2_URL", "S3_URL", "AWS_ELB_URL"])
def test_a_region_of_aws_in_use_and_eucarc_contradict_each_other(home: Home, variable: str) -> None:
    """A request that may be meant for the private cloud does not go to AWS."""
    home.environ |= {variable: "http://clc.example:8773/services/x", "AWS_DEFAULT_REGION": "us-east-1"}
    message = refused("", home)
    assert (
        f"AWS_DEFAULT_REGION names us-east-1, a region of AWS, but {variable} leads to http://clc.example:8773"
        in message
    )
    assert not find("us-east-1", home.given()).private
    assert not find("", home.given(region=Told("us-east-1", "--region"))).private
    home.environ["AWS_DEFAULT_REGION"] = "euca"
    assert find("", home.given()).private
    for url in ("https://cdn.example/assets", "my-bucket", "http://[", ""):
        home.environ = {"S3_URL": url, "AWS_DEFAULT_REGION": "us-east-1"}
        assert not find("", home.given()).private


def test_a_user_who_is_asked_for_counts_before_the_environment(home: Home) -> None:
    home.write(
        "~/.euca/x.ini",
        f"[global]\ndefault-region = x\n[region x]\n{euca(user='admin')}{user('admin')}{user('tenant', 'AKIATENANT')}",
    )
    home.environ |= {"AWS_ACCESS_KEY_ID": "AKIAENVIRON", "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_SESSION_TOKEN": "t/+="}

    def key(region: str) -> str:
        cloud = find(region, home.given())
        assert cloud.name == "x"
        assert cloud.user is not None
        return cloud.user.access_key.value

    assert key("x") == "AKIAENVIRON"
    assert key("tenant@x") == key("tenant@") == "AKIATENANT"
    home.environ["EUCA_DEFAULT_REGION"] = "tenant@"
    assert key("") == key("x") == "AKIATENANT"
    assert key("admin@") == ACCESS
    assert "known are: admin, tenant" in refused("nobody@x", home)
    home.environ = {"AWS_ACCESS_KEY_ID": "AKIAENVIRON"}
    assert "AWS_ACCESS_KEY_ID is set without AWS_SECRET_ACCESS_KEY" in refused("x", home)


words = st.text(
    st.characters(codec="utf-8", exclude_categories=["C", "Z"], exclude_characters="@"), min_size=1, max_size=9
)


@given(st.one_of(st.just(""), words), st.one_of(st.just(""), words))
@example("", "")
def test_what_is_asked_for_has_two_halves(person: str, region: str) -> None:
    told = f"{person}@{region}" if person else region
    found = split(Told(told, "--region"))
    assert tuple(half.value if half else "" for half in found) == (person, region)


@pytest.mark.parametrize("told", ["a@b@c", "a@@", "a b", "a\n", "a@b\x00", "\t"])
def test_what_is_no_region_is_refused(told: str, home: Home) -> None:
    assert "is no region; write REGION, USER@ or USER@REGION" in refused(told, home)


lines = st.sampled_from([b"[region x]", b"[Boto]", b"[profile x]", b"[services x]", b"[Credentials]", b"[default]", b"s3-url = http://a", b"services = x",
    b"region = x", b"endpoint_url = http://a", b"  s3 =", b"s3 =", b"  endpoint_url = http://a", b"eucalyptus_host = a", b"user = use x user", b"#import .boto",
    b'{"ec2": {"x": "y"}}', b"endpoints_path = ~/.boto", b"%(", b"[", b"= x", b"\x00", b"\xff", b"\xef\xbb\xbf", b"\r"])  # fmt: skip
contents = st.lists(st.one_of(lines, st.binary(max_size=9)), max_size=8).map(b"\n".join)
FILES = ("~/.boto", "~/.euca/x.ini", "~/.aws/config", "~/.aws/credentials", "~/x.json")


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(st.tuples(*[contents] * len(FILES)))
def test_whatever_is_in_files_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, written: tuple[bytes, ...]
) -> None:
    home = Home(tmp_path_factory.mktemp("home"))
    for name, content in zip(FILES, written, strict=True):
        home.write(name, "").write_bytes(content)
    home.environ["BOTO_ENDPOINTS"] = "~/x.json" if written[-1] else ""
    for asked in (
        lambda: names(home.given()),
        *(lambda name=name: find(name, home.given()) for name in ("x", "us-east-1", "x@eucalyptus")),
    ):
        with contextlib.suppress(UsageError):
            asked()  # type: ignore[operator]
