"""A world to be killed in: a bucket that announces what is put, a queue, receivers, and fronts that break what passes."""

from __future__ import annotations

import json
import os
import threading
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

from cloud import REGION, client_of
from crash.corpus import Corpus, Object
from crash.front import Front
from crash.landings import Receivers
from services.strict_logs import KEY, SECRET

TROUBLE, HESITATION = 0.12, 0.005


class World:
    """Servers, and what is put there. `cloud`: a server of AWS's services for this world alone."""

    def __init__(self, folder: Path, cloud: str, seed: int, scale: float) -> None:
        self.folder = folder
        mine = uuid4().hex[:8]  # the server may have other worlds
        self.logs, self.out, self.letters, self.table = (
            f"{name}-{mine}" for name in ("logs", "out", "letters", "receipts")
        )
        self.corpus = Corpus(seed, folder, scale)
        self._cloud = cloud
        self.s3, self.sqs = self.client("s3"), self.client("sqs")
        self.receivers = Receivers(seed)
        behind = {
            "aws": cloud, "logs": self.receivers.logs.url, "search": self.receivers.bulk.url,
            "logstash": self.receivers.http.url,
        }  # fmt: skip
        self.fronts = {name: Front(name, _place(url), seed, rewrite=name == "logstash") for name, url in behind.items()}
        for bucket in (self.logs, self.out, self.letters):
            self.make_bucket(bucket)
        self.dead, self.more = self.make_queue(f"dead-{mine}"), self.make_queue(f"more-{mine}")
        self.queue = self.make_queue(f"events-{mine}", RedrivePolicy=self._redrive())
        self._announce()
        self._fed, self._feeding = threading.Event(), threading.Thread()

    def client(self, service: str) -> Any:
        """A client whose calls nothing breaks."""
        return client_of(service, self._cloud)

    def make_bucket(self, name: str) -> None:
        self.s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})

    def make_queue(self, name: str, **attributes: str) -> str:
        return str(self.sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"])

    def _arn(self, url: str) -> str:
        return str(self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"])

    def _redrive(self) -> str:
        return json.dumps({"deadLetterTargetArn": self._arn(self.dead), "maxReceiveCount": 1000})

    def _announce(self) -> None:
        told = [{"QueueArn": self._arn(self.queue), "Events": ["s3:ObjectCreated:*"]}]
        self.s3.put_bucket_notification_configuration(
            Bucket=self.logs, NotificationConfiguration={"QueueConfigurations": told}
        )

    @property
    def environ(self) -> Mapping[str, str]:
        """What a process needs to find this world, without anything of the world outside."""
        outside = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "TAILRACE_"))}
        return {
            **outside,
            "AWS_ENDPOINT_URL": self.fronts["aws"].url,
            "AWS_ENDPOINT_URL_CLOUDWATCH_LOGS": self.fronts["logs"].url,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_REGION": REGION,
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
        }

    @property
    def sinks(self) -> str:
        """The tables of the sinks, as they stand in settings."""
        return f"""
[sinks.cloudwatch]
url = "cloudwatch:/crash/{{load_balancer}}"
create_group = true

[sinks.elasticsearch]
url = "elasticsearch:{self.fronts["search"].url}/lines"

[sinks.logstash]
url = "logstash:{self.fronts["logstash"].url}"

[sinks.s3]
url = "s3://{self.out}/lines"
"""

    def break_things(self, *, on: bool) -> None:
        """Let faults begin or end."""
        self.receivers.hesitation = HESITATION * on
        for front in self.fronts.values():
            front.chance = TROUBLE * on

    def put(self) -> Object:
        """One more object."""
        made = self.corpus.make()
        self.s3.put_object(Bucket=self.logs, Key=made.key, Body=made.content)
        if made.gone:
            self.s3.delete_object(Bucket=self.logs, Key=made.key)
        if made.twice:
            self.s3.put_object(Bucket=self.logs, Key=made.key, Body=made.content)
        return made

    def feed(self, backlog: int) -> None:
        """Put objects from now on, so that there is always something to do."""
        self._fed.clear()
        self._feeding = threading.Thread(target=self._feed, args=(backlog,), daemon=True)
        self._feeding.start()

    def _feed(self, backlog: int) -> None:
        while not self._fed.wait(0.1):
            if self.left() < backlog:
                self.put()

    def enough(self) -> None:
        """Put no more."""
        self._fed.set()
        self._feeding.join()

    def left(self, url: str = "") -> int:
        """How many messages are in a queue, hidden ones too."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        told = self.sqs.get_queue_attributes(QueueUrl=url or self.queue, AttributeNames=names)["Attributes"]
        return sum(map(int, told.values()))

    @property
    def faults(self) -> Counter[str]:
        """How often what has happened."""
        found = Counter({"item rejected": self.receivers.hesitated})
        for front in self.fronts.values():
            found += front.counts
        return found

    def close(self) -> None:
        self._fed.set()
        for front in self.fronts.values():
            front.close()
        self.receivers.close()
        self.s3.close()
        self.sqs.close()


def _place(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    assert parts.hostname
    assert parts.port
    return parts.hostname, parts.port
