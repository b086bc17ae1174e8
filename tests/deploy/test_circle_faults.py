"""What can go wrong in the middle of a deployment, done to the real program on MiniStack: the next run repairs it.

Between the program and MiniStack stands a server that refuses calls, closes connections, and tells the test of each call, which
then interrupts or kills the program: before the call is made, or when it was and nobody has heard of it.
"""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cloud import REGION
from deploy.circling import Account, Ran, everything, repacked
from deploy.faulty import Answer, Call, Faulty, Rough, faulty, refused

HASTY = Path(__file__).parent / "hasty.py"
STACK = "tailrace-faults"
LOGS = "tailrace-faults-logs-123456789012-eu-west-1"
FUNCTION = f"{STACK}-processor"
SETTINGS = '[environments.faults.deploy]\narchitecture = "x86_64"\nsmoke_timeout = "3h"\n'
MOMENTS = {
    "deploy": (
        "s3:PUT /tailrace-faults-code-123456789012-eu-west-1",
        "s3:PUT /tailrace-faults-code-123456789012-eu-west-1/packages/",
        "cloudformation:CreateStack",
        "lambda:POST /2015-03-31/functions/tailrace-faults-processor/versions",
        "lambda:PUT /2015-03-31/functions/tailrace-faults-processor/aliases/live",
        "s3:PUT /tailrace-faults-logs-123456789012-eu-west-1/AWSLogs/",
    ),
    "destroy": ("cloudformation:DeleteStack", "s3:DELETE /tailrace-faults-logs", "s3:DELETE /tailrace-faults-code"),
}
"""Calls in the course of which the program is interrupted, in the order in which they are made."""


@pytest.fixture(scope="module")
def release(package: Path) -> Path:
    made = package.with_name("release.zip")
    made.write_bytes(repacked(package.read_bytes(), architecture="x86_64", version="1.0.0"))
    return made


@pytest.fixture(scope="module")
def proxy(server: Account) -> Iterator[Faulty]:
    with faulty(server.endpoint) as made:
        yield made


class Bench:
    """A deployment that is tried hard. `account`: the server itself; everything that is run goes through the proxy."""

    def __init__(self, account: Account, proxy: Faulty, package: Path, folder: Path) -> None:
        self.account, self.proxy, self.folder = account, proxy, folder
        self.through = Account(proxy.url)
        (folder / "tailrace.toml").write_text(SETTINGS)
        settings = ("--config", folder / "tailrace.toml", "--yes")
        self.words = {
            "deploy": ("deploy", "faults", *settings, "--package", package),
            "destroy": ("destroy", "faults", *settings, "--delete-logs"),
            "destroy-keeping": ("destroy", "faults", *settings),
        }
        self.before = everything(account)

    def run(self, verb: str, *words: str) -> Ran:
        return self.through.run(*self.words[verb], *words)

    def started(self, verb: str) -> subprocess.Popen[str]:
        """The program in a process of its own."""
        command = [sys.executable, str(HASTY), *map(str, self.words[verb])]
        return subprocess.Popen(
            command, env=self.through.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def broken_off(self, verb: str, when: Callable[[Call], bool], how: signal.Signals, *, heard: bool) -> Ran:
        """A run that gets a signal at the first call that is meant: when it was made, or before it is."""
        struck: list[str] = []

        def strike(call: Call) -> None:
            if not struck and when(call):
                struck.append(call.name)
                process.send_signal(how)
                if how == signal.SIGKILL:
                    process.wait()

        def before(call: Call) -> Answer | None:
            strike(call)
            return Answer(0) if struck and how == signal.SIGKILL else None

        self.proxy.reset()
        if heard:
            self.proxy.after = strike
        else:
            self.proxy.fault = before
        process = self.started(verb)
        out, err = process.communicate(timeout=120)
        self.proxy.reset()
        assert "Traceback" not in err, err
        assert struck or process.returncode == 0, (self.proxy.calls, err)
        return Ran(process.returncode, out, err)

    def is_whole(self) -> None:
        """It can be deployed, is live then, and is as it should be."""
        again = self.run("deploy")
        assert again.code == 0, again.told
        (made,) = self.account("cloudformation").describe_stacks(StackName=STACK)["Stacks"]
        assert made["StackStatus"] in ("CREATE_COMPLETE", "UPDATE_COMPLETE")
        assert self.account("lambda").get_alias(FunctionName=FUNCTION, Name="live")["FunctionVersion"] != "$LATEST"
        assert "nothing to do" in self.run("deploy").err
        assert not [each for each in everything(self.account) if each.startswith("change set tailrace")]

    def is_gone(self) -> None:
        """It can be destroyed, and nothing is left."""
        self.account.rest(STACK)
        gone = self.run("destroy")
        assert (gone.code, everything(self.account)) == (0, self.before), gone.told


@pytest.fixture
def bench(server: Account, proxy: Faulty, release: Path, tmp_path: Path) -> Iterator[Bench]:
    server.empty()
    proxy.reset()
    made = Bench(server, proxy, release, tmp_path)
    yield made
    made.through.close()


def test_throttling_errors_of_servers_and_closed_connections_are_waited_out(bench: Bench) -> None:
    bench.proxy.fault = rough = Rough()
    made = bench.run("deploy")
    assert made.code == 0, made.told
    changed = bench.run("deploy", "--set", "deploy.memory=512")
    assert changed.code == 0, changed.told
    gone = bench.run("destroy")
    assert (gone.code, everything(bench.account)) == (0, bench.before), gone.told
    assert min(rough.times.values()) > 1
    assert {
        "cloudformation:CreateStack",
        "cloudformation:ExecuteChangeSet",
        "cloudformation:DeleteStack",
    } <= rough.times.keys()


def status(bench: Bench) -> str:
    (made,) = bench.account("cloudformation").describe_stacks(StackName=STACK)["Stacks"]
    return str(made["StackStatus"])


def taken(bench: Bench, name: str, behind: str = "") -> None:
    """Somebody makes a bucket of that name, now or just before a call."""
    if behind:
        bench.proxy.fault = lambda call: taken(bench, name) if call.name == behind else None
        return
    bench.account("s3").create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})


