"""What is not kept here is asked of the cloud's own endpoint: moto, which knows load balancers, and one that checks signatures."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from time import sleep
from typing import Any
from urllib.parse import parse_qsl

import pytest
from botocore.exceptions import ClientError

from cloud import REGION, client_of, cloud
from loadbalancer.api.keepingshop import ACCOUNTS, ALICE, FRONT, Shop, asked, sent, shop
from tailrace.clock import SystemClock
from tailrace.clouds.direct.signatures import Expected, Request, verify
from tailrace.errors import UsageError
from tailrace.loadbalancer.api.accounts import User
from tailrace.loadbalancer.api.forwarding import Forwarding
from tailrace.loadbalancer.api.refusals import Refusal

MOTO = "123456789012"
ONLY_USERS = ACCOUNTS.partition("[[load_balancers]]")[0].replace(ALICE, MOTO).replace("eucalyptus", REGION)
ANSWER = b'<X xmlns="http://x/"><ResponseMetadata><RequestId/></ResponseMetadata></X>'.replace(b"X", b"XResponse")
ON: dict[str, Any] = {"AccessLog": {"Enabled": True, "EmitInterval": 5, "S3BucketPrefix": ""}}


@pytest.fixture(scope="module")
def its_cloud() -> Iterator[str]:
    with cloud() as endpoint:
        yield endpoint


@pytest.fixture
def api(tmp_path: Path, store: str, its_cloud: str) -> Iterator[Shop]:
    with shop(tmp_path, store, accounts=ONLY_USERS, settings={"forward_to": its_cloud}) as made:
        yield made


def old_one(elb: Any, name: str) -> None:
    listener = {"Protocol": "HTTP", "LoadBalancerPort": 80, "InstancePort": 80}
    elb.create_load_balancer(LoadBalancerName=name, Listeners=[listener], AvailabilityZones=["eu-west-1a"])


def code(call: Any, **arguments: Any) -> str:
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    return str(caught.value.response["Error"]["Code"])


def test_a_load_balancer_that_the_cloud_made_is_known(api: Shop, bucket: str) -> None:
    elb = api.client()
    old_one(elb, "made")  # forwarded
    assert api.lines[-1]["forwarded"]
    on = {"AccessLog": {**ON["AccessLog"], "S3BucketName": bucket}}
    elb.modify_load_balancer_attributes(LoadBalancerName="made", LoadBalancerAttributes=on)
    elb.modify_load_balancer_attributes(LoadBalancerName="made", LoadBalancerAttributes={"ConnectionSettings": {"IdleTimeout": 17}})  # fmt: skip
    told = elb.describe_load_balancer_attributes(LoadBalancerName="made")["LoadBalancerAttributes"]
    assert told["AccessLog"] == on["AccessLog"]
    assert told["ConnectionSettings"] == {"IdleTimeout": 17}
    assert told["CrossZoneLoadBalancing"] == {"Enabled": False}
    both = {**on, "ConnectionSettings": {"IdleTimeout": 18}}
    assert code(elb.modify_load_balancer_attributes, LoadBalancerName="made", LoadBalancerAttributes=both) == "InvalidConfigurationRequest"  # fmt: skip
    (found,) = elb.describe_load_balancers()["LoadBalancerDescriptions"]
    assert found["ListenerDescriptions"]
    assert code(elb.describe_load_balancer_attributes, LoadBalancerName="never-made") == "LoadBalancerNotFound"
    elb.delete_load_balancer(LoadBalancerName="made")


def test_a_load_balancer_that_is_made_again_begins_anew(api: Shop, bucket: str) -> None:
    elb = api.client(retries={"total_max_attempts": 6, "mode": "standard"})  # it asks for the same twice in a second
    old_one(elb, "twice")
    on = {"AccessLog": {**ON["AccessLog"], "S3BucketName": bucket}}
    elb.modify_load_balancer_attributes(LoadBalancerName="twice", LoadBalancerAttributes=on)
    elb.delete_load_balancer(LoadBalancerName="twice")
    assert code(elb.describe_load_balancer_attributes, LoadBalancerName="twice") == "LoadBalancerNotFound"
    old_one(elb, "twice")
    told = elb.describe_load_balancer_attributes(LoadBalancerName="twice")["LoadBalancerAttributes"]
    assert not told["AccessLog"]["Enabled"]
    elb.delete_load_balancer(LoadBalancerName="twice")


def test_the_same_for_application_load_balancers(api: Shop, its_cloud: str, bucket: str) -> None:
    elbv2 = api.client(service="elbv2")
    ec2 = client_of("ec2", its_cloud, REGION)
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{number}.0/24", AvailabilityZone=f"{REGION}{zone}")["Subnet"]["SubnetId"]
        for number, zone in enumerate("ab")
    ]  # fmt: skip
    made = elbv2.create_load_balancer(Name="new", Subnets=subnets)["LoadBalancers"][0]
    which = {"LoadBalancerArn": made["LoadBalancerArn"]}
    pairs = [{"Key": "access_logs.s3.enabled", "Value": "true"}, {"Key": "access_logs.s3.bucket", "Value": bucket}]
    elbv2.modify_load_balancer_attributes(**which, Attributes=pairs)
    elbv2.modify_load_balancer_attributes(**which, Attributes=[{"Key": "idle_timeout.timeout_seconds", "Value": "17"}])
    told = {each["Key"]: each["Value"] for each in elbv2.describe_load_balancer_attributes(**which)["Attributes"]}
    assert told["access_logs.s3.bucket"] == bucket
    assert told["idle_timeout.timeout_seconds"] == "17"
    assert elbv2.describe_load_balancers()["LoadBalancers"][0]["LoadBalancerName"] == "new"
    bob = api.client("bob", "elbv2")
    assert code(bob.describe_load_balancer_attributes, **which) == "LoadBalancerNotFound"
    assert code(bob.modify_load_balancer_attributes, **which, Attributes=pairs) == "LoadBalancerNotFound"


def test_who_only_reads_forwards_no_change_and_who_is_bound_to_one_forwards_nothing(tmp_path: Path, store: str, its_cloud: str) -> None:  # fmt: skip
    bound = ONLY_USERS.replace('read_only = true\nload_balancers = ["web"]', "read_only = true")
    for accounts, expected in ((bound, "AccessDenied"), (ONLY_USERS, "InvalidAction")):
        with shop(tmp_path, store, accounts=accounts, settings={"forward_to": its_cloud}) as made:
            watcher = made.client("watcher")
            assert code(watcher.delete_load_balancer, LoadBalancerName="web") == expected


def test_what_is_forwarded_is_done_once_by_each_signature(api: Shop) -> None:
    request = asked(api.url, Action="DeleteLoadBalancer", LoadBalancerName="x")
    assert sent(request).status == 200
    assert sent(request).code in ("Throttling", "RequestExpired")


@dataclass
class Upright:
    """A cloud that checks signatures as an old one does, and tells of load balancers."""

    secrets: dict[str, str]
    url: str = ""
    asked: list[dict[str, str]] = field(default_factory=list)
    versions: set[str] = field(default_factory=set)
    answer: bytes = ANSWER
    status: int = 200


@contextmanager
def upright(**secrets: str) -> Iterator[Upright]:
    made = Upright(secrets)

    class Answering(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            path, _, query = self.path.partition("?")
            request = Request("POST", path, query, tuple(self.headers.items()), body)
            expected = Expected(services=("elasticloadbalancing",))
            made.versions.add(verify(request, made.secrets.get, expected, SystemClock().now()).version)
            made.asked.append(dict(parse_qsl(body.decode())))
            self.send_response(made.status)
            self.send_header("Content-Length", str(len(made.answer)))
            self.end_headers()
            self.wfile.write(made.answer)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answering) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        made.url = f"http://127.0.0.1:{server.server_port}/services/LoadBalancing"
        try:
            yield made
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize("signature", ["v4", "v2"])
@pytest.mark.parametrize("theirs", ["v4", "v2"])
def test_what_is_forwarded_is_signed_anew_as_the_cloud_wants_it(tmp_path: Path, store: str, signature: str, theirs: str) -> None:  # fmt: skip
    with upright(AKIAALICE="alices-secret") as other:
        settings = {"forward_to": other.url, "forward_signature": signature}
        with shop(tmp_path, store, settings=settings) as made:
            told = sent(asked(made.url, version=theirs, Action="DescribeTags", LoadBalancerNames__member__1="a b&ä"))
            assert told.body == ANSWER
        assert other.versions == {signature}
        assert other.asked[0].items() >= {"Action": "DescribeTags", "LoadBalancerNames.member.1": "a b&ä"}.items()


def test_a_cloud_that_does_not_answer_or_talks_nonsense(tmp_path: Path, store: str) -> None:
    with (
        upright(AKIAALICE="alices-secret") as other,
        shop(tmp_path, store, settings={"forward_to": other.url}) as made,
    ):
        elb = made.client()
        assert elb.describe_load_balancer_attributes(LoadBalancerName="web")["LoadBalancerAttributes"] == {"AccessLog": {"Enabled": False}}  # fmt: skip
        for other.answer in (b"<not", b'<!DOCTYPE x [<!ENTITY a "b">]><x>&a;</x>', b"", b"\xff" * 100):
            assert elb.describe_load_balancer_attributes(LoadBalancerName="web")["LoadBalancerAttributes"] == {"AccessLog": {"Enabled": False}}  # fmt: skip
            assert code(elb.describe_load_balancer_attributes, LoadBalancerName="theirs") == "LoadBalancerNotFound"
        other.status = 500
        assert code(elb.describe_load_balancer_attributes, LoadBalancerName="theirs") == "LoadBalancerNotFound"
    with shop(tmp_path, store, settings={"forward_to": other.url}) as made:
        elb = made.client()
        assert elb.describe_load_balancer_attributes(LoadBalancerName="web")["LoadBalancerAttributes"] == {"AccessLog": {"Enabled": False}}  # fmt: skip
        assert code(elb.describe_load_balancer_attributes, LoadBalancerName="theirs") == "ServiceUnavailable"
        assert code(elb.describe_tags, LoadBalancerNames=["theirs"]) == "ServiceUnavailable"


def test_what_the_cloud_told_of_a_tenant_is_known_to_the_operator(tmp_path: Path, store: str) -> None:
    told = "<R><LoadBalancerDescriptions><member><LoadBalancerName>theirs</LoadBalancerName><CreatedTime>1</CreatedTime></member></LoadBalancerDescriptions></R>"
    secrets = {"AKIAALICE": "alices-secret", "AKIAOPERATOR": "operators-secret"}
    with upright(**secrets) as other, shop(tmp_path, store, settings={"forward_to": other.url}) as made:
        other.answer = told.encode()
        off = {"AccessLog": {"Enabled": False, "S3BucketPrefix": "mine"}}
        made.client().modify_load_balancer_attributes(LoadBalancerName="theirs", LoadBalancerAttributes=off)
        operator = made.client("operator")
        for name in ("theirs", f"{ALICE}/theirs"):
            log = operator.describe_load_balancer_attributes(LoadBalancerName=name)["LoadBalancerAttributes"][
                "AccessLog"
            ]
            assert log["S3BucketPrefix"] == "mine"
        other.answer = told.replace("<CreatedTime>1", "<CreatedTime>2").encode()
        log = made.client().describe_load_balancer_attributes(LoadBalancerName="theirs")["LoadBalancerAttributes"][
            "AccessLog"
        ]
        assert log == {"Enabled": False}


@pytest.mark.parametrize("url", ["https://cloud.example/ü", "https://clöud.example/", "https://cloud.example/a b", "https://cloud.example/\r\nX: y"])  # fmt: skip
def test_a_url_that_http_cannot_hold_is_refused_at_the_start(tmp_path: Path, store: str, url: str) -> None:
    with pytest.raises(UsageError, match=r"^lb\.serve\.forward_to: expected a URL"), shop(tmp_path, store, settings={"forward_to": url}):  # fmt: skip
        pass


@pytest.mark.parametrize("host", ["elasticloadbalancing.us-east-1.amazonaws.com", "ELASTICLOADBALANCING.us-east-1.amazonaws.com.:443", "elb.us-east-1.api.aws"])  # fmt: skip
def test_a_private_cloud_does_not_forward_to_aws(tmp_path: Path, store: str, host: str) -> None:
    settings = {"forward_to": f"https://{host}/"}
    with pytest.raises(UsageError, match="eucalyptus is no region of AWS"), shop(tmp_path, store, settings=settings):
        pass
    with shop(tmp_path, store, settings=settings, accounts=ACCOUNTS.replace("eucalyptus", "us-east-1")) as made:
        assert made.url


@pytest.mark.parametrize("slow", ["head", "body"])
def test_a_cloud_that_answers_by_and_by_has_one_deadline_in_total(monkeypatch: pytest.MonkeyPatch, slow: str) -> None:
    monkeypatch.setattr("tailrace.loadbalancer.api.forwarding._PATIENCE_S", 0.4)
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 30\r\n\r\n"
    quick, slowly = (b"", head + b" " * 30) if slow == "head" else (head, b" " * 30)

    def answering(server: socket.socket) -> None:
        connection, _ = server.accept()
        with connection, suppress(OSError):
            connection.recv(65536)
            connection.sendall(quick)
            for each in slowly:
                connection.sendall(bytes([each]))
                sleep(0.05)

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = Thread(target=answering, args=(server,))
        thread.start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}/"
        cloud_there = Forwarding(url=url, signature="v4", region=REGION, clock=SystemClock())
        with pytest.raises(Refusal, match="does not answer"):
            cloud_there.ask(User(name="a", access_key="A", secret_key="s", account=ALICE), {"Action": "DescribeTags"})
        thread.join()


def names_of(told: dict[str, Any]) -> list[str]:
    members = told.get("LoadBalancerDescriptions", told.get("LoadBalancers", []))
    return [each["LoadBalancerName"] for each in members]


def test_the_clouds_own_load_balancers_stand_after_those_of_the_file(tmp_path: Path, store: str, its_cloud: str) -> None:  # fmt: skip
    accounts = ACCOUNTS.replace(ALICE, MOTO).replace("eucalyptus", REGION)
    with shop(tmp_path, store, accounts=accounts, settings={"forward_to": its_cloud}) as made:
        elb = made.client()
        for name in ("mail", "other", "zebra"):
            old_one(elb, name)
        try:
            assert names_of(elb.describe_load_balancers()) == ["mail", "web", "other", "zebra"]
            both = elb.describe_load_balancers(LoadBalancerNames=["other", "web"])
            assert names_of(both) == ["web", "other"]
            assert both["LoadBalancerDescriptions"][1]["ListenerDescriptions"]
            assert code(elb.describe_load_balancers, LoadBalancerNames=["web", "none"]) == "LoadBalancerNotFound"
            for size in (1, 2, 3):
                pages = elb.get_paginator("describe_load_balancers").paginate(PaginationConfig={"PageSize": size})
                found = [name for each in pages for name in names_of(each)]
                assert found == ["mail", "web", "other", "zebra"]
            assert names_of(made.client("watcher").describe_load_balancers()) == ["web"]
        finally:
            for name in ("mail", "other", "zebra"):
                elb.delete_load_balancer(LoadBalancerName=name)


def test_application_load_balancers_of_both_are_told(tmp_path: Path, store: str) -> None:
    arn = f"arn:aws:elasticloadbalancing:eucalyptus:{ALICE}:loadbalancer/app/theirs/0123456789abcdef"
    member = f"<member><LoadBalancerArn>{arn}</LoadBalancerArn><LoadBalancerName>theirs</LoadBalancerName></member>"
    with (
        upright(AKIAALICE="alices-secret") as other,
        shop(tmp_path, store, settings={"forward_to": other.url}) as made,
    ):
        other.answer = f"<R><LoadBalancers>{member}</LoadBalancers></R>".encode()
        elbv2 = made.client(service="elbv2")
        assert names_of(elbv2.describe_load_balancers()) == ["front", "theirs"]
        assert names_of(elbv2.describe_load_balancers(LoadBalancerArns=[arn, FRONT])) == ["front", "theirs"]
        assert {each: value for each, value in other.asked[-1].items() if "member" in each} == {"LoadBalancerArns.member.1": arn}  # fmt: skip
        assert names_of(elbv2.describe_load_balancers(Names=["front"])) == ["front"]
        assert len(other.asked) == 2
        other.status = 400
        assert names_of(elbv2.describe_load_balancers()) == ["front"]


def test_pages_leave_none_out_whatever_their_accounts_are_called(tmp_path: Path, store: str) -> None:
    more = "".join(f'\n[[load_balancers]]\nname = "x"\naccount = "{each}"\n' for each in ("a", "a-b", "b", "a.c"))
    with shop(tmp_path, store, accounts=ACCOUNTS.partition("[[load_balancers]]")[0] + more) as made:
        pages = made.client("operator").get_paginator("describe_load_balancers").paginate(PaginationConfig={"PageSize": 1})  # fmt: skip
        assert [name for each in pages for name in names_of(each)] == ["x"] * 4
