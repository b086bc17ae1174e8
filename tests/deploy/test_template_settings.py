"""The function's settings: they arrive as they were meant, and what cannot be in a function is refused before anything is made."""

from __future__ import annotations

import string
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from templating import ENDPOINTS, LOGSTASH, SEARCH, VPC, Place, asked, made

from tailrace.deploy.template import template
from tailrace.deploy.template.own import function_settings, targets
from tailrace.deploy.template.toml import toml
from tailrace.deploy.wanted import Wanted
from tailrace.errors import UsageError
from tailrace.hosts._lambda_settings import lambda_settings
from tailrace.hosts.asking import asked_for, target_of
from tailrace.settings import Resolved, Settings, declared, struct_of

TEXT = some.text(some.characters(exclude_categories=["Cs"]), max_size=20)
SCALARS = some.one_of(TEXT, some.booleans(), some.integers(-(2**63), 2**63 - 1), some.floats(allow_nan=False))
VALUES = some.recursive(
    SCALARS,
    lambda each: some.one_of(some.lists(each, max_size=3), some.dictionaries(TEXT, each, max_size=3)),
    max_leaves=12,
)


@settings(deadline=None)
@given(some.dictionaries(TEXT, VALUES, max_size=5))
def test_toml_reads_back(document: dict[str, Any]) -> None:
    found = tomllib.loads(toml(document))
    assert found == document
    assert exact(found) == exact(document)


def exact(value: Any) -> Any:
    """With the types of values: 1, 1.0 and true are not the same."""
    if isinstance(value, Mapping):
        return {key: exact(each) for key, each in value.items()}
    return [exact(each) for each in value] if isinstance(value, list) else (type(value), repr(value))


def arrived(wanted: Wanted, region: str = "eu-west-1") -> Resolved:
    """The settings that the function finds in its environment."""
    told = template(wanted)
    variables = Place(told, region).value(told["Resources"]["Processor"]["Properties"]["Environment"]["Variables"])

    def none(_service: str) -> Any:
        raise AssertionError

    return lambda_settings({**variables, "AWS_REGION": region}, none)


def sinks(resolved: Resolved) -> list[tuple[str, str, Mapping[str, Any]]]:
    found = [*asked_for(resolved, ()).sinks, target_of(resolved.settings.dead_letters, resolved.settings)]
    return [(each.name, each.address, each.options) for each in found]


SETTINGS = some.fixed_dictionaries(
    {},
    optional={
        "format": some.sampled_from(["alb", "nlb"]),
        "schema": some.sampled_from(["ecs", "otel"]),
        "timezone": some.sampled_from(["Europe/Berlin", "UTC"]),
        "captures": some.just("1,2"),
        "log_format": some.sampled_from(["%ci [%tr] %{+Q}r", "${AWS::Region} ${x} %ci"]),
        "checkpoint": some.sampled_from(["1MiB", "512MiB"]),
        "state_retention": some.sampled_from(["90d", "0.5s"]),
        "retry.deadline": some.sampled_from(["1m", "7s"]),
        "awslambda.margin": some.sampled_from(["10s", "1.5m"]),
        "awslambda.metrics_namespace": some.sampled_from(["", "Logs/Front"]),
        "kernel": some.just("native"),
        "region": some.just("eu-central-1"),
        "deploy.memory": some.just("512"),
    },
)
OPTIONS = some.fixed_dictionaries(
    {},
    optional={
        "include": some.sampled_from([["elb_status_code >= 500"], 'request_url ~ "^/a\\\\.b$"', "x"]),
        "rename": some.sampled_from([{"client_ip": "ip"}, {"a b": 'c"d', "ü": "\n"}]),
        "constants": some.dictionaries(some.text(string.printable, min_size=1, max_size=5), SCALARS, max_size=3),
        "redact_key": some.sampled_from(["ssm:/key", "secretsmanager:keys#redact"]),
        "key": some.just("day={day}/{item}-{offset}.{extension}"),
        "part_size": some.just(8388608),
        "ids": some.booleans(),
    },
)


@settings(deadline=None, max_examples=60)
@given(SETTINGS, OPTIONS, some.booleans())
def test_settings_arrive(told: dict[str, str], options: dict[str, Any], loose: bool) -> None:  # noqa: FBT001
    if {"format", "log_format"} <= told.keys():
        del told["format"]
    assignments = [f"{key}={value}" for key, value in told.items()]
    table = toml(
        {"sinks": {"own sink": {"url": "s3://archive/alb", **options}}, "to": ["own sink", "logstash:tcp://h:1"]}
    )
    wanted = asked(*assignments, *(["sse=AES256"] if loose else []), config=table)
    found = arrived(wanted)
    for each in declared(Settings):
        if each.path[0] in ("deploy", "sinks", "to", "state", "dead_letters", "workers") or each.key.endswith("queue"):
            continue
        assert each.value_in(found.settings) == each.value_in(wanted.settings), each.key
    assert found.settings.awslambda.continuation_queue == "EventQueue"
    assert found.settings.state == "dynamodb:ReceiptsTable"
    assert sinks(found) == [
        ("s3", "//archive/alb", {**options, **({"sse": "AES256"} if loose else {})}),
        ("logstash", "tcp://h:1", {}),
        ("s3", "//tailrace-prod-code-123456789012-eu-west-1/dead-letters/tailrace-prod", {}),
    ]
    assert not found.loose
    assert not found.ignored


