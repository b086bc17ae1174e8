"""Which parser reads: the native kernel where it is installed, else its reference twin, which does the same slower."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Literal, Protocol

from tailrace.errors import UsageError
from tailrace.kernel.plan import ItemPlan, Plan
from tailrace.model import Batch

Choice = Literal["auto", "native", "reference"]
_INSTEAD = "its reference twin in Python reads, more than a hundred times slower"
_REMEDY = "pip install 'tailrace[kernel]'"


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
            import_module("tailrace_kernel")
        except ImportError as error:
            missing = isinstance(error, ModuleNotFoundError) and error.name == "tailrace_kernel"
            why = "is not installed" if missing else f"cannot be loaded here ({error})"
            if choice == "native":
                message = f"the native kernel {why}: {_REMEDY}"
                raise UsageError(message) from error
            notice(f"the native kernel {why}, so {_INSTEAD}; {_REMEDY}")
        else:
            from tailrace.kernel import native  # noqa: PLC0415 - needs what may be missing

            return native.Parser
    from tailrace.kernel import reference  # noqa: PLC0415 - not needed beside the native one

    return reference.Parser
