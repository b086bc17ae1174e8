"""Which load balancer this machine is, and whose: from the settings, and what they do not tell from instance metadata."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from ipaddress import ip_address
from typing import Any, Final

from tailrace.accesslogging import AccessLogging
from tailrace.clouds.direct.metadata import Metadata
from tailrace.errors import Retryable, UsageError
from tailrace.loadbalancer.model import Balancer

_META: Final = "latest/meta-data"
_MACS: Final = f"{_META}/network/interfaces/macs"
_INTERFACES: Final = 16
"""A machine has no more of them, or the rest does not count."""
_GROUP: Final = re.compile(r"euca-internal-(\d{12})-([A-Za-z0-9][A-Za-z0-9-]*)")
"""Eucalyptus puts each of its load balancers into a group of this name."""
_ASSIGNMENT: Final = re.compile(r"""(?:^|;)\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_.-]*)\s*[=:]\s*["']?([^"';]*)""")
_NAMES: Final = ("loadbalancer_name", "load_balancer_name", "lb_name", "lb")
_ACCOUNTS: Final = ("loadbalancer_owner_account", "lb_account", "owner_account", "account")
"""What they are called in user data, the first that is there; Eucalyptus tells the first account."""
_WORD: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_NOWHERE: Final = "it is not known {what}: the instance's metadata does not tell; set lb.{setting}"

Ask = Callable[[str], str | None]


def balancer(lb: AccessLogging, region: str, ask: Ask | None = None) -> Balancer:
    """The load balancer of this machine. `region`: as names of objects have it. `ask`: instance metadata, that of `lb.metadata` if not given.

    Nothing is asked that the settings tell. Raises UsageError that names the setting to give where nothing, or nothing
    sensible, or two different things are told; Retryable, which names it too, if the metadata service cannot be asked now.
    """
    asked = _Asked(ask or (Metadata(lb.metadata).get if lb.metadata else None))
    name = lb.name or asked.name
    account = lb.account or asked.account
    address = lb.address or asked.address
    instance = lb.instance or (asked.instance if _named(lb) else "")
    return Balancer(name=name, account=account, region=region, address=address, instance=instance)


def _named(lb: AccessLogging) -> bool:
    """Whether the instance is part of a name."""
    return any(each == "eucalyptus" or "{instance" in each for each in (lb.bucket, lb.layout))


@dataclass(frozen=True)
class _Asked:
    """What metadata tells, asked for when it is wanted."""

    ask: Ask | None

    def get(self, path: str, what: str, setting: str) -> str:
        """What is there, without space around it; empty for nothing."""
        if self.ask is None:
            message = f"it is not known {what}, and lb.metadata names no service to ask; set lb.{setting}"
            raise UsageError(message)
        try:
            return (self.ask(path) or "").strip()
        except Retryable as error:
            message = f"{error}; set lb.{setting}, or lb.metadata to the right URL"
            raise Retryable(message, error.after) from error

    @cached_property
    def name(self) -> str:
        """Name of the load balancer."""
        what, setting = "which load balancer this is", "name"
        found = {name for _, name in self._groups(what, setting)} or _told(self._user_data(what, setting), _NAMES)
        return _single(found, what, setting)

    @cached_property
    def account(self) -> str:
        """Whose it is; the owner of the machine only if nothing tells the owner of the load balancer, for they may differ."""
        what, setting = "whose load balancer this is", "account"
        groups = {account for account, _ in self._groups(what, setting)}
        data = _told(self._user_data(what, setting), _ACCOUNTS)
        return _single(groups | data or self._machine_owner(what, setting), what, setting)

    def _machine_owner(self, what: str, setting: str) -> set[str]:
        document = _json(self.get("latest/dynamic/instance-identity/document", what, setting))
        if account := str(document.get("accountId") or ""):
            return {account}
        owners = {self.get(f"{_MACS}/{mac}/owner-id", what, setting) for mac in self._macs(what, setting)}
        if owners := owners - {""}:
            return owners
        project = _json(self.get("openstack/latest/meta_data.json", what, setting)).get("project_id")
        return {str(project)} if project else set()

    @cached_property
    def address(self) -> str:
        """Its public address, or else its private one."""
        what, setting = "under which address this load balancer is", "address"
        for found in self._addresses(what, setting):
            if _usable(found):
                return found
        raise UsageError(_NOWHERE.format(what=what, setting=setting))

    def _addresses(self, what: str, setting: str) -> Iterator[str]:
        yield self.get(f"{_META}/public-ipv4", what, setting)
        for mac in self._macs(what, setting):
            yield from self.get(f"{_MACS}/{mac}/public-ipv4s", what, setting).split()
        yield self.get(f"{_META}/local-ipv4", what, setting)

    @cached_property
    def instance(self) -> str:
        """Id of this machine."""
        what, setting = "which instance this is", "instance"
        told = self.get(f"{_META}/instance-id", what, setting)
        return _single({told} - {""}, what, setting)

    def _groups(self, what: str, setting: str) -> set[tuple[str, str]]:
        """Accounts and load balancers in the names of security groups."""
        lines = self.get(f"{_META}/security-groups", what, setting).splitlines()
        return {(match[1], match[2]) for line in lines if (match := _GROUP.fullmatch(line.strip()))}

    def _user_data(self, what: str, setting: str) -> dict[str, str]:
        """What user data sets, as KEY=VALUE or in a JSON object."""
        text = self.get("latest/user-data", what, setting)
        if text.startswith("{"):
            return {name: str(value) for name, value in _json(text).items() if isinstance(value, str | int)}
        found = (match for line in text.splitlines() for match in _ASSIGNMENT.finditer(line))
        return {match[1]: match[2].strip() for match in found}

    def _macs(self, what: str, setting: str) -> list[str]:
        macs = [line.strip("/ ") for line in self.get(f"{_MACS}/", what, setting).splitlines()]
        return [mac for mac in macs if re.fullmatch(r"(?:[0-9a-fA-F]{2}:){5}[0-9a-fA-F]{2}", mac)][:_INTERFACES]


def _told(data: dict[str, str], names: tuple[str, ...]) -> set[str]:
    return set(next(([data[name]] for name in names if data.get(name)), []))


def _single(found: set[str], what: str, setting: str) -> str:
    """What all agree on."""
    if not found:
        raise UsageError(_NOWHERE.format(what=what, setting=setting))
    told = sorted(found)
    if len(told) > 1:
        both = " and ".join(map(repr, told[:2]))
        message = f"it is not known {what}: the instance's metadata tells {both}; set lb.{setting}"
        raise UsageError(message)
    if not _WORD.fullmatch(told[0]):
        message = f"it is not known {what}: {told[0][:80]!r} in the instance's metadata is no name; set lb.{setting}"
        raise UsageError(message)
    return told[0]


def _usable(address: str) -> bool:
    try:
        found = ip_address(address)
    except ValueError:
        return False
    return not (found.is_unspecified or found.is_loopback or found.is_multicast)


def _json(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
