from __future__ import annotations

import os
from pathlib import Path

import pytest

from tailrace.changes import Change
from tailrace.loadbalancer.configure.image import ImageSetup

SPOOL = "/var/spool/tailrace-lb"
FOLLOW = (
    "/var/log/own/balancer.log",
    "/srv/balancer.log",
    "/var/log/../../srv/balancer.log",
    "/var/log",
    "/var/log/mine*",
)
NAMED = "HWADDR=52:54:00:12:34:56\n"
FILES = {
    "etc/udev/rules.d/70-persistent-net.rules": 'SUBSYSTEM=="net", NAME="eth0"\n',
    "usr/lib/udev/rules.d/75-persistent-net-generator.rules": "# rules\n",
    "etc/sysconfig/network-scripts/ifcfg-eth0": f'DEVICE="eth0"\nBOOTPROTO=dhcp\n{NAMED}UUID="1-2"\nONBOOT=yes\n\n',
    "etc/ssh/ssh_host_rsa_key": "secret",
    "etc/ssh/ssh_host_rsa_key.pub": "public",
    "root/.ssh/authorized_keys": "ssh-rsa A",
    "home/cloud/.ssh/authorized_keys": "ssh-rsa B",
    "root/.ssh/id_rsa": "secret",
    "root/.ssh/id_ed25519.pub": "public",
    "home/cloud/.ssh/id_ecdsa": "secret",
    "root/.aws/credentials": "secret",
    "home/cloud/.aws/credentials": "secret",
    "root/.boto": "secret",
    "home/cloud/.boto": "secret",
    "var/lib/tailrace/configure/1.json": "secret",
    "var/log/own/balancer.log": "x",
    "var/log/own/balancer.log.1": "x",
    "root/.bash_history": "passwd\n",
    "etc/machine-id": "0123\n",
    "var/log/messages": "x",
    "var/log/messages-20261101": "x",
    "var/log/haproxy.log": "x",
    "var/log/haproxy.log.1.gz": "x",
    "var/log/wtmp": "x",
    "var/log/journal/0123/system.journal": "x",
    "var/lib/cloud/instances/i-1/sem/config": "x",
    "var/lib/dhclient/dhclient-eth0.leases": "x",
    f"{SPOOL[1:]}/segments/1-2-abcdefgh.closed": "line",
    f"{SPOOL[1:]}/reached.json": "{}",
}
KEPT = {
    "etc/sysconfig/network-scripts/ifcfg-lo": f"DEVICE=lo\n{NAMED}",
    "etc/sysconfig/network-scripts/ifcfg-eth0.rpmsave": NAMED,
    "etc/ssh/sshd_config": "Port 22\n",
    "etc/haproxy/haproxy.cfg": "global\n",
    "root/.ssh/config": "Host x\n",
    "root/.aws/config": "[default]\n",
    "root/.bashrc": "alias\n",
    "home/cloud/data/important": "x",
    "var/log/load-balancer-servo/other.db": "x",
    "var/log/messages.txt": "x",
    "var/lib/mysql/messages": "x",
    f"{SPOOL[1:]}/notes.txt": "mine",
    "var/log/mine.txt": "x",
    "srv/balancer.log": "x",
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "image"
    for name, text in {**FILES, **KEPT}.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (root / "var/lib/cloud/instance").symlink_to("instances/i-1")
    return root


def changes(root: Path) -> list[Change]:
    setup = ImageSetup(root, SPOOL, FOLLOW)
    return list(setup.plan(setup.look()))


def prepare(root: Path) -> None:
    setup = ImageSetup(root, SPOOL, FOLLOW)
    for change in setup.plan(setup.look()):
        setup.apply(change)


def files(root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_symlink() or path.is_file()}


def test_planning_changes_nothing(root: Path) -> None:
    before = files(root)
    assert {change.call for change in changes(root)} == {"remove", "empty", "rewrite"}
    assert files(root) == before


def test_all_that_names_the_machine_is_gone_and_nothing_else(root: Path) -> None:
    prepare(root)
    emptied = {"etc/machine-id", "var/log/messages", "var/log/haproxy.log", "var/log/wtmp", "var/log/own/balancer.log"}
    assert files(root) == {*KEPT, *emptied, "etc/sysconfig/network-scripts/ifcfg-eth0"}
    assert {name for name in emptied if (root / name).read_text()} == set()
    assert {name: (root / name).read_text() for name in KEPT} == KEPT


def test_a_card_asks_for_its_address_for_ever_and_is_no_certain_one(root: Path) -> None:
    prepare(root)
    text = (root / "etc/sysconfig/network-scripts/ifcfg-eth0").read_text()
    assert text == 'DEVICE="eth0"\nBOOTPROTO=dhcp\nONBOOT=yes\nPERSISTENT_DHCLIENT=1\n'


def test_twice_is_nothing_to_do(root: Path) -> None:
    prepare(root)
    assert changes(root) == []


def test_modes_stay(root: Path) -> None:
    (root / "etc/machine-id").chmod(0o444)
    (root / "var/log/wtmp").chmod(0o664)
    prepare(root)
    assert [(root / name).stat().st_mode & 0o777 for name in ("etc/machine-id", "var/log/wtmp")] == [0o444, 0o664]


@pytest.mark.parametrize("relative", [True, False])
def test_links_are_never_followed_out_of_the_image(root: Path, tmp_path: Path, *, relative: bool) -> None:
    outside = tmp_path / "outside"
    for name in (
        "log/messages",
        "ssh/ssh_host_rsa_key",
        "home/.ssh/authorized_keys",
        "home/.bash_history",
        "spool/segments/1.open",
        "id",
    ):
        (outside / name).parent.mkdir(parents=True, exist_ok=True)
        (outside / name).write_text("mine")
    before = files(outside)
    links = {"var/log": "log", "etc/ssh": "ssh", "home/cloud": "home", SPOOL[1:]: "spool", "etc/machine-id": "id"}
    for name, where in links.items():
        path = root / name
        path.rename(tmp_path / f"old-{where}")
        path.symlink_to(os.path.relpath(outside / where, path.parent) if relative else outside / where)
    prepare(root)
    assert files(outside) == before
    assert {(outside / name).read_text() for name in before} == {"mine"}
    assert all((root / name).is_symlink() for name in links)


def test_links_and_empty_rules_were_put_there_on_purpose(root: Path) -> None:
    rules = root / "etc/udev/rules.d"
    (rules / "75-persistent-net-generator.rules").symlink_to("/dev/null")
    (rules / "70-persistent-net.rules").write_text("")
    prepare(root)
    assert sorted(path.name for path in rules.iterdir()) == [
        "70-persistent-net.rules",
        "75-persistent-net-generator.rules",
    ]


def test_files_that_are_none_are_left_alone(root: Path) -> None:
    path = root / "var/log/syslog"
    os.mkfifo(path)
    prepare(root)
    assert path.is_fifo()


@pytest.mark.parametrize("spool", ["/", "/boot", "/home", "boot/../.."])
def test_a_folder_that_is_no_spool_is_left_alone(root: Path, spool: str) -> None:
    (root / "boot/out").mkdir(parents=True)
    (root / "boot/out/vmlinuz").write_text("x")
    (root / "segments").mkdir()
    setup = ImageSetup(root, spool)
    assert not [change for change in setup.plan(setup.look()) if "balancer" in change.why]


def test_an_empty_root_is_ready(tmp_path: Path) -> None:
    assert changes(tmp_path) == []
