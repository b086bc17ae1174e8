"""A request that is understood: who asks, for which action, with which parameters."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from xml.etree import ElementTree as ET

from tailrace.loadbalancer.api.accounts import Registered, User
from tailrace.loadbalancer.api.database import Author
from tailrace.loadbalancer.api.directory import Directory
from tailrace.loadbalancer.api.forwarding import Forwarding, good
from tailrace.loadbalancer.api.http import Answer
from tailrace.loadbalancer.api.keeping import Keeping
from tailrace.loadbalancer.api.parameters import Parameters, whole
from tailrace.loadbalancer.api.reading import parsed
from tailrace.loadbalancer.api.refusals import Refusal, denied, invalid, missing, shown
from tailrace.loadbalancer.api.xml import Element


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request. `use`: uses up its signature, and raises Refusal if it was used before. `seen`: is told which load balancer is meant."""

    action: str
    version: str
    parameters: Parameters
    by: Author
    use: Callable[[], None]
    seen: Callable[[Registered], None]

    def required(self, name: str) -> str:
        """A parameter that has to be. Raises Refusal."""
        value = self.parameters.get(name)
        if not value:
            message = f"{name[:1].lower()}{name[1:]}"
            raise missing(message)
        return value

    @property
    def user(self) -> User:
        """Who asks."""
        return self.by.user

    @property
    def classic(self) -> bool:
        """Whether the API of classic load balancers is spoken."""
        return self.version == "2012-06-01"

    def may_change(self) -> None:
        """Raises Refusal if the user only reads, or if this very request was made before."""
        if self.user.read_only:
            message = f"User: {self.user.name} is not authorized to perform: elasticloadbalancing:{self.action}"
            raise denied(message)
        self.use()


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """What actions work with. `cloud`: the cloud's own endpoint, if others' matters are forwarded to it."""

    directory: Directory
    keeping: Keeping
    cloud: Forwarding | None = None

    def forwards(self, user: User) -> bool:
        """Whether the cloud is asked for this user."""
        return self.cloud is not None and not user.balancers

    def forwarded(self, asked: Asked, parameters: Parameters | None = None) -> Answer | None:
        """What the cloud says to the same, or to other parameters; None if nothing is forwarded for this user. Raises Refusal."""
        if self.cloud is None or not self.forwards(asked.user):
            return None
        if not asked.action.startswith("Describe"):
            asked.may_change()
        return self.cloud.ask(asked.user, asked.parameters if parameters is None else parameters)

    def others(self, asked: Asked) -> ET.Element | None:
        """The cloud's answer, to be told together with what is kept here; None if it has none."""
        try:
            answer = self.forwarded(asked)
        except Refusal:
            return None
        return parsed(answer.body) if answer and good(answer) else None


Action = Callable[[Asked, Desk], "Sequence[Element] | Answer"]
"""Does what is asked: the result, or an answer that is passed on. Raises Refusal."""
Actions = Mapping[str, Action]


def size_of(asked: Asked, most: int) -> int:
    """So many are asked for on a page. Raises Refusal."""
    size = whole(asked.parameters.get("PageSize", str(most)), "PageSize")
    if not 1 <= size <= most:
        message = f"'PageSize' must be from 1 to {most}, not {size}"
        raise invalid(message)
    return size


def page(found: Sequence[Registered], asked: Asked, most: int) -> tuple[Sequence[Registered], str]:
    """So many of what was found as are asked for, and the marker of the rest; empty if there is none. Raises Refusal."""
    size = size_of(asked, most)
    marker = asked.parameters.get("Marker", "")
    rest = [each for each in sorted(found, key=str) if str(each) > marker]
    if marker and marker not in map(str, found):
        message = f"'{shown(marker)}' is no marker that was given"
        raise invalid(message)
    return rest[:size], str(rest[size - 1]) if len(rest) > size else ""
