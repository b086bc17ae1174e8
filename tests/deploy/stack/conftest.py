"""Accounts to deploy to, on a server of this process."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from cloud import cloud
from deploy.stack.account import Account

_NUMBERS = count()


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with cloud() as url:
        yield url


@pytest.fixture
def account(endpoint: str, tmp_path: Path) -> Account:
    return Account(endpoint, tmp_path, f"e{next(_NUMBERS)}")