def test_a_stack_that_cannot_be_made_is_made_anew_when_it_can(bench: Bench) -> None:
    """MiniStack takes groups, queues, rules and networks that are there, or are not; but no template with values that cannot be."""
    taken(bench, LOGS, behind="cloudformation:CreateStack")
    failed = bench.run("deploy")
    assert (failed.code, "_COMPLETE): LogsBucket (AWS::S3::Bucket): " in failed.err) == (3, True), failed.told
    assert status(bench) == "ROLLBACK_COMPLETE"
    bench.proxy.reset()
    bench.account("s3").delete_bucket(Bucket=LOGS)
    again = bench.run("deploy")
    assert (again.code, "its creation failed and was rolled back" in again.out) == (0, True), again.told
    bench.is_whole()
    bench.is_gone()


def test_a_stack_that_cannot_be_updated_is_as_before_and_updated_when_it_can(bench: Bench) -> None:
    taken(bench, "theirs")
    bench.before = everything(bench.account)
    made = bench.run("deploy", "--set", "deploy.bucket=theirs")
    assert made.code == 0, made.told
    taken(bench, LOGS)
    failed = bench.run("deploy")
    assert (failed.code, "_COMPLETE): LogsBucket (AWS::S3::Bucket): " in failed.err) == (3, True), failed.told
    assert status(bench) == "UPDATE_ROLLBACK_COMPLETE"
    same = bench.run("deploy", "--set", "deploy.bucket=theirs")
    assert (same.code, "nothing to do" in same.err) == (0, True), same.told
    bench.account("s3").delete_bucket(Bucket=LOGS)
    bench.is_whole()
    bench.is_gone()


def test_logs_that_a_destroyed_deployment_has_left_are_not_lost(bench: Bench) -> None:
    """The bucket stays when it has logs; a stack cannot make it anew, which is told before anything is changed."""
    bench.is_whole()
    bench.account("s3").put_object(Bucket=LOGS, Key="AWSLogs/123456789012/elasticloadbalancing/x.log.gz", Body=b"")
    assert bench.run("destroy-keeping").code == 0
    left = everything(bench.account)
    again = bench.run("deploy")
    assert (again.code, f"the bucket {LOGS} is there already" in again.err) == (2, True), again.told
    assert everything(bench.account) == left
    assert [each for each in left if each.startswith(f"object {LOGS}")]
    going_on = bench.run("deploy", "--set", f"deploy.bucket={LOGS}")
    assert going_on.code == 0, going_on.told
    bench.is_gone()


def test_an_interrupted_run_says_where_things_are_and_the_next_goes_on(bench: Bench) -> None:
    for moment in MOMENTS["deploy"]:
        ran = bench.broken_off("deploy", lambda call, of=moment: call.name.startswith(of), signal.SIGINT, heard=True)
        assert ran.code == 130, (moment, ran.told)
        assert "`tailrace deploy faults` takes it up again" in ran.err, moment
    bench.is_whole()
    for moment in MOMENTS["destroy"]:
        ran = bench.broken_off("destroy", lambda call, of=moment: call.name.startswith(of), signal.SIGINT, heard=True)
        assert ran.code == 130, (moment, ran.told)
        assert "`tailrace destroy faults --delete-logs` goes on" in ran.err, moment
    bench.is_gone()


def kills(bench: Bench, rolls: random.Random, count: int) -> None:
    """Kill the program at calls that are drawn; each run begins where the one before has ended."""
    for verb, calls in (("deploy", 60), ("destroy", 60)):
        for _ in range(count):
            last, heard = rolls.randrange(calls), rolls.random() < 0.5
            ran = bench.broken_off(verb, lambda call, at=last: call.number > at, signal.SIGKILL, heard=heard)
            assert ran.code in (0, -signal.SIGKILL), ran.told
        bench.is_whole() if verb == "deploy" else bench.is_gone()


def test_a_killed_run_is_taken_up_by_the_next(bench: Bench) -> None:
    kills(bench, random.Random(4), 3)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(20))
def test_runs_that_are_killed_anywhere_are_taken_up(bench: Bench, seed: int) -> None:
    kills(bench, random.Random(seed), 4)


@pytest.mark.parametrize(
    "call",
    [
        "cloudformation:DescribeStackEvents",
        *(pytest.param(each, marks=pytest.mark.long) for each in ("cloudformation:CreateStack", "lambda:POST")),
    ],
)
def test_credentials_that_expire_half_way(bench: Bench, call: str) -> None:
    expired: list[str] = []

    def fault(asked: Call) -> Answer | None:
        if expired or asked.name.startswith(call):
            expired.append(asked.name)
            return refused(asked.service, "ExpiredToken", 403, "The security token included in the request is expired")
        return None

    bench.proxy.fault = fault
    ran = bench.run("deploy")
    assert (ran.code, len(expired) < 10) == (3, True), ran.told
    assert "credentials" in ran.err
    bench.proxy.reset()
    bench.is_whole()
    bench.is_gone()
