"""Going back: an earlier version of the function becomes live again, with the code and the settings that it had."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tailrace.deploy.cloud import Cloud
from tailrace.deploy.ledger import Book, Ledger, Release, ledger_needs
from tailrace.deploy.stack.releases import Releases, release_needs
from tailrace.deploy.wanted import Wanted
from tailrace.errors import UsageError
from tailrace.permissions import Need

_CALLS: Final = ("lambda:GetAlias", "lambda:UpdateAlias", "lambda:GetFunctionConfiguration")


@dataclass(frozen=True, slots=True)
class Back:
    """From which version to which one."""

    live: str
    to: str
    release: Release | None

    @property
    def label(self) -> str:
        """What the version is that becomes live, as far as it is known."""
        return f"version {self.to}{f' ({self.release.label})' if self.release else ''}"


@dataclass(frozen=True, slots=True)
class Rollback:
    """A rollback of a deployment."""

    cloud: Cloud
    wanted: Wanted

    def plan(self, to: str) -> Back | None:
        """Which version becomes live: the last good one before the live one, if none is named. None if it is. Raises UsageError, Fatal."""
        live = self._releases.live()
        if not live:
            message = f"there is nothing to roll back: {self.wanted.names.function} is not there, or has no alias"
            raise UsageError(message)
        ledger = Book(self.cloud, self.wanted.artifacts, self.wanted.names.stack).read().ledger
        version = to or self._last_good(ledger, live)
        if version == live:
            return None
        if not version.isdecimal() or not self._releases.there(version):
            message = f"there is no version {version} of {self.wanted.names.function}; {_known(ledger)}"
            raise UsageError(message)
        return Back(live, version, ledger.release(version))

    def apply(self, back: Back) -> None:
        """Do it. Raises Fatal if somebody else has moved the alias."""
        self._releases.switch(back.to, over=back.live)

    def _last_good(self, ledger: Ledger, live: str) -> str:
        for release in ledger.good_before(live):
            if release.version != live and self._releases.there(release.version):
                return release.version
        message = f"version {live} is live, and no good release before it is known; {_known(ledger)}"
        raise UsageError(message)

    @property
    def _releases(self) -> Releases:
        return Releases(self.cloud, self.wanted.names.function)


def _known(ledger: Ledger) -> str:
    words = {True: "good", False: "not good", None: "not proved"}
    told = [f"{each.version} ({words[each.good]})" for each in ledger.releases[-10:]]
    return f"known are {', '.join(told)}; name one by --to" if told else "no release is known; name a version by --to"


def rollback_needs(wanted: Wanted) -> Sequence[Need]:
    """What a rollback calls."""
    names = wanted.names
    return [
        *(need for need in release_needs(names.arn("lambda", f"function:{names.function}")) if need.call in _CALLS),
        *(need for need in ledger_needs(wanted.artifacts, names.stack) if need.call != "s3:PutObject"),
    ]
