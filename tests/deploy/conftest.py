"""What tests of whole deployments begin with: servers, and the package of the function."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.circling import Account
from services.lambda_package import packed
from services.real import ministack, own_ministack


@pytest.fixture(scope="module")
def server() -> Iterator[Account]:
    """An account on a MiniStack of the module's own, in which nothing else is."""
    with own_ministack() as url:
        made = Account(url)
        yield made
        made.close()


@pytest.fixture(scope="module")
def shared_server() -> Iterator[str]:
    """The URL of a MiniStack on which other things may be too."""
    with ministack() as url:
        yield url


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return packed(tmp_path_factory.mktemp("package") / "package.zip")
