"""Work in a process of its own, whose memory goes with it: what is loaded for one answer does not stay for months."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from typing import Any, TypeVar

from tailrace.errors import Fatal

T = TypeVar("T")


def apart(work: Callable[[], T]) -> T:
    """What the work returns. Raises what it raises; Fatal if its process dies."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.close(reading)
        try:
            with os.fdopen(writing, "wb") as told:
                pickle.dump(_done(work), told)
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as answer:
        result = answer.read()
    os.waitpid(child, 0)
    if not result:
        raise Fatal("the settings could not be read: the process that reads them died")
    good, value = pickle.loads(result)  # noqa: S301 - our own child wrote it
    if good:
        found: T = value
        return found
    raise value


def _done(work: Callable[[], Any]) -> tuple[bool, Any]:
    try:
        return True, work()
    except Exception as error:  # noqa: BLE001 - raised again by whoever waits
        return False, error
