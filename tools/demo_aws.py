"""The whole way on AWS's API: objects appear in a bucket, a worker carries them to CloudWatch Logs and to a search server.

AWS is moto's server. The search server is OpenSearch where Java is, else a receiver of the tests that takes bulk requests.
Everything runs on loopback and is gone at the end.
"""

from __future__ import annotations

import json
import logging
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

import boto3
from moto.server import ThreadedMotoServer

ROOT = Path(__file__).parents[1]
BUCKET, QUEUE, GROUP, INDEX = "shop-logs", "shop-logs-events", "/load-balancers/shop", "shop-requests"
REGION = "eu-west-1"
KINDS = {"alb": 3, "nlb": 1, "clb": 1}
"""So many objects of each."""
CONFIG = f"""\
from = ["sqs:{QUEUE}"]
to = ["cloudwatch:{GROUP}", "search"]
listen = "127.0.0.1:9464"

[sinks.search]
url = "elasticsearch:{{search}}/{INDEX}"
data_stream = "false"
"""
BOLD, PLAIN = "\033[1m", "\033[0m"


def say(text: str) -> None:
    """A headline."""
    print(f"\n{BOLD}{text}{PLAIN}", flush=True)


def tailrace(*words: str, **kept: Any) -> subprocess.Popen[str]:
    """The program at work."""
    print(f"\n{BOLD}$ {shlex.join(['tailrace', *words])}{PLAIN}", flush=True)
    return subprocess.Popen([Path(sys.executable).with_name("tailrace"), *words], text=True, **kept)