def test_only_what_differs_is_told() -> None:
    told = made()["Resources"]["Processor"]["Properties"]["Environment"]["Variables"]
    assert told == {
        "TAILRACE_CONFIG": 'toml:to=["log_groups"]\n'
        '[sinks.log_groups]\nurl="cloudwatch:/tailrace/{load_balancer}"\ncreate_group=true',
        "TAILRACE_STATE": {"Fn::Sub": "dynamodb:${ReceiptsTable}"},
        "TAILRACE_AWSLAMBDA__CONTINUATION_QUEUE": {"Ref": "EventQueue"},
        "TAILRACE_DEAD_LETTERS": {
            "Fn::Sub": "s3://tailrace-prod-code-${AWS::AccountId}-${AWS::Region}/dead-letters/tailrace-prod"
        },
    }


def test_what_concerns_this_machine_stays_here() -> None:
    wanted = asked(
        "store=here", "listen=0.0.0.0:1", "listen_token=hidden", "workers=7", "profile=me", "endpoint_url=http://c", "to=s3://b",
        "deploy.smoke_timeout=1m",
    )  # fmt: skip
    assert function_settings(wanted).keys() == {"to"}
    assert "hidden" not in str(template(wanted))


def test_dead_letters_have_a_table_of_their_own() -> None:
    wanted = asked("to=s3://a", "dead_letters=dead", "sinks.dead.url=s3://lost", "sinks.dead.compression=none")
    found = arrived(wanted)
    assert sinks(found) == [("s3", "//a", {}), ("s3", "//lost", {"compression": "none"})]


@pytest.mark.parametrize(
    ("told", "error"),
    [
        (["to=store"], "sink store cannot be one of a function: it is a folder on a disk"),
        (["to=store:/var/logs"], "it is a folder on a disk"),
        (["dead_letters=store:/var/logs"], "it is a folder on a disk"),
        (["to=stdout"], "a function's output is its own log"),
        (["to=x", "sinks.x.url=s3://b", "sinks.x.form=parquet"], "sink x cannot .* form = parquet"),
        (["to=s3://b", "form=parquet"], "form = parquet needs a library that is too large"),
        (["to=s3://b", "compression=zstd"], "write gzip"),
        ([*SEARCH, "sinks.search.password=hunter2"], "sink search: password must be told by reference only: ssm:NAME"),
        ([*SEARCH, "sinks.search.password=env:PASSWORD"], "by reference only"),
        ([*SEARCH, "sinks.search.password=file:/etc/p"], "by reference only"),
        ([*SEARCH, "sinks.search.password=ssm:"], "by reference only"),
        ([*SEARCH, "sinks.search.ca=/etc/ca.pem"], "ca is a file of this machine"),
        ([*LOGSTASH, "sinks.stash.key=/etc/key.pem"], "key is a file of this machine"),
        ([*LOGSTASH, "sinks.stash.redact_key=abc"], "redact_key must be told by reference only"),
        (["to=logstash:tls://me:hidden@host:1"], "a sink of logstash names a user in its URL"),
        (["from=sqs:q"], "from: a function reads the objects that its events name"),
        (["state=sqlite"], "state: receipts of a function are kept in dynamodb:TABLE, not in 'sqlite'"),
        (["state=memory"], "not in 'memory'"),
        (["state=dynamodb:"], "not in 'dynamodb:'"),
        (["awslambda.continuation_queue=https://q"], "the deployment makes this queue"),
        (["format=alb", f"log_format={'%ci ' * 1000}"], "the settings of the function take 4,[0-9]{3} bytes .* holds 4,096"),
        ([*VPC, "deploy.vpc.endpoints=false", "to=logstash:tcp://h:1"], "deploy.vpc.sink_cidrs: the function sends to logstash"),
        ([*ENDPOINTS, "to=logstash:tcp://h", "deploy.vpc.sink_cidrs=10.0.0.0/8"], "its URL names no port"),
        (["to=nonsense"], "no sink is called 'nonsense'"),
        (["nosuch=1"], "--set nosuch"),
        (["to=s3://b", "sinks.x.url=s3://c", "ids=perhaps"], "ids"),
        (["deploy.tags=team"], "write KEY=VALUE"),
    ],
)  # fmt: skip
def test_what_cannot_be(told: list[str], error: str) -> None:
    with pytest.raises(UsageError, match=error) as raised:
        made(*told)
    assert not {"hunter2", "hidden", "PASSWORD"} & set(str(raised.value).replace("@", " ").replace(":", " ").split())


@pytest.mark.parametrize("size", [0, 1])
def test_the_environment_is_filled_to_its_last_byte(size: int) -> None:
    """The estimate takes the longest region and queue, so what it lets through fits everywhere."""
    low, high = 0, 5000
    while low < high:
        middle = (low + high + 1) // 2
        try:
            made("to=s3://b", f"log_format={'x' * middle}")
            low = middle
        except UsageError:
            high = middle - 1
    text = "x" * (low + size)
    if size:
        with pytest.raises(UsageError, match="4,097 bytes"):
            made("to=s3://b", f"log_format={text}")
        return
    found = made("to=s3://b", f"log_format={text}")
    variables = found["Resources"]["Processor"]["Properties"]["Environment"]["Variables"]
    told = Place(found, "ap-southeast-2").value(variables)
    assert 3700 < sum(len(key) + len(value) for key, value in told.items()) <= 4096


def test_sinks_take_their_options() -> None:
    """Every option that is taken for a secret or a file is one of the sink's settings."""
    (search,) = targets(asked(*SEARCH))
    own = struct_of(search.kind.settings, search.options, "test")
    assert repr(own.password) == "***"  # type: ignore[attr-defined]
    assert replace(search, options={}).options == {}
