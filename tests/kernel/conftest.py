"""Every test that asks for a `kernel` runs with the reference twin and with the native kernel."""

from __future__ import annotations

import pytest

from parsing import KERNELS, Kernel, kernel_named


@pytest.fixture(params=KERNELS)
def kernel(request: pytest.FixtureRequest) -> Kernel:
    return kernel_named(request.param)
