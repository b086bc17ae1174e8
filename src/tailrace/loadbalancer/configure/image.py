"""A machine made ready to become an image: nothing in it names the one it was, and its copies find their own network."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from glob import escape
from pathlib import Path, PurePosixPath
from typing import Final, Literal

from tailrace.changes import Change
from tailrace.loadbalancer.configure.tree import LARGEST, Tree

Action = Literal["remove", "empty", "rewrite"]
_REMOVED: Final = (
    ("/etc/udev/rules.d/70-persistent-net.rules", "names network cards by the addresses of this machine's"),
    ("/etc/udev/rules.d/70-persistent-cd.rules", "names drives of this machine"),
    ("/etc/udev/rules.d/75-persistent-net-generator.rules", "would write such names anew"),
    ("/lib/udev/rules.d/75-persistent-net-generator.rules", "would write such names anew"),
    ("/usr/lib/udev/rules.d/75-persistent-net-generator.rules", "would write such names anew"),
    ("/etc/ssh/ssh_host_*_key", "a host's key has to be its own"),
    ("/etc/ssh/ssh_host_*_key.pub", "a host's key has to be its own"),
    ("/root/.ssh/authorized_keys*", "lets people in who may not be wanted in copies"),
    ("/home/*/.ssh/authorized_keys*", "lets people in who may not be wanted in copies"),
    *((f"{home}/{name}", "a key, which copies must not have") for home in ("/root", "/home/*") for name in (
        ".ssh/id_*", ".aws/credentials", ".boto",
    )),
    ("/var/lib/tailrace/configure/*", "holds what configurations were, with their secrets"),
    ("/root/.ssh/known_hosts*", "tells where people were"),
    ("/home/*/.ssh/known_hosts*", "tells where people were"),
    *((f"{home}/.{name}", "tells what people did") for home in ("/root", "/home/*") for name in (
        "bash_history", "zsh_history", "sh_history", "ash_history", "history", "python_history", "mysql_history", "psql_history",
        "sqlite_history", "lesshst", "viminfo",
    )),
    ("/var/lib/dbus/machine-id", "is made anew from /etc/machine-id"),
    ("/var/lib/systemd/random-seed", "each machine needs its own"),
    ("/var/lib/cloud/instance", "cloud-init has to begin anew"),
    ("/var/lib/cloud/instances/*", "cloud-init has to begin anew"),
    ("/var/lib/cloud/data/*", "cloud-init has to begin anew"),
    ("/var/lib/cloud/sem/*", "cloud-init has to begin anew"),
    ("/var/lib/dhclient/*.lease*", "is the lease of this machine's address"),
    ("/var/lib/dhcp/*.lease*", "is the lease of this machine's address"),
    ("/var/lib/NetworkManager/*.lease", "is the lease of this machine's address"),
    ("/var/log/journal/*", "logs of this machine"),
)  # fmt: skip
"""What goes, and why. Patterns match what is there at the time."""
_LOG: Final = PurePosixPath("/var/log")
_LOGS: Final = (
    "syslog", "messages", "secure", "maillog", "mail.log", "cron", "cron.log", "spooler", "boot.log", "dmesg", "auth.log", "daemon.log",
    "kern.log", "user.log", "debug", "wtmp", "btmp", "lastlog", "faillog", "tallylog", "haproxy.log", "cloud-init.log",
    "cloud-init-output.log", "yum.log", "dnf.log", "dpkg.log", "alternatives.log", "apt/history.log", "apt/term.log", "audit/audit.log",
    "load-balancer-servo/servo.log", "tailrace/haproxy.log",
)  # fmt: skip
"""Below /var/log: these are emptied, since programs want them there; what rotation has put beside them is removed."""
_DHCP: Final = "/etc/sysconfig/network-scripts/ifcfg-eth*"
_SPOOL: Final = (
    "segments/*",
    "out/*",
    "dead/*",
    "inbox",
    "names",
    "reached.json*",
    "attributes.json*",
    "boot",
    "control",
    "lock",
)
"""What the agent has in its spool."""
_INSTANCE: Final = PurePosixPath("/var/lib/cloud/instance")
"""Cloud-init's own link to what it knows of this machine."""
_OF_CARD: Final = re.compile(r"\s*(?:HWADDR|UUID|PERSISTENT_DHCLIENT)\s*=", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Deed:
    """What is done to a path. `data`: what a file that is rewritten holds then."""

    action: Action
    path: PurePosixPath
    data: bytes = b""


@dataclass(slots=True)
class ImageSetup:
    """Prepares the machine whose root folder it is given. `spool`: the agent's. `follow`: logs that it follows; cleaned below /var/log."""

    root: Path
    spool: str
    follow: Sequence[str] = ()

    def look(self) -> Tree:
        """The root folder."""
        return Tree(self.root)

    def plan(self, found: Tree) -> Sequence[Change]:
        """What has to go or to change; nothing the second time."""
        changes = dict[PurePosixPath, Change]()
        for deed, why in self._deeds(found):
            changes.setdefault(deed.path, Change(deed.action, deed, why))
        return list(changes.values())

    def apply(self, change: Change) -> None:
        """Do one of them. Raises Fatal."""
        tree, deed = Tree(self.root), change.arguments
        if deed.action == "remove":
            tree.remove(deed.path)
        elif tree.kind(deed.path) == "file":
            tree.write(deed.path, deed.data)

    def close(self) -> None:
        """Nothing is held."""

    def _deeds(self, tree: Tree) -> Iterator[tuple[Deed, str]]:
        for pattern, why in _REMOVED:
            yield from ((Deed("remove", path), why) for path in tree.matching(pattern) if _is_left_over(tree, path))
        for path in tree.matching(_DHCP):
            yield from _rewritten(tree, path)
        for name in (*_LOGS, *_followed(self.follow)):
            yield from _cleaned(tree, name)
        # An empty one is filled at the next start; a missing one may be taken for a first start, or not be written at all.
        yield from _emptied(tree, PurePosixPath("/etc/machine-id"), "each machine needs its own")
        yield from _of_spool(tree, PurePosixPath("/") / self.spool)


def _is_left_over(tree: Tree, path: PurePosixPath) -> bool:
    """Whether it says something: a link, often to /dev/null, was put there on purpose, and so was an empty file of rules."""
    kind = tree.kind(path)
    if kind == "link":
        return path == _INSTANCE
    return kind == "folder" or (kind == "file" and (tree.size(path) > 0 or path.suffix != ".rules"))


def _rewritten(tree: Tree, path: PurePosixPath) -> Iterator[tuple[Deed, str]]:
    """A network card's settings, with a lease that is asked for again and again, and for whatever card there is."""
    if (
        tree.kind(path) != "file"
        or tree.size(path) >= LARGEST
        or path.name.endswith((".bak", ".orig", ".rpmsave", ".rpmnew", "~"))
    ):
        return
    old = tree.read(path)
    lines = [line for line in old.decode("utf-8", "surrogateescape").split("\n") if not _OF_CARD.match(line)]
    while lines and not lines[-1].strip():
        lines.pop()
    new = "\n".join([*lines, "PERSISTENT_DHCLIENT=1", ""]).encode("utf-8", "surrogateescape")
    if new != old:
        yield Deed("rewrite", path, new), "PERSISTENT_DHCLIENT=1, and no address of a card (HWADDR, UUID)"


def _followed(paths: Sequence[str]) -> Iterator[str]:
    """Those logs of the agent's that are where logs are: elsewhere a path may be anything."""
    for path in map(PurePosixPath, paths):
        if path.is_relative_to(_LOG) and path != _LOG and ".." not in path.parts:
            yield str(path.relative_to(_LOG))


def _cleaned(tree: Tree, name: str) -> Iterator[tuple[Deed, str]]:
    path = _LOG / name
    yield from _emptied(tree, path, "logs of this machine")
    exact = escape(str(path))
    for pattern in (f"{exact}.[0-9]*", f"{exact}-[0-9]*", f"{exact}.old"):
        yield from (
            (Deed("remove", each), "logs of this machine")
            for each in tree.matching(pattern)
            if tree.kind(each) == "file"
        )


def _of_spool(tree: Tree, spool: PurePosixPath) -> Iterator[tuple[Deed, str]]:
    """What the agent keeps, if that folder is the agent's at all."""
    if spool.parent == spool or tree.kind(spool / "segments") != "folder":
        return
    for name in _SPOOL:
        yield from (
            (Deed("remove", path), "lines of this machine's load balancer") for path in tree.matching(f"{spool}/{name}")
        )


def _emptied(tree: Tree, path: PurePosixPath, why: str) -> Iterator[tuple[Deed, str]]:
    if tree.kind(path) == "file" and tree.size(path):
        yield Deed("empty", path), why
