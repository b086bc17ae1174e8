"""What is in clouds, as rows: moto's, and answers in Eucalyptus' own words."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import pytest
from botocore.exceptions import ClientError

from cloud import client_of, cloud
from tailrace.clouds.inventory import KINDS
from tailrace.errors import UsageError

EUCALYPTUS = b"""<?xml version="1.0" encoding="UTF-8"?>
<DescribeInstanceTypesResponse xmlns="http://ec2.amazonaws.com/doc/2013-10-15/"><requestId>r</requestId><instanceTypeDetails>
<item><name>m1.small</name><cpu>1</cpu><memory>512</memory><disk>10</disk></item>
<item><name>t1.micro</name><cpu>1</cpu><memory>256</memory><disk>5</disk></item>
</instanceTypeDetails></DescribeInstanceTypesResponse>"""


@pytest.fixture(scope="module")
def aws() -> Iterator[str]:
    with cloud() as endpoint:
        yield endpoint


def _rows(what: str, endpoint: str) -> list[Any]:
    return list(KINDS[what].rows(partial(client_of, endpoint=endpoint)))


def test_every_kind_has_the_columns_that_it_declares(aws: str) -> None:
    ec2 = client_of("ec2", aws)
    volume = ec2.create_volume(AvailabilityZone="eu-west-1a", Size=7, TagSpecifications=[
        {"ResourceType": "volume", "Tags": [{"Key": "Name", "Value": "data"}]}])["VolumeId"]  # fmt: skip
    snapshot = ec2.create_snapshot(VolumeId=volume, Description="nightly")["SnapshotId"]
    image = ec2.describe_images()["Images"][0]["ImageId"]
    instance = ec2.run_instances(ImageId=image, MinCount=1, MaxCount=1, InstanceType="t3.micro")["Instances"][0]
    client_of("s3", aws).create_bucket(Bucket="logs", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    client_of("elb", aws).create_load_balancer(
        LoadBalancerName="web",
        Listeners=[{"Protocol": "HTTP", "LoadBalancerPort": 80, "InstancePort": 8080}],
        AvailabilityZones=["eu-west-1a"],
    )
    for what, kind in KINDS.items():
        rows = _rows(what, aws)
        assert rows, what
        assert all(tuple(row) == tuple(kind.columns) for row in rows), what
    (found,) = (row for row in _rows("volumes", aws) if row["id"] == volume)
    assert (found["name"], found["size_gib"], found["zone"]) == ("data", 7, "eu-west-1a")
    (found,) = (row for row in _rows("snapshots", aws) if row["id"] == snapshot)
    assert (found["volume"], found["description"]) == (volume, "nightly")
    (found,) = (row for row in _rows("instances", aws) if row["id"] == instance["InstanceId"])
    assert (found["type"], found["image"]) == ("t3.micro", image)
    assert [row["name"] for row in _rows("buckets", aws)] == ["logs"]
    (found,) = _rows("load-balancers", aws)
    assert (found["name"], found["type"], found["listeners"]) == ("web", "classic", "HTTP:80")
    (found,) = (row for row in _rows("instance-types", aws) if row["type"] == "t3.micro")
    assert (found["cpus"], found["memory_mib"]) == (2, 1024)


def test_only_own_snapshots_are_listed(aws: str) -> None:
    asked = []
    ec2 = client_of("ec2", aws)
    ec2.meta.events.register("before-call.ec2.DescribeSnapshots", lambda params, **_: asked.append(params["body"]))
    list(KINDS["snapshots"].rows(lambda _service: ec2))
    assert [body["Owner.1"] for body in asked] == ["self"]


def test_load_balancers_of_a_cloud_without_the_newer_api() -> None:
    def client(service: str) -> Any:
        if service == "elbv2":
            raise UsageError("there is no endpoint of elbv2")
        return client_of(service, endpoint)

    with cloud() as endpoint:
        assert list(KINDS["load-balancers"].rows(client)) == []


@pytest.mark.parametrize(("code", "status"), [("InvalidAction", 400), ("NoSuchVersion", 400), ("404", 404)])
def test_an_endpoint_that_does_not_speak_the_newer_api_hides_no_classic_ones(aws: str, code: str, status: int) -> None:
    answer: Any = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
    listener = {"Protocol": "HTTP", "LoadBalancerPort": 80, "InstancePort": 80}
    elb = client_of("elb", aws)
    elb.create_load_balancer(LoadBalancerName="old", Listeners=[listener], AvailabilityZones=["eu-west-1a"])

    def client(service: str) -> Any:
        made = client_of(service, aws)
        if service == "elbv2":
            made.meta.events.register("before-call", refuse)
        return made

    def refuse(**_: object) -> None:
        raise ClientError(answer, "DescribeLoadBalancers")

    try:
        assert "old" in [row["name"] for row in KINDS["load-balancers"].rows(client)]
        answer["Error"]["Code"] = "AccessDenied"
        with pytest.raises(ClientError):
            list(KINDS["load-balancers"].rows(client))
    finally:
        elb.delete_load_balancer(LoadBalancerName="old")


@pytest.fixture
def eucalyptus() -> Iterator[str]:
    class Answer(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Content-Length", str(len(EUCALYPTUS)))
            self.end_headers()
            self.wfile.write(EUCALYPTUS)

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Answer)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/services/compute"
    server.shutdown()
    thread.join()
    server.server_close()


def test_types_of_instances_in_eucalyptus_own_words(eucalyptus: str) -> None:
    assert _rows("instance-types", eucalyptus) == [
        {"type": "m1.small", "cpus": 1, "memory_mib": 512, "disk_gb": 10},
        {"type": "t1.micro", "cpus": 1, "memory_mib": 256, "disk_gb": 5},
    ]
