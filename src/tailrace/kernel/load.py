"""Which parser reads: the native kernel where it is installed, else its reference twin, which does the same slower."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, Protocol

from tailrace.errors import UsageError
from tailrace.kernel.plan import ItemPlan, Plan
from tailrace.model import Batch

Choice = Literal["auto", "native", "reference"]
MISSING = (
    "the native kernel is not installed, so its reference twin in Python reads, about fifty times slower;"
    " pip install 'tailrace[kernel]'"
)


class Parser(Protocol):
    """Reads one item. Give it the item's bytes in order with `feed`, in pieces of any size, then `finish`."""

    def feed(self, data: bytes) -> Batch:
        """Take the next bytes; the batch holds what can be told by now."""

    def finish(self, *, truncated: bool = False) -> Batch:
        """Tell that no more bytes come. With `truncated` they broke off: what is left of a line is no line then."""


def parser_class(choice: Choice, notice: Callable[[str], None]) -> Callable[[Plan, ItemPlan], Parser]:
    """The parser to use; `notice` is told if it is the twin only for want of the other. Raises UsageError."""
    if choice != "reference":
        try:
            from tailrace.kernel import native  # noqa: PLC0415 - may be missing
        except ModuleNotFoundError as error:
            if error.name != "tailrace_kernel":
                raise
            if choice == "native":
                raise UsageError("the native kernel is not installed: pip install 'tailrace[kernel]'") from error
            notice(MISSING)
        else:
            return native.Parser
    from tailrace.kernel import reference  # noqa: PLC0415 - not needed beside the native one

    return reference.Parser
