"""Destroying for `tailrace destroy`: the plan is shown and, if people want it, carried out, and everything is looked for again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tailrace.cli._console import say
from tailrace.cli._deploying import there
from tailrace.cli._plan import Interrupted, confirmed, interruptible, show, telling
from tailrace.deploy.destroy.destroying import Destruction
from tailrace.errors import EXIT_OK, EXIT_PARTIAL
from tailrace.settings import Resolved


def destroy(environment: str, resolved: Resolved, **how: Any) -> int:
    """Take an environment away; the exit code. `how`: the options of the command."""
    cloud, asked = there(resolved, environment)
    made = Destruction(
        cloud=cloud,
        wanted=asked,
        moved=telling(0),
        said=say,
        delete_logs=how["delete_logs"],
        wait=not how["no_wait"],
    )
    try:
        with interruptible():
            return _carried_out(made, how)
    except Interrupted as signal:
        say(f"interrupted: {made.where}; `{made.again}` goes on")
        return signal.code


def _carried_out(made: Destruction, how: Mapping[str, Any]) -> int:
    found, names = made.look(), made.wanted.names
    steps = made.plan(found)
    if steps:
        show(steps, as_json=how["as_json"])
    lost = [step for step in steps if step.action != "let go"]
    if how["dry_run"]:
        say("nothing was changed: this is a dry run" if lost else _nothing(made))
        return EXIT_OK
    kept = [step.name for step in steps if step.action == "let go"]
    if lost:
        also = " with all logs" if how["delete_logs"] else ""
        if not confirmed(yes=how["yes"], question=f"Remove {names.stack}{also} from the account {names.account}?"):
            say("nothing was changed")
            return EXIT_OK
        made.moved = telling(len(found.resources))
        kept = list(made.apply(found))
    return _looked_again(made, kept, nothing=not lost)


def _looked_again(made: Destruction, kept: Sequence[str], *, nothing: bool) -> int:
    names = made.wanted.names
    left = made.left(kept, looks=1 if nothing else 2)
    for each in left:
        say(f"left: {each}")
    if left:
        say(f"{len(left)} of {names.stack} are still there; run `{made.again}` again, or the commands above")
        return EXIT_PARTIAL
    stays = f" but {' and '.join(kept)}, as said above" if kept else ""
    say(
        _nothing(made) + stays
        if nothing
        else f"nothing is left of {names.stack} in {names.region} of the account {names.account}{stays}"
    )
    return EXIT_OK


def _nothing(made: Destruction) -> str:
    names = made.wanted.names
    return f"there is nothing of {names.stack} in {names.region} of the account {names.account}"
