"""euca2ools' files: what euca2ools.ini(5) says of sections, groups, wildcards and `use`."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homing import ACCESS, SECRET, Home, euca, user
from tailrace.clouds.cloud import Told
from tailrace.clouds.finding import find, names
from tailrace.clouds.finding.euca2ools import Sections
from tailrace.errors import UsageError

AWS = """
[region aws:*]
iam-url = use aws:us-east-1
sts-url = use aws:us-east-1
verify-ssl = true

[region aws:us-east-1]
; Northern Virginia, USA
ec2-url = https://ec2.us-east-1.amazonaws.com/
iam-url = https://iam.amazonaws.com/
s3-url = https://s3.amazonaws.com/ ; no region in it
sts-url = https://sts.amazonaws.com/

[region aws:eu-central-1]
ec2-url = https://ec2.eu-central-1.amazonaws.com/
s3-force-sigv4 = true
"""


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def refused(home: Home, region: str = "x") -> str:
    with pytest.raises(UsageError) as error:
        find(region, home.given())
    assert SECRET not in str(error.value)
    return str(error.value)


def test_aws_as_its_package_describes_it(home: Home) -> None:
    home.write("/etc/euca2ools/conf.d/aws.ini", AWS)
    for region in ("aws:eu-central-1", "eu-central-1"):
        cloud = find(region, home.given())
        assert (cloud.region.value, cloud.private, cloud.kind.value) == ("eu-central-1", False, "aws")
        assert cloud.endpoints["iam"].url.value == "https://iam.amazonaws.com"
        assert cloud.endpoints["iam"].url.origin.endswith("etc/euca2ools/conf.d/aws.ini [region aws:us-east-1] iam-url")
    assert find("us-east-1", home.given()).endpoints["s3"].url.value == "https://s3.amazonaws.com"
    assert {endpoint.signature.value for endpoint in cloud.endpoints.values()} == {"v4"}
    assert names(home.given()) == ["aws:us-east-1", "aws:eu-central-1"]


def test_the_last_file_counts(home: Home) -> None:
    for name in ("/etc/euca2ools/euca2ools.ini", "/etc/euca2ools/conf.d/z.ini", "~/.euca/a.ini", "~/.euca/b.ini"):
        home.write(name, f"[region x]\nec2-url = http://{Path(name).stem}\n{name[-5]}-url = http://{Path(name).stem}\n")
    cloud = find("x", home.given())
    assert {service: endpoint.url.value for service, endpoint in cloud.endpoints.items()} == {
        "ec2": "http://b", "s": "http://euca2ools", "z": "http://z", "a": "http://a", "b": "http://b",
    }  # fmt: skip
    home.environ |= {
        "EUCA_CONFIG_PATH": "$PLACE/*.ini:~/.euca/a.ini",
        "PLACE": str(home.folder / "etc/euca2ools/conf.d"),
    }
    assert find("x", home.given()).endpoints["ec2"].url.value == "http://a"


def test_a_group_of_users_and_regions(home: Home) -> None:
    content = f"[region lab:*]\n{euca()}verify-ssl = no\ns3-force-sigv4 = yes\nuser = lab:admin\n[region lab:north]\ns3-url = http://n\nuser = use lab:south\n"
    home.write(
        "~/.euca/x.ini",
        f"{content}[region lab:south]\nuser = tenant\n{user('lab:admin')}{user('lab:tenant', 'AKIATENANT')}",
    )
    north, south = find("north", home.given()), find("lab:south", home.given())
    assert north.endpoints["s3"].url.value == "http://n"
    assert south.endpoints["s3"].url.value == "http://clc.example.net:8773/services/objectstorage"
    assert (north.region.value, south.region.value) == ("north", "south")
    assert south.verify == Told("false", "~/.euca/x.ini [region lab:*] verify-ssl")
    assert south.endpoints["s3"].signature == Told("v4", "~/.euca/x.ini [region lab:*] s3-force-sigv4")
    for cloud in (north, south):
        assert cloud.user is not None
        assert cloud.user.access_key.value == "AKIATENANT"


def test_a_star_is_for_every_region_but_awss(home: Home) -> None:
    home.write("~/.euca/x.ini", f"[region *]\n{euca()}user = admin\n{user('*')}")
    cloud = find("anything", home.given())
    assert cloud.endpoints["ec2"].url.value == "http://clc.example.net:8773/services/compute"
    assert cloud.user is not None
    assert cloud.user.access_key.value == ACCESS
    assert not find("us-east-1", home.given()).endpoints
    assert names(home.given()) == []


def test_certificates_are_checked_unless_the_file_says_no(home: Home) -> None:
    home.write("~/.euca/x.ini", f"[region x]\n{euca()}")
    assert find("x", home.given()).verify == Told("true", "default")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("[region a:x]\ns3-url = http://a\n[region b:x]\ns3-url = http://b\n", "region x is ambiguous in euca2ools' files; write one of a:x, b:x"),
        ("[region x]\ns3-url = use y\n[region y]\ns3-url = use x\n", "in a circle"),
        ("[region x]\ns3-url = use\n", "s3-url must be `use NAME`"),
        ("[region x]\ns3-url = s3.example\n", "x.ini [region x] s3-url: the endpoint of a service must be a URL"),
        ("[region x]\ns3-url = http://me:secret@s3.example\n", "the endpoint of a service must be a URL"),
        ("[region x]\ns3-url = http://s3.example/?a=b\n", "the endpoint of a service must be a URL"),
        ("[region x]\ns3-url = ftp://s3.example\n", "the endpoint of a service must be a URL"),
        ("[region x]\ns3-url = http://s3.example:99999\n", "the endpoint of a service must be a URL"),
        ("[region x]\ns3-url = http://s3.example\n[region x]\nuser = a\n", "x.ini: line 3: the section [region x] is there twice"),
        ("[region x]\nuser = a\ns3-url = http://a\nuser = b\n", "x.ini: line 4: user is twice in [region x]"),
        ("[region x]\ns3-url = http://s3.example\nuser = nobody\n", "there is no user nobody with keys (none)"),
        (f"[region x]\ns3-url = http://a\nuser = u\n[user u]\nsecret-key = {SECRET}\n", "the user u has no key-id; add it"),
        (f"[region x]\ns3-url = http://a\nuser = u\n[user u]\nkey-id = a\nsecret-key = {SECRET} {SECRET}\n", "secret-key is no key"),
        ("[region x]\ns3-url = http://a\nverify-ssl = maybe\n", "verify-ssl must be true or false, not 'maybe'"),
        ("[region x]\nuser = u\n", "the cloud x has no endpoint of any service"),
        ("[region x@y]\ns3-url = http://a\n", "the name of a region has no @"),
        ("[region a::x]\ns3-url = http://a\n", "no empty group"),
        ("[region ]\ns3-url = http://a\n", "write [region NAME]"),
        (f"secret-key = {SECRET}\n", "x.ini: line 1 is in no section"),
        (f"[region x]\n{SECRET}\n", "x.ini: line 2 is no OPTION = VALUE"),
    ],
)  # fmt: skip
def test_what_is_contradictory_is_told(home: Home, content: str, told: str) -> None:
    home.write("~/.euca/x.ini", content)
    assert told in refused(home)


def test_files_that_cannot_be_read_are_told(home: Home) -> None:
    path = home.write("~/.euca/x.ini", "")
    path.write_bytes(b"[region x]\ns3-url = http://\xff\n")
    assert "~/.euca/x.ini is no text in UTF-8 (byte 27)" in refused(home)
    path.write_bytes(b";" * (1 << 20) + b"\n")
    assert "~/.euca/x.ini is longer than 1 MiB" in refused(home)
    path.unlink()
    path.symlink_to("x.ini")
    assert "cannot read ~/.euca/x.ini: Too many levels" in refused(home)
    path.unlink()
    path.mkdir()
    assert "there is no region x" in refused(home)


parts = st.sampled_from("abc*")
sections = st.lists(parts, min_size=1, max_size=3).map(":".join)
tables = st.dictionaries(
    sections, st.dictionaries(st.sampled_from("xy"), st.text("0123456789", min_size=1), max_size=2), max_size=8
)


@given(tables, st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), min_size=1, max_size=3))
def test_the_most_specific_section_counts(table: dict[str, dict[str, str]], name: list[tuple[str, bool]]) -> None:
    """Of all sections that fit and have the option it is the one whose first wildcard comes last, and so on."""
    parts = [part for part, _ in name]
    fitting_one = ":".join("*" if wild else part for part, wild in name)
    if fitting_one != "*":
        table = {**table, fitting_one: {"x": "there"}}
    told = {
        section: {option: Told(value, section) for option, value in options.items()}
        for section, options in table.items()
    }

    def fits(section: str) -> bool:
        pattern = section.split(":")
        return len(pattern) == len(parts) and all(
            wanted in ("*", part) for wanted, part in zip(pattern, parts, strict=True)
        )

    fitting = [section for section in told if section != "*" and fits(section) and "x" in told[section]]
    if fitting:
        best = min(fitting, key=lambda section: [part == "*" for part in section.split(":")])
        assert Sections("region", told).find(":".join(parts), "x") == told[best]["x"]


@given(tables, st.sampled_from("abc"))
def test_else_the_shortest_name_that_ends_so_counts_then_the_star(table: dict[str, dict[str, str]], name: str) -> None:
    told = {section: {"x": Told(section, section)} for section in table if section != name}
    longer = [section for section in told if section.split(":")[-1] == name]
    shortest = [section for section in longer if len(section) == min(map(len, longer))]
    found = Sections("region", told)
    if len(shortest) > 1:
        with pytest.raises(UsageError, match="ambiguous"):
            found.find(name, "x")
        return
    value = found.find(name, "x")
    expected = shortest[0] if shortest else "*" if "*" in told else None
    assert (value.value if value else None) == expected
