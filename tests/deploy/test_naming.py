"""Names: all of one beginning, legal where they are used, and refused where they cannot be."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as some

from tailrace.deploy.naming import Names
from tailrace.errors import UsageError

REGIONS = ("us-east-1", "ap-southeast-2", "us-gov-west-1", "eu-central-1", "il-central-1", "mx-central-1")


@given(
    some.from_regex(r"[a-z][a-z0-9-]{0,18}[a-z0-9]", fullmatch=True),
    some.from_regex(r"[a-z0-9]([a-z0-9-]{0,18}[a-z0-9])?", fullmatch=True),
)
def test_names_are_legal_or_refused(component: str, environment: str) -> None:
    for region in REGIONS:
        try:
            names = Names(
                component=component, environment=environment, partition="aws", region=region, account="123456789012"
            )
        except UsageError:
            assert len(component) + len(environment) > 27
            continue
        for bucket in (names.logs_bucket, names.artifacts_bucket):
            assert re.fullmatch(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]", bucket)
        assert len(names.role) <= 64
        assert len(names.function) <= 64
        assert re.fullmatch(r"[a-zA-Z][a-zA-Z0-9-]*", names.stack)
        assert all(
            name.startswith(f"{component}-{environment}-")
            for name in (
                names.function,
                names.role,
                names.queue,
                names.receipts,
                names.rule,
                names.alarm("errors"),
                names.logs_bucket,
            )
        )


@pytest.mark.parametrize("environment", ["", "Prod", "a_b", "-a", "a-", "x" * 21])
def test_environments_that_make_no_names(environment: str) -> None:
    with pytest.raises(UsageError, match="lower-case letters, digits and hyphens"):
        Names(component="tailrace", environment=environment)


def test_arns() -> None:
    names = Names(component="tailrace", environment="prod", partition="aws-cn", region="cn-north-1", account="1")
    assert names.arn("sqs", names.queue) == "arn:aws-cn:sqs:cn-north-1:1:tailrace-prod-events"
    assert names.global_arn("s3", "b/*") == "arn:aws-cn:s3:::b/*"
    assert names.global_arn("iam", "role/r") == "arn:aws-cn:iam::1:role/r"
    assert (
        Names(component="tailrace", environment="prod").logs_bucket
        == "tailrace-prod-logs-${AWS::AccountId}-${AWS::Region}"
    )
