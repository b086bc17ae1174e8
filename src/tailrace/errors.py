"""What can go wrong, in one tree.

    TailraceError              base: a sentence for the person who reads it, and an exit code
    ├── UsageError             a wrong flag, setting, path or log-format (exit 2)
    │   └── MissingExtra       an optional library is not installed (exit 2)
    ├── SourceError            one item cannot be read now; it is given back (exit 4)
    │   └── Gone               the item no longer exists; recorded and acknowledged
    │       └── Superseded     another one is there in its place, which is announced by itself
    ├── Retryable              a sink or source asks to try again (the loop does)
    └── Fatal                  credentials, configuration, permission, full disk: stop, nothing acked (exit 3)

Exceptions speak of a batch or an item; what concerns one line is a value (Reject).
"""

from __future__ import annotations

EXIT_OK = 0
EXIT_FAILED_CHECK = 1
EXIT_USAGE = 2
EXIT_UNUSABLE = 3
EXIT_PARTIAL = 4
EXIT_INTERRUPTED = 130
EXIT_TERMINATED = 143


class TailraceError(Exception):
    """An error told to the user in one sentence: where, what, and what to do."""

    exit_code = EXIT_UNUSABLE


class UsageError(TailraceError):
    """A flag, setting, path or log-format that cannot be used as given."""

    exit_code = EXIT_USAGE


class MissingExtra(UsageError):
    """An optional library is not installed; the message holds the pip line."""

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f"{what} needs an optional library: pip install 'tailrace[{extra}]'")


class SourceError(TailraceError):
    """One item could not be read to its end this time; it stays undelivered and can be run again."""

    exit_code = EXIT_PARTIAL


class Gone(SourceError):
    """The item was announced but does not exist any more."""


class Superseded(Gone):
    """What was announced was replaced before it was read; what is there now is announced by itself."""


class Retryable(TailraceError):
    """The other side asks to try again, `after` seconds from now if it said so."""

    exit_code = EXIT_PARTIAL

    def __init__(self, message: str, after: float | None = None) -> None:
        super().__init__(message)
        self.after = after


class Fatal(TailraceError):
    """Nothing sensible can follow: the process stops and acknowledges nothing."""

    exit_code = EXIT_UNUSABLE
