"""What commands about deployments say before there is anything to look at."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import pytest
from botocore.exceptions import EndpointConnectionError

from cli.conftest import Run
from making import StillClock
from tailrace.cli import _deploying
from tailrace.errors import Retryable
from tailrace.settings import resolve

ENDPOINT = "http://127.0.0.1:1"


class Silent:
    """The client of a server that does not answer."""

    meta = SimpleNamespace(region_name="eu-west-1", endpoint_url=ENDPOINT)

    def __init__(self) -> None:
        self.calls = 0

    def get_caller_identity(self) -> Any:
        self.calls += 1
        raise EndpointConnectionError(endpoint_url=ENDPOINT)


def test_a_server_that_does_not_answer_is_told_of_once_a_minute(capsys: pytest.CaptureFixture[str]) -> None:
    silent = Silent()
    with (
        patch.object(_deploying, "clients", lambda _settings: lambda _service: silent),
        patch.object(_deploying, "SystemClock", StillClock),
        pytest.raises(Retryable, match="cannot be reached"),
    ):
        _deploying.there(resolve({}, ("retry.deadline=5m",), {}), "prod")
    told = capsys.readouterr().err.splitlines()
    assert silent.calls > 6
    assert 2 <= len(told) <= 5
    assert all("cannot be reached" in line and "it is tried again for up to 5m" in line for line in told)
    assert "more like it" in told[1]


@pytest.mark.parametrize("url", ["", ENDPOINT])
def test_without_a_region_nothing_is_asked(run: Run, url: str) -> None:
    """STS has an endpoint without one, so it could be asked first, and would tell nothing of what is missing."""
    given = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "example"}
    ran = run("status", "prod", **given, **({"AWS_ENDPOINT_URL": url} if url else {}))
    assert ran.code == 2
    sentence = "no region is known for cloudformation: set AWS_REGION, or region in the settings or in the profile"
    assert ran.err == f"error: {sentence}\n"
