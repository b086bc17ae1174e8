"""The load balancers that a user sees, page by page: those that are known here, and after them those of the cloud's own endpoint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tailrace.loadbalancer.api.accounts import Kind, Registered
from tailrace.loadbalancer.api.asking import Asked, Desk, page, size_of
from tailrace.loadbalancer.api.forwarding import good
from tailrace.loadbalancer.api.http import Answer
from tailrace.loadbalancer.api.reading import elements, first, parsed
from tailrace.loadbalancer.api.refusals import Refusal
from tailrace.loadbalancer.api.xml import Element

Member = str | Sequence[Element]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sought:
    """What is looked for. `ours`: those known here that are meant; `rest`: parameters that name all others, None for whatever there is.

    `tag`: of the list in an answer; `most`: on a page.
    """

    kind: Kind
    ours: Sequence[Registered]
    rest: Mapping[str, str] | None
    tag: str
    most: int


@dataclass(frozen=True, slots=True)
class Page:
    """Some of them, and the marker of what follows; empty if nothing does."""

    ours: Sequence[Registered]
    theirs: Sequence[Member]
    marker: str


def listing(asked: Asked, desk: Desk, sought: Sought) -> Page | Answer:
    """The page that is asked for, or what the cloud answers if that is all there is to be told. Raises Refusal."""
    marker = asked.parameters.get("Marker", "")
    begun = bool(marker) and desk.forwards(asked.user) and marker not in map(str, sought.ours)
    ours, following = ([], "") if begun else page(sought.ours, asked, sought.most)
    if following or not desk.forwards(asked.user) or sought.rest == {}:
        return Page(ours, [], following)
    room = size_of(asked, sought.most) - len(ours)
    if not room:
        return Page(ours, [], str(ours[-1]))
    needed = begun or bool(sought.rest)
    try:
        answer = desk.forwarded(asked, _asking(asked, sought, room, marker if begun else ""))
    except Refusal:
        if needed:
            raise
        return Page(ours, [], "")
    if answer is None or not good(answer):
        return answer if answer is not None and needed else Page(ours, [], "")
    return Page(ours, *_theirs(asked, desk, sought, answer))


def _asking(asked: Asked, sought: Sought, room: int, marker: str) -> Mapping[str, str]:
    told = {"Action": asked.action, "Version": asked.version, **(sought.rest or {})}
    if "PageSize" in asked.parameters and not sought.rest:
        told["PageSize"] = str(room)
    return told | ({"Marker": marker} if marker else {})


def _theirs(asked: Asked, desk: Desk, sought: Sought, answer: Answer) -> tuple[Sequence[Member], str]:
    tree = parsed(answer.body)
    found = first(tree, sought.tag) if tree is not None else None
    following = first(tree, "NextMarker") if tree is not None else None
    members = desk.directory.foreign(asked.user, sought.kind, found if found is not None else ())
    return [elements(each) for each in members], (following.text or "").strip() if following is not None else ""


def named(name: str, values: Sequence[str]) -> Mapping[str, str]:
    """A list, as parameters."""
    return {f"{name}.member.{number}": value for number, value in enumerate(values, 1)}
