"""The network of a VPC and classic load balancers on moto, and the command as people call it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cloud import REGION, client_of, cloud
from making import StillClock
from tailrace.deploy.cloud import Cloud
from tailrace.deploy.doctor import balancers, bucket, network
from tailrace.deploy.doctor.finding import Finding
from tailrace.deploy.doctor.looking import Looking
from tailrace.deploy.wanted import Wanted, wanted
from tailrace.settings import resolve

ACCOUNT = "123456789012"


@pytest.fixture
def endpoint() -> Iterator[str]:
    with cloud() as url:
        yield url


@pytest.fixture
def client(endpoint: str) -> Iterator[Callable[[str], Any]]:
    made: dict[str, Any] = {}
    yield lambda service: made.setdefault(service, client_of(service, endpoint))
    for each in made.values():
        each.close()


def _deployment(*told: str) -> Wanted:
    return wanted(resolve({}, told, {}), "prod", partition="aws", region=REGION, account=ACCOUNT)


def _found(checks: Any, of: Wanted, client: Callable[[str], Any], subject: str) -> list[Finding]:
    looking = Looking(Cloud(client, StillClock()))
    return [finding for each in checks if each.subject == subject for finding in each.findings(of, looking)]


def test_a_subnet_has_a_way_by_nat_or_by_endpoints(client: Callable[[str], Any]) -> None:
    ec2 = client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    public, private = (
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{each}.0/24")["Subnet"]["SubnetId"] for each in (1, 2)
    )
    told = (f"deploy.vpc.id={vpc}", f"deploy.vpc.subnets={private}", "deploy.vpc.endpoints=false")
    of = _deployment(*told)

    def marks() -> set[str]:
        return {each.mark for each in _found(network.CHECKS, of, client, "routes")}

    assert marks() == {"wrong"}  # the main table leads nowhere
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    table = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    ec2.associate_route_table(RouteTableId=table, SubnetId=private)
    ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", GatewayId=gateway)
    assert marks() == {"wrong"}  # nor does an internet gateway, for interfaces of Lambda
    for service in ("s3", "dynamodb"):
        name = f"com.amazonaws.{REGION}.{service}"
        ec2.create_vpc_endpoint(VpcId=vpc, ServiceName=name, VpcEndpointType="Gateway", RouteTableIds=[table])
    missing = {each.found.rpartition(" ")[2] for each in _found(network.CHECKS, of, client, "routes")}
    assert missing == {"logs", "sqs"}
    address = ec2.allocate_address(Domain="vpc")["AllocationId"]
    nat = ec2.create_nat_gateway(SubnetId=public, AllocationId=address)["NatGateway"]["NatGatewayId"]
    ec2.replace_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", NatGatewayId=nat)
    assert marks() == {"ok"}


def test_a_subnet_that_is_not_there(client: Callable[[str], Any]) -> None:
    vpc = client("ec2").create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    of = _deployment(f"deploy.vpc.id={vpc}", "deploy.vpc.subnets=subnet-0", "deploy.vpc.endpoints=false")
    found = _found(network.CHECKS, of, client, "routes")
    assert [(each.mark, each.found) for each in found] == [("wrong", "there is no subnet subnet-0")]


def test_classic_load_balancers_are_found_beside_others(client: Callable[[str], Any]) -> None:
    of, elb = _deployment("deploy.bucket=theirs"), client("elb")
    client("s3").create_bucket(Bucket="theirs", CreateBucketConfiguration={"LocationConstraint": REGION})
    listener = {"Protocol": "HTTP", "LoadBalancerPort": 80, "InstancePort": 80}
    elb.create_load_balancer(LoadBalancerName="old", Listeners=[listener], AvailabilityZones=[f"{REGION}a"])
    (found,) = _found(balancers.CHECKS, of, client, "load balancers")
    assert (found.mark, found.found) == ("ok", "old writes access logs nowhere")
    assert found.remedy == "tailrace deploy prod --load-balancer old"
    log = {"Enabled": True, "S3BucketName": "theirs", "EmitInterval": 5, "S3BucketPrefix": ""}
    elb.modify_load_balancer_attributes(LoadBalancerName="old", LoadBalancerAttributes={"AccessLog": log})
    (found,) = _found(balancers.CHECKS, of, client, "load balancers")
    assert (found.mark, found.found) == ("ok", "old writes to s3://theirs")
    policy = _found(bucket.CHECKS, of, client, "bucket policy")
    assert [("classic" in each.found, each.mark) for each in policy] == [(True, "wrong")]


def _tailrace(endpoint: str, folder: Path, *words: str, **more: str) -> tuple[int, str, str]:
    environ = {
        **{key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "TAILRACE_"))},
        "AWS_ENDPOINT_URL": endpoint, "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "example",
        "AWS_REGION": REGION, **more,
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-m", "tailrace", "doctor", *words],
        env=environ,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def test_the_command_tells_what_is_wrong_by_its_exit(endpoint: str, tmp_path: Path) -> None:
    code, out, err = _tailrace(endpoint, tmp_path, "--to", "stdout")
    assert (code, err) == (0, "")
    assert "✓  clock" in out
    assert ", 0 wrong, " in out
    code, out, err = _tailrace(endpoint, tmp_path, "prod")
    assert (code, err) == (1, "")
    assert "✗  stack" in out
    assert "\n  stack: tailrace deploy prod\n" in out


def test_findings_are_lines_of_json(endpoint: str, tmp_path: Path) -> None:
    code, out, err = _tailrace(endpoint, tmp_path, "prod", "--json", "--set", "deploy.bucket=theirs")
    assert (code, err) == (1, "")
    found = [json.loads(line) for line in out.splitlines()]
    assert {tuple(each) for each in found} == {("mark", "subject", "found", "remedy")}
    assert ("wrong", "bucket", "aws s3 mb s3://theirs --region eu-west-1") in [
        (each["mark"], each["subject"], each["remedy"]) for each in found
    ]


def test_nobody_there_is_told_soon(tmp_path: Path) -> None:
    code, out, err = _tailrace("http://127.0.0.1:1", tmp_path, "prod", "--json")
    assert (code, err) == (1, "")
    marks = {each["subject"]: each["mark"] for each in map(json.loads, out.splitlines())}
    assert marks["endpoint"] == "wrong"
    assert (marks["credentials"], marks["clock"], marks["deployment"]) == ("unknown", "unknown", "unknown")


def test_a_machine_without_credentials_is_told_so(endpoint: str, tmp_path: Path) -> None:
    nothing = {
        "AWS_ACCESS_KEY_ID": "",
        "AWS_SECRET_ACCESS_KEY": "",
        "AWS_EC2_METADATA_DISABLED": "true",
        "HOME": str(tmp_path),
    }
    code, out, err = _tailrace(endpoint, tmp_path, "--json", "--to", "stdout", **nothing)
    assert (code, err) == (1, "")
    told = {each["subject"]: each for each in map(json.loads, out.splitlines())}
    assert (told["credentials"]["mark"], told["credentials"]["remedy"]) == ("wrong", "aws configure")
    assert told["endpoint"]["mark"] == "unknown"
