"""boto 2's files are read as boto 2 reads them: compared with boto 2.49 itself, where Python can still import it."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from homing import ACCESS, SECRET, Home
from making import absent
from tailrace.clouds.cloud import Cloud, Told
from tailrace.clouds.finding import find, names
from tailrace.errors import UsageError

FLAT = {
    "autoscaling": {"eucalyptus": "autoscaling.euca.example"}, "cloudformation": {"eucalyptus": "cloudformation.euca.example"},
    "cloudwatch": {"eucalyptus": "cloudwatch.euca.example"}, "ec2": {"eucalyptus": "compute.euca.example", "us-east-1": "ec2.us-east-1.amazonaws.com"},
    "elasticloadbalancing": {"eucalyptus": "loadbalancing.euca.example"}, "iam": {"eucalyptus": "euare.euca.example"},
    "s3": {"eucalyptus": "objectstorage.euca.example"}, "sts": {"eucalyptus": "tokens.euca.example"},
    "swf": {"eucalyptus": "simpleworkflow.euca.example"},
}  # fmt: skip
KEYS = f"aws_access_key_id = {ACCESS}\naws_secret_access_key = {SECRET}\n"
SERVICES = {"autoscaling": "autoscaling", "cloudwatch": "cloudwatch", "ec2": "ec2", "elasticloadbalancing": "elb", "iam": "iam", "s3": "s3", "sts": "sts", "swf": "swf"}  # fmt: skip
ASKED = """
import json, sys, boto, boto.ec2, boto.s3.connection, boto.regioninfo
hosts = {s: h["eucalyptus"] for s, h in boto.regioninfo.load_regions().items() if "eucalyptus" in h}
s3 = boto.s3.connection.S3Connection(host=hosts.get("s3", "x"))
ec2 = boto.ec2.EC2Connection(region=boto.regioninfo.RegionInfo(name="eucalyptus", endpoint=hosts.get("ec2", "x")))
walrus, euca = (f(host=None) if boto.config.get("Boto", o) else None for f, o in ((boto.connect_walrus, "walrus_host"), (boto.connect_euca, "eucalyptus_host")))
told = lambda c: c and [c.protocol, c.host, c.port, c.path, c._required_auth_capability()[0], c.provider.access_key, c.https_validate_certificates is not False, c.ca_certificates_file]
json.dump({"hosts": hosts, "s3": told(s3), "ec2": told(ec2), "walrus": told(walrus), "euca": told(euca)}, sys.stdout)
"""
SCENES = {
    "hosts": f"[Credentials]\n{KEYS}[Boto]\nendpoints_path = FLAT\n",
    "plain http": f"[Credentials]\n{KEYS}[Boto]\nis_secure = False\nendpoints_path = FLAT\n",
    "store": f"[Credentials]\n{KEYS}s3_host = walrus.example\ns3_port = 8773\n[Boto]\nis_secure = no\nendpoints_path = FLAT\n",
    "v4": f"[Credentials]\n{KEYS}[s3]\nuse-sigv4 = True\n[ec2]\nuse-sigv4 = True\n[Boto]\nendpoints_path = FLAT\n",
    "unchecked": f"[Credentials]\n{KEYS}[Boto]\nhttps_validate_certificates = False\nendpoints_path = FLAT\n",
    "authorities": f"[Credentials]\n{KEYS}[Boto]\nca_certificates_file = HOME/ca.pem\nendpoints_path = FLAT\n",
    "eucalyptus": f"[Credentials]\n{KEYS}euca_access_key_id = AKIEUCA\neuca_secret_access_key = {SECRET}\n[Boto]\neucalyptus_host = clc.example\nwalrus_host = walrus.example\n",
    "secure eucalyptus": f"[Credentials]\n{KEYS}[Boto]\nis_secure = true\neucalyptus_host = clc.example\nwalrus_host = walrus.example\n",
    "interpolated": f"[Credentials]\n{KEYS}[Boto]\nwhere = HOME\nendpoints_path = %(where)s/flat.json\n",
}  # fmt: skip


@pytest.fixture
def home(tmp_path: Path) -> Home:
    found = Home(tmp_path)
    found.write("~/flat.json", json.dumps(FLAT))
    found.write("~/ca.pem", "")
    return found


def boto(home: Home, content: str, name: str = "~/.boto") -> None:
    home.write(name, content.replace("FLAT", str(home.home / "flat.json")).replace("HOME", str(home.home)))


def of_boto(home: Home) -> dict[str, Any]:
    """What boto 2 makes of these files."""
    if sys.version_info >= (3, 12):
        pytest.skip("boto 2.49 cannot be imported by Python 3.12")
    if importlib.util.find_spec("boto") is None:
        absent("boto 2.49", "make test installs it")
    environ = {"HOME": str(home.home), "BOTO_PATH": str(home.home / ".boto"), **home.environ}
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", ASKED], env=environ, capture_output=True, check=True)
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def refused(home: Home, region: str = "eucalyptus") -> str:
    with pytest.raises(UsageError) as error:
        find(region, home.given())
    assert SECRET not in str(error.value)
    return str(error.value)


def as_boto_says(cloud: Cloud, service: str) -> list[Any]:
    """The same of a service as boto says it."""
    endpoint = cloud.endpoints[service]
    scheme, _, rest = endpoint.url.value.partition("://")
    host, slash, path = rest.partition("/")
    name, _, port = host.partition(":")
    signed = "hmac-v4-s3" if service == "s3" else "hmac-v4"
    assert cloud.user is not None
    return [
        scheme, name, int(port or {"http": 80, "https": 443}[scheme]), f"/{path}" if slash else "/",
        "s3" if endpoint.signature.value == "v2" else signed, cloud.user.access_key.value, cloud.verify.value != "false",
    ]  # fmt: skip


@pytest.mark.parametrize("scene", SCENES)
def test_endpoints_signatures_and_keys_are_those_of_boto_2(home: Home, scene: str) -> None:
    boto(home, SCENES[scene])
    theirs, cloud = of_boto(home), find("eucalyptus", home.given())
    assert cloud.private
    hosts = {SERVICES[name]: host for name, host in theirs["hosts"].items() if name in SERVICES}
    for service, host in hosts.items():
        if not (service == "s3" and scene == "store"):
            assert cloud.endpoints[service].url.value.partition("://")[2] == host
    pairs = {"s3": theirs["walrus"] or theirs["s3"], "ec2": theirs["euca"] or theirs["ec2"]}
    for service, (*values, authorities) in pairs.items():
        if scene == "store" and service == "ec2":
            continue  # boto 2 sends EC2's requests to s3_host too
        assert as_boto_says(cloud, service) == values
        if cloud.verify.value not in ("true", "false"):
            assert cloud.verify.value == authorities


def test_a_cloud_of_which_only_the_store_is_known(home: Home) -> None:
    boto(home, f"[Credentials]\n{KEYS}s3_host = objects.example\ns3_port = 8080\n[Boto]\nis_secure = False\n")
    assert names(home.given()) == ["boto"]
    cloud = find("boto", home.given())
    assert cloud.endpoints["s3"].url == Told("http://objects.example:8080", "~/.boto [Credentials] s3_host")
    assert (cloud.private, cloud.kind.value, cloud.region.value) == (True, "other", "us-east-1")
    boto(home, "[Credentials]\ns3_host = s3.eu-west-1.amazonaws.com\n")
    assert names(home.given()) == []


def test_a_store_of_its_own_is_not_for_regions_of_aws(home: Home) -> None:
    boto(home, "[Credentials]\ns3_host = objects.example\n[Boto]\nendpoints_path = FLAT\n")
    assert find("us-east-1", home.given()).endpoints.keys() == {"ec2"}
    assert find("eucalyptus", home.given()).endpoints["s3"].url.value == "https://objects.example"


def test_files_in_their_order(home: Home) -> None:
    boto(home, "[Boto]\neucalyptus_host = one\nwalrus_host = one\n", "/etc/boto.cfg")
    boto(home, "[Boto]\neucalyptus_host = two\n")
    boto(home, "#import sub/base.cfg\n[Boto]\nwalrus_host = four\n", "/three.cfg")
    boto(home, "[Boto]\neucalyptus_host = base\nwalrus_host = base\n", "/sub/base.cfg")

    def hosts() -> tuple[str, str]:
        found = find("eucalyptus", home.given()).endpoints
        return found["ec2"].url.value.split("/")[2], found["s3"].url.value.split("/")[2]

    assert hosts() == ("two:8773", "one:8773")
    home.environ["BOTO_PATH"] = f"/nowhere:{home.folder}/etc/boto.cfg:{home.folder}/three.cfg"
    assert hosts() == ("base:8773", "four:8773")
    home.environ["BOTO_CONFIG"] = "~/.boto"
    assert find("eucalyptus", home.given()).endpoints.keys() == {"ec2"}
    boto(home, "#import a.cfg\n", "/a.cfg")
    home.environ["BOTO_CONFIG"] = f"{home.folder}/a.cfg"
    assert "#import a.cfg leads round in a circle" in refused(home)


def test_a_profile_of_its_file_is_a_user(home: Home) -> None:
    boto(
        home,
        f"[Boto]\neucalyptus_host = clc\n[Credentials]\n{KEYS}[profile tenant]\n{KEYS.replace(ACCESS, 'AKIATENANT')}",
    )
    user = find("tenant@eucalyptus", home.given()).user
    assert user is not None
    assert (user.name.value, user.access_key.value) == ("tenant", "AKIATENANT")


def test_the_table_that_the_environment_names_counts(home: Home) -> None:
    boto(home, "[Boto]\nendpoints_path = FLAT\n")
    home.write("~/other.json", '{"ec2": {"other": "ec2.other.example:8773"}, "awslambda": {"other": "l"}}')
    home.environ["BOTO_ENDPOINTS"] = "~/other.json"
    cloud = find("other", home.given())
    assert cloud.endpoints["ec2"].url == Told("https://ec2.other.example:8773", "~/other.json [ec2]")
    assert (cloud.endpoints.keys(), cloud.kind.value) == ({"ec2", "lambda"}, "eucalyptus")
    assert "there is no region eucalyptus" in refused(home)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ('{"ec2": {"eucalyptus": "a"', "~/x.json is no valid JSON"),
        ('{"version": 3, "partitions": []}', "botocore's own table of partitions, which boto 2 cannot use; write {service: {region: host}}"),
        ('{"ec2": {"eucalyptus": ["a"]}}', "is no {service: {region: host}}"),
        ('{"ec2": "a"}', "is no {service: {region: host}}"),
        ("[]", "is no {service: {region: host}}"),
        ("[" * 100_000, "is no valid JSON"),
        ('{"ec2": {"eucalyptus": "https://a/b"}}', "~/x.json [ec2]: the endpoint of ec2 must be a host's name"),
        ('{"ec2": {"eucalyptus": ""}}', "the endpoint of ec2 must be a host's name"),
        ('{"ec2": {"eucalyptus": "a:99999"}}', "~/x.json [ec2]: the endpoint of a service must be a URL"),
        ('{"ec2": {"eucalyptus": "s3.amazonaws.com"}}', "~/x.json [ec2] leads to AWS"),
    ],
)  # fmt: skip
def test_a_table_that_cannot_be_is_told(home: Home, content: str, told: str) -> None:
    home.write("~/x.json", content)
    home.environ["BOTO_ENDPOINTS"] = "~/x.json"
    assert told in refused(home)
    home.environ["BOTO_ENDPOINTS"] = "/nowhere.json"
    assert "BOTO_ENDPOINTS: /nowhere.json does not exist" in refused(home)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("[Boto]\neucalyptus_host = a\nis_secure = maybe\n", "~/.boto [Boto]: is_secure must be true or false, not 'maybe'"),
        ("[Boto]\neucalyptus_host = http://a/\n", "~/.boto [Boto] eucalyptus_host: the endpoint of ec2 must be a host's name"),
        ("[Credentials]\ns3_host = a\ns3_port = 80a\n", "s3_port must be a number from 1 to 65535, not '80a'"),
        ("[Credentials]\ns3_host = a\ns3_port = 99999999999999999999\n", "s3_port must be a number"),
        (f"[Boto]\neucalyptus_host = a\n[Credentials]\naws_access_key_id = {ACCESS}\nkeyring = boto\n", "its secret is in a keyring, which is not read"),
        (f"[Boto]\neucalyptus_host = a\n[Credentials]\neuca_access_key_id = {ACCESS}\n", "write euca_secret_access_key"),
        ("[Boto]\neucalyptus_host = a\nca_certificates_file = /nowhere\n", "there is no file /nowhere"),
        ("#import nothing.cfg\n", "#import in ~/.boto: ~/nothing.cfg does not exist"),
        ("[Boto]\nendpoints_path = /nowhere\n", "~/.boto [Boto]: /nowhere does not exist"),
        ("[Boto]\n[Boto]\n", "~/.boto: line 2: the section [Boto] is there twice"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_told(home: Home, content: str, told: str) -> None:
    boto(home, content)
    assert told in refused(home)
