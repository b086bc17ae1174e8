"""The command line. Each verb is one file of its name here, loaded when it is called.

Exit codes: 0 done; 1 rejects under `--strict`, or a check that failed; 2 wrong usage or settings; 3 source or sink
unusable; 4 delivered in part, run again; 130 and 143 interrupted and terminated. A closed pipe is no failure.
"""

from __future__ import annotations

import os
import pkgutil
import sys
from collections.abc import Sequence
from importlib import import_module

import click

from tailrace.cli import _streams
from tailrace.cli._streams import ReaderGone
from tailrace.errors import EXIT_INTERRUPTED, EXIT_OK, EXIT_UNUSABLE, EXIT_USAGE, TailraceError

_TRACEBACK = "TAILRACE_TRACEBACK"
_HELP = """Carry load-balancer access logs, parsed and fully accounted for, to where people look.

\b
  tailrace parse access.log.gz | head        records as NDJSON
  tailrace ship s3://bucket/AWSLogs          into the local store
  tailrace query "SELECT * FROM requests"    SQL over the store
"""
_CODES = (
    "Exit codes: 0 done; 1 rejects under --strict or a failed check; 2 wrong usage or settings; 3 source or sink"
    " unusable; 4 delivered in part, run again; 130, 143 interrupted."
)


class _Verbs(click.Group):
    """The verbs, found by their files."""

    def invoke(self, ctx: click.Context) -> object:
        """Carry out the verb; what it returns."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError as error:
            raise ReaderGone from error

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """The names of all verbs."""
        return sorted(module.name for module in pkgutil.iter_modules(__path__) if module.name[0] != "_")

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """The verb of that name."""
        if name not in self.list_commands(ctx):
            return None
        command = import_module(f"{__name__}.{name}").command
        assert isinstance(command, click.Command)
        return command


@click.group(cls=_Verbs, help=_HELP, epilog=_CODES, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="tailrace", prog_name="tailrace", message="%(prog)s %(version)s")
def group() -> None:
    """The program; its help is told above."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the program and exit: every error is one sentence on standard error."""
    _streams.prepare()
    code = _code(arguments)
    _streams.settle()
    sys.exit(code)


def _code(arguments: Sequence[str] | None) -> int:
    try:
        done = group.main(arguments, prog_name="tailrace", standalone_mode=False)
        sys.stdout.flush()
    except ReaderGone:
        return EXIT_OK
    except (KeyboardInterrupt, click.Abort):
        return _told("interrupted", EXIT_INTERRUPTED)
    except click.ClickException as error:
        error.show()
        return EXIT_USAGE
    except TailraceError as error:
        return _told(f"error: {error}", error.exit_code)
    except Exception as error:
        if os.environ.get(_TRACEBACK):
            raise
        what = f"{type(error).__name__}: {error}".splitlines()[0]
        return _told(f"internal error: {what}; with {_TRACEBACK}=1 set it tells where", EXIT_UNUSABLE)
    return done if isinstance(done, int) else EXIT_OK


def _told(message: str, code: int) -> int:
    from tailrace.cli._cells import visible  # noqa: PLC0415 - rarely needed

    click.echo("\n".join(map(visible, message.splitlines())), err=True)
    return code