@contextmanager
def aws() -> Iterator[str]:
    """A server that speaks AWS's API."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        yield f"http://{host}:{port}"
    finally:
        server.stop()


@contextmanager
def search(folder: Path) -> Iterator[str]:
    """A search server."""
    script, port = ROOT / "tools" / "servers" / "opensearch.sh", str(9201 + os.getpid() % 98)
    if subprocess.run([script, "fetch"], check=False, capture_output=True).returncode == 0:
        say("OpenSearch starts …")
        subprocess.run([script, "start", folder / "opensearch", port], check=True)
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            subprocess.run([script, "stop", folder / "opensearch"], check=False)
        return
    sys.path.insert(0, str(ROOT / "tests"))
    strict = import_module("services.strict_bulk").StrictBulk()
    say("There is no Java here, so a receiver of the tests takes the bulk requests in place of a search server.")
    with strict as server:
        yield server.url


def environment(endpoint: str) -> None:
    """What tells every AWS client where to go; nothing of this machine's own configuration is used."""
    for name in [name for name in os.environ if name.startswith(("AWS_", "TAILRACE_"))]:
        del os.environ[name]
    os.environ |= {
        "AWS_ENDPOINT_URL": endpoint, "AWS_REGION": REGION, "AWS_DEFAULT_REGION": REGION, "AWS_ACCESS_KEY_ID": "demo",
        "AWS_SECRET_ACCESS_KEY": "demo", "AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }  # fmt: skip


def prepared() -> None:
    """A bucket that announces its objects to a queue, which has a dead-letter queue, and a log group."""
    store, queues = boto3.client("s3"), boto3.client("sqs")
    store.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    dead = queues.create_queue(QueueName=f"{QUEUE}-dead")["QueueUrl"]
    redrive = {"deadLetterTargetArn": arn(queues, dead), "maxReceiveCount": 5}
    url = queues.create_queue(QueueName=QUEUE, Attributes={"RedrivePolicy": json.dumps(redrive)})["QueueUrl"]
    wanted = {"QueueArn": arn(queues, url), "Events": ["s3:ObjectCreated:*"]}
    store.put_bucket_notification_configuration(
        Bucket=BUCKET, NotificationConfiguration={"QueueConfigurations": [wanted]}
    )
    boto3.client("logs").create_log_group(logGroupName=GROUP)


def arn(queues: Any, url: str) -> str:
    """The name of a queue among all resources."""
    told: str = queues.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    return told


def samples(folder: Path) -> list[Path]:
    """Objects of the last hour, as load balancers write them: CloudWatch refuses what is older than 14 days."""
    start = (datetime.now(UTC) - timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:00")
    for kind, number in KINDS.items():
        for seed in range(number):
            command = [sys.executable, ROOT / "bench" / "generator" / "make_samples.py", kind, "--s3-layout"]
            wanted = ["--lines", "400", "--seed", str(seed), "--start", start, "--out", folder]
            subprocess.run([*command, *wanted], check=True)
    return sorted(path for path in (folder / "AWSLogs").rglob("*") if path.is_file())


def uploaded(folder: Path, paths: list[Path]) -> None:
    """Put files into the bucket."""
    store = boto3.client("s3")
    for path in paths:
        key = str(path.relative_to(folder))
        store.put_object(Bucket=BUCKET, Key=key, Body=path.read_bytes())
        print(f"  s3://{BUCKET}/{key}")


def waited(number: int) -> None:
    """Until the worker has delivered so many objects."""
    for _ in range(600):
        time.sleep(0.1)
        if figures().get('tailrace_objects_total{outcome="delivered"}', 0) >= number:
            return
    raise SystemExit("the worker has not delivered everything within a minute")


def figures() -> dict[str, float]:
    """The worker's metrics."""
    try:
        with urllib.request.urlopen("http://127.0.0.1:9464/metrics", timeout=5) as answer:
            lines = [line for line in answer.read().decode().splitlines() if not line.startswith("#")]
    except OSError:
        return {}
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


def shown(endpoint: str) -> None:
    """What has arrived."""
    logs = boto3.client("logs")
    say(f"CloudWatch Logs, group {GROUP}:")
    for stream in logs.describe_log_streams(logGroupName=GROUP)["logStreams"]:
        events = logs.get_log_events(logGroupName=GROUP, logStreamName=stream["logStreamName"], startFromHead=True)
        first = events["events"][0]
        at = datetime.fromtimestamp(first["timestamp"] / 1000, UTC).isoformat(timespec="milliseconds")
        print(f"  {stream['logStreamName']:24} {at}  {first['message'][:78]}…")
    try:
        with suppress(
            urllib.error.HTTPError
        ):  # documents are found a second after they were taken, or at once when asked
            urllib.request.urlopen(f"{endpoint}/{INDEX}/_refresh", timeout=10).close()
        with urllib.request.urlopen(f"{endpoint}/{INDEX}/_count", timeout=10) as answer:
            say(f"{json.loads(answer.read())['count']:,} documents in the index {INDEX}")
    except OSError:
        return
    say("Of the worker's metrics:")
    for name, value in sorted(figures().items()):
        if name.startswith(("tailrace_objects_total", "tailrace_records_total", "tailrace_lag_seconds_sum")) and value:
            print(f"  {name} {value:,.0f}")


def main() -> None:
    """The demonstration."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tailrace-demo-")))
        environment(stack.enter_context(aws()))
        endpoint = stack.enter_context(search(folder))
        prepared()
        config = folder / "shop.toml"
        config.write_text(CONFIG.format(search=endpoint))
        say(f"shop.toml\n{PLAIN}{config.read_text()}")
        os.chdir(folder)
        tailrace("run", "shop.toml", "--check").wait()
        worker = tailrace("run", "shop.toml")
        stack.callback(worker.kill)
        say("Load balancers write their logs:")
        paths = samples(folder / "made")
        uploaded(folder / "made", paths)
        waited(len(paths))
        shown(endpoint)
        say("SIGTERM:")
        worker.send_signal(signal.SIGTERM)
        worker.wait()
        tailrace("receipts", "--check").wait()
        tailrace("receipts", "--missing", f"s3://{BUCKET}/").wait()


if __name__ == "__main__":
    main()
