"""A function's own log group is never carried."""

from __future__ import annotations

import pytest

from tailrace.clouds.recursion import own_group, refuse_own_group
from tailrace.errors import UsageError

LAMBDA = {"AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/carrier"}


def test_the_own_group_is_refused_and_no_other() -> None:
    assert (own_group(LAMBDA), own_group({})) == ("/aws/lambda/carrier", "")
    for group, environ in (("/aws/lambda/other", LAMBDA), ("/aws/lambda/carrier", {}), ("", {}), ("", LAMBDA)):
        refuse_own_group(group, environ)
    with pytest.raises(UsageError, match="/aws/lambda/carrier is the log group of this function itself"):
        refuse_own_group("/aws/lambda/carrier", LAMBDA)
