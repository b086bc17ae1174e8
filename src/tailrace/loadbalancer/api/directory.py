"""Which load balancer is meant, and whether it is any business of whoever asks.

Those of the accounts file come first; others the cloud's own endpoint is asked for, if there is one, as the user who asks.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final
from xml.etree import ElementTree as ET

from tailrace.loadbalancer.api.accounts import Accounts, Kind, Registered, User
from tailrace.loadbalancer.api.database import Author, Database
from tailrace.loadbalancer.api.forwarding import Forwarding, good
from tailrace.loadbalancer.api.http import Answer
from tailrace.loadbalancer.api.reading import parsed, texts
from tailrace.loadbalancer.api.refusals import Refusal, invalid, shown

_ARN: Final = re.compile(
    r"arn:[a-z-]+:elasticloadbalancing:([A-Za-z0-9_.-]+):([A-Za-z0-9_.$-]+):loadbalancer/(app|net|gwy)/([A-Za-z0-9_.-]+)/([0-9a-f]+)"
)
_ACCOUNT: Final = re.compile(r"[0-9]{12}")
_VERSIONS: Final[dict[Kind, str]] = {"classic": "2012-06-01", "application": "2015-12-01"}
_NOT_THERE: Final = ("LoadBalancerNotFound", "AccessPointNotFound")


@dataclass(frozen=True, slots=True, kw_only=True)
class Directory:
    """The load balancers of all accounts. `cloud`: its own endpoint, if there is one to ask."""

    accounts: Callable[[], Accounts]
    database: Database
    cloud: Forwarding | None = None

    def named(self, by: Author, name: str) -> Registered:
        """The classic load balancer of a name. An operator may write ACCOUNT/NAME. Raises Refusal."""
        account, slash, rest = name.rpartition("/") if by.user.operator else ("", "", name)
        found: Sequence[Registered] = [
            each
            for each in self.known(by.user, "classic")
            if each.name == rest and (not slash or each.account == account)
        ]
        found = found or self._asked(by, "classic", rest, account)
        if len(found) > 1:
            several = " or ".join(map(str, found))
            message = f"Load balancers of several accounts have this name: write {shown(several)}"
            raise invalid(message)
        if not found:
            message = f"There is no ACTIVE Load Balancer named '{shown(name)}'"
            raise not_found(message)
        return found[0]

    def followed(self, by: Author, name: str) -> Registered:
        """The same; for those who follow what is wanted, and know a load balancer by its name only, also an application load balancer."""
        try:
            return self.named(by, name)
        except Refusal:
            known = self.known(by.user, "application")
            found = [each for each in known if name in (each.name, str(each) if by.user.operator else each.name)]
            if len(found) == 1 and (by.user.read_only or by.user.operator):
                return found[0]
            raise

    def at(self, by: Author, arn: str) -> Registered:
        """The load balancer of an ARN. Raises Refusal."""
        match = _ARN.fullmatch(arn)
        if not match:
            message = f"'{shown(arn)}' is not a valid load balancer ARN"
            raise invalid(message)
        _region, account, _short, name, number = match.groups()
        found = [each for each in self.known(by.user, "application") if each.arn == arn]
        if not found and (by.user.operator or account == by.user.account):
            found = [each for each in self._asked(by, "application", name, account, arn) if each.id == number]
        if not found:
            message = f"Load balancer '{shown(arn)}' not found"
            raise not_found(message)
        return found[0]

    def known(self, user: User, kind: Kind) -> Sequence[Registered]:
        """The load balancers of the accounts file that a user sees."""
        return [each for each in self.accounts().balancers if each.kind == kind and user.sees(each)]

    def foreign(self, user: User, kind: Kind, members: Iterable[ET.Element]) -> Iterator[ET.Element]:
        """Those of the load balancers told by the cloud that the accounts file does not tell of."""
        known = {(each.account, each.name) for each in self.known(user, kind)}
        for member in members:
            told = texts(member)
            if told.get("LoadBalancerName"):
                found = self._registered(member, told, user, kind)
                if (found.account, found.name) not in known:
                    yield member

    def _asked(self, by: Author, kind: Kind, name: str, account: str, arn: str = "") -> Sequence[Registered]:
        """The same from the cloud; what it has told before counts where it does not answer, or does not tell an operator."""
        if self.cloud is None or (by.user.balancers and name not in by.user.balancers):
            return []
        user = by.user
        which = {"LoadBalancerArns.member.1": arn} if arn else {"LoadBalancerNames.member.1": name}
        common = {"Action": "DescribeLoadBalancers", "Version": _VERSIONS[kind]}
        remembered = [
            each for each in self.database.registered(kind, name) if user.sees(each) and account in ("", each.account)
        ]
        try:
            told = self.cloud.ask(user, {**common, **which})
        except Refusal:
            if remembered:
                return remembered
            raise
        found = [each for each in self._told(told, user, kind) if each.name == name and account in ("", each.account)]
        if user.operator:
            return remembered or found
        if found:
            self._remember(by, remembered, found[0])
        elif _code(told) in _NOT_THERE:
            for each in remembered:
                self.database.forget(each, by)
        return found

    def _remember(self, by: Author, before: Sequence[Registered], now: Registered) -> None:
        for each in before:
            if each.created and now.created and each.created != now.created:
                self.database.forget(each, by)  # one of the same name was there before, and is gone
        if now not in before:
            self.database.register(now)

    def _told(self, answer: Answer, user: User, kind: Kind) -> Iterator[Registered]:
        tree = parsed(answer.body) if good(answer) else None
        if tree is None:
            return
        for member in tree.iter():
            told = texts(member)
            if "LoadBalancerName" not in told or not re.fullmatch(r"[A-Za-z0-9_.-]{1,255}", told["LoadBalancerName"]):
                continue
            yield self._registered(member, told, user, kind)

    def _registered(self, member: ET.Element, told: dict[str, str], user: User, kind: Kind) -> Registered:
        found = Registered(
            account=user.account,
            name=told["LoadBalancerName"],
            kind=kind,
            region=self.accounts().region,
            dns_name=told.get("DNSName", ""),
            created=told.get("CreatedTime", ""),
        )
        if match := _ARN.fullmatch(told.get("LoadBalancerArn", "")):
            return replace(found, region=match[1], account=match[2], id=match[5])
        owner = next((each.text or "" for each in member.iter() if each.tag.endswith("}OwnerAlias")), "")
        return replace(found, account=owner) if user.operator and _ACCOUNT.fullmatch(owner) else found


def not_found(message: str) -> Refusal:
    """A load balancer that is not there, or is no business of whoever asks."""
    return Refusal("LoadBalancerNotFound", message)


def _code(answer: Answer) -> str:
    tree = parsed(answer.body)
    codes = (
        [each.text or "" for each in tree.iter() if each.tag.rpartition("}")[2] == "Code"] if tree is not None else []
    )
    return codes[0] if codes else ""
