"""Access to a container of Swift, by its own API: the S3 API there can grant nothing to another project.

https://docs.openstack.org/swift/latest/overview_acl.html
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

from tailrace.changes import Change
from tailrace.clouds.direct.swift import RefusedError, Swift
from tailrace.errors import Fatal, UsageError
from tailrace.loadbalancer.grants.calls import UnknownGranteeError
from tailrace.loadbalancer.grants.wanted import Wanted

_PROJECT: Final = re.compile(r"[0-9a-f]{32}")
_ENTRY: Final = re.compile(r"[^\s,:]+(?::[^\s,:]+)?")
_HEADERS: Final = {"read": "X-Container-Read", "write": "X-Container-Write"}
_LOGS: Final = "AWSLogs/"
_MOST: Final = 100


@dataclass(frozen=True, slots=True)
class Found:
    """What a container is like. `strangers`: folders in it of the logs of other accounts."""

    granted: Sequence[str]
    strangers: Sequence[str] = ()


class Container:
    """Brings a container's access list into the state that is wanted (a `Setup`)."""

    def __init__(self, swift: Swift, wanted: Wanted) -> None:
        self._swift, self._wanted = swift, wanted
        self._header = _HEADERS[wanted.permission]

    def resolve(self) -> None:
        """Ask whether there is such a project, if that is told. Raises UsageError if there is none."""
        entry = self._entry
        if not self._wanted.revoke and self._swift.knows(entry.partition(":")[0]) is False:
            message = f"the identity service of {self._swift.storage} knows no project {self._wanted.who!r}; check lb.reader or --to"
            raise UnknownGranteeError(message)

    def look(self) -> Found:
        """What the container is like. Raises UsageError if it is missing, Fatal if it is somebody else's."""
        name = self._wanted.bucket
        try:
            told = self._swift.container(name)
        except RefusedError as error:
            message = (
                f"{error}: the container is not in his account, or he has no role for it; use credentials of its owner"
            )
            raise Fatal(message) from error
        if told is None:
            message = (
                f"there is no container {name} at {self._swift.storage}; make it first, or name another by --bucket"
            )
            raise UsageError(message)
        granted = [each for part in told.get(self._header.lower(), "").split(",") if (each := part.strip())]
        return Found(granted, list(self._strangers()))

    def plan(self, found: Found) -> list[Change]:
        """What is to be changed. Raises UsageError if it must not be."""
        wanted, entry = self._wanted, self._entry
        if wanted.revoke:
            after = [each for each in found.granted if each != entry]
        else:
            after = [*found.granted, *([entry] if entry not in found.granted else [])]
        if after == list(found.granted):
            return []
        if found.strangers and not wanted.revoke:
            message = (
                f"{wanted.bucket} holds logs of others too ({found.strangers[0]}), and Swift shows a container as a whole; use one for"
                " each owner: put {account} or {lb} into lb.bucket"
            )
            raise UsageError(message)
        what = "list and read" if wanted.permission == "read" else "put objects into"
        why = f"{entry} may {'no longer ' if wanted.revoke else ''}{what} the container {wanted.bucket}; others stay in its list"
        return [Change("POST container", {self._header: ",".join(after)}, why)]

    def apply(self, change: Change) -> None:
        """Make a change."""
        self._swift.change(self._wanted.bucket, change.arguments)

    def close(self) -> None:
        """There is nothing to let go of."""

    @property
    def _entry(self) -> str:
        """Somebody as Swift's access lists name him. Raises UsageError."""
        who = self._wanted.who
        project = who.partition(":")[0]
        if not _ENTRY.fullmatch(who) or who.startswith((".", "*")):
            message = f"{who!r} cannot stand in Swift's access lists; set lb.reader, or say --to, with PROJECT or PROJECT:USER"
            raise UsageError(message)
        if not self._swift.session.keystone:
            return who
        if not _PROJECT.fullmatch(project):
            message = (
                f"{who!r}: Swift's access lists hold ids of projects, 32 hex digits, and no names; set lb.reader, or say --to, with the id"
                " (`openstack project show NAME`)"
            )
            raise UsageError(message)
        return who if ":" in who else f"{who}:*"

    def _strangers(self) -> list[str]:
        """Whose logs a container holds besides, in AWS's layout, which tells."""
        head, found, rest = self._wanted.scope.partition(_LOGS)
        if self._wanted.permission == "write" or not found or not rest:
            return []
        folders = self._swift.names(self._wanted.bucket, f"{head}{_LOGS}", "/")
        own = f"{head}{_LOGS}{rest.partition('/')[0]}/"
        return [each for each in islice(folders, _MOST) if each != own]
