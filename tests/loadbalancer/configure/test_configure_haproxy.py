"""`tailrace lb configure` with a real HAProxy."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from applianceparts import Receiver, await_that, configuration, free_port, get, receiver, send, server

from parsing import kernel_named, read
from services.balancing import HAProxy, haproxy, program
from tailrace.clock import SystemClock
from tailrace.errors import Fatal, UsageError
from tailrace.loadbalancer.configure.haproxy import Doing, HaproxySetup
from tailrace.loadbalancer.configure.lines import Wish
from tailrace.loadbalancer.configure.memory import Kept, Memory
from tailrace.loadbalancer.configure.processes import Process, Running, processes, running
from tailrace.loadbalancer.configure.reloading import Patience, reloads

HOSTILE = b'Mozilla "x" \\ ] \x1b[0m \xc3\xa9 tailrace-end {a|b}'
REQUESTS = (
    get(b"/a?b=%22c", HOSTILE),
    get(b"/deny/x"),
    get(b"/none"),
    get(b"/moved"),
    get(b"/" + b"u" * 3000, b"a" * 3000),
    b"NO HTTP\r\n\r\n",
)


@dataclass
class Machine:
    """A machine with HAProxy on it, and what its two log targets are sent."""

    folder: Path
    config: Path
    front: int
    tcp: int
    appliance: Receiver
    ours: Receiver
    said: list[str]

    def setup(self, *, undo: bool = False, longest: float = 20.0, **doing: object) -> HaproxySetup:
        return HaproxySetup(
            given=(self.config,),
            wish=None if undo else Wish(to=f"unix:{self.ours.path}"),
            doing=Doing(patience=Patience(longest, 0.2), **doing),  # type: ignore[arg-type]
            memory=Memory(self.folder / "kept"),
            clock=SystemClock(),
            say=self.said.append,
        )

    def do(self, setup: HaproxySetup) -> list[str]:
        changes = setup.plan(setup.look())
        for change in changes:
            setup.apply(change)
        return [change.call for change in changes]

    def running(self) -> HAProxy:
        return self.stack.enter_context(haproxy(self.config, self.front, self.tcp))

    def send(self) -> tuple[list[bytes], list[bytes]]:
        """What the appliance was sent of all requests, and we."""
        for each in (self.appliance, self.ours):
            each.lines.clear()
        for count, request in enumerate(REQUESTS, 1):
            send(self.front, request)
            self.appliance.await_lines(count)
            if b"tailrace-" in self.config.read_bytes():
                self.ours.await_lines(count)
        send(self.tcp, get(b"/tcp"))
        return self.appliance.await_lines(len(REQUESTS) + 1), self.ours.lines[:]

    stack: ExitStack


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    with ExitStack() as stack:
        back = stack.enter_context(server())
        front = free_port()
        config = tmp_path / "haproxy.cfg"
        # Both are reserved at once, or else they would be one.
        tcp = next(port for port in range(front + 1, 24_000) if port != back)
        config.write_text(configuration(tmp_path, front, back, tcp=tcp))
        appliance = stack.enter_context(receiver(tmp_path / "appliance.sock"))
        ours = stack.enter_context(receiver(tmp_path / "ours.sock"))
        yield Machine(tmp_path, config, front, tcp, appliance, ours, [], stack)


def records(lines: list[bytes]) -> list[dict[str, Any]]:
    told = read(kernel_named("reference"), b"".join(lines))
    assert not told.rejects
    return told.records()


def version_of(path: Path) -> tuple[int, ...]:
    return (path.stat().st_mode, path.stat().st_uid, path.stat().st_gid)


@pytest.mark.parametrize("length", ["len 8192 ", ""])
def test_the_appliance_is_sent_the_same_bytes_and_we_all_fields(machine: Machine, length: str) -> None:
    machine.config.write_text(machine.config.read_text().replace("len 8192 format", f"{length}format"))
    machine.running()
    before, nothing = machine.send()
    assert not nothing
    assert machine.do(machine.setup()) == ["replace", "reload"]
    after, _ = machine.send()
    assert after == before
    found = records(machine.ours.await_lines(len(REQUESTS) + 1))
    assert [each["format"] for each in found] == ["haproxy_tailrace"] * len(found)
    assert [each.get("status_code") for each in found] == [200, 403, 503, 302, 200, 400, None]
    first = found[0]
    assert first["user_agent"] == HOSTILE.decode()
    assert first["request_host"] == "www.example.com"
    assert first["request_url"] == "/a?b=%22c"
    assert (first["server"], first["server_status_code"]) == ("s", 200)
    assert first["bytes_uploaded"]
    assert found[3]["response_location"] == "https://example.com/there"
    assert found[4]["request_url_whole"] == "/" + "u" * 3000
    assert found[4]["user_agent"] == "a" * 3000
    assert found[6]["frontend"] == f"tcp-{machine.tcp}"
    # What stands beside our fields is what the appliance is sent.
    for theirs, each in zip(after[:4], found, strict=False):
        assert theirs.rstrip(b"\n").endswith(str(each.get("beside", "")).encode())
    assert ("beside" in first) == (b"log-format-sd" in machine.config.read_bytes())


def test_twice_is_nothing_to_do(machine: Machine) -> None:
    machine.running()
    machine.do(machine.setup())
    content = machine.config.read_bytes()
    assert machine.do(machine.setup()) == []
    assert machine.config.read_bytes() == content


def test_undo_brings_back_every_byte(machine: Machine) -> None:
    machine.running()
    before, _ = machine.send()
    content, found = machine.config.read_bytes(), version_of(machine.config)
    machine.do(machine.setup())
    assert machine.do(machine.setup(undo=True)) == ["replace", "reload"]
    assert (machine.config.read_bytes(), version_of(machine.config)) == (content, found)
    assert machine.send() == (before, [])
    assert machine.do(machine.setup(undo=True)) == []
    assert not list((machine.folder / "kept").iterdir())


def test_undo_after_others_have_changed_the_file_takes_only_our_lines(machine: Machine) -> None:
    content = machine.config.read_text()
    machine.do(machine.setup())
    changed = machine.config.read_text().replace("maxconn 200", "maxconn 300")
    machine.config.write_text(changed)
    setup = machine.setup(undo=True)
    (replace,) = setup.plan(setup.look())
    assert "somebody has changed it since, so only Tailrace's lines go" in replace.arguments.told[0]
    setup.apply(replace)
    assert machine.config.read_text() == content.replace("maxconn 200", "maxconn 300")


def test_undo_after_a_second_time_is_what_was_before_the_first(machine: Machine) -> None:
    content = machine.config.read_bytes()
    machine.do(machine.setup())
    second = machine.setup()
    second.wish = Wish(to="udp:127.0.0.1:5514")
    assert machine.do(second) == ["replace"]
    assert b"ours.sock" not in machine.config.read_bytes()
    machine.do(machine.setup(undo=True))
    assert machine.config.read_bytes() == content


def test_undo_without_memory_takes_what_stands_between_the_marks(machine: Machine) -> None:
    content = machine.config.read_bytes()
    machine.do(machine.setup())
    setup = machine.setup(undo=True)
    setup.memory = Memory(machine.folder / "none")
    machine.do(setup)
    assert machine.config.read_bytes() == content


def test_links_modes_and_owners_stay(machine: Machine) -> None:
    link = machine.folder / "link.cfg"
    link.symlink_to(machine.config)
    machine.config.chmod(0o640)
    if not os.geteuid():
        os.chown(machine.config, 12, 34)
    before = version_of(machine.config)
    machine.config, real = link, machine.config
    machine.do(machine.setup())
    assert link.is_symlink()
    assert b"tailrace-http" in real.read_bytes()
    assert version_of(real) == before


def test_old_workers_are_replaced_and_requests_go_on(machine: Machine) -> None:
    own = machine.running()
    (before,) = running([machine.config])
    machine.do(machine.setup())
    (after,) = running([machine.config])
    assert after.head.pid == before.head.pid == own.pid
    assert not {each.pid for each in after.workers} & {each.pid for each in before.workers}
    new = ", ".join(str(each.pid) for each in after.workers)
    assert machine.said == [f"kill -USR2 {own.pid}: new worker {new} has taken over from {before.workers[0].pid}"]
    assert send(machine.front, get(b"/"))[0].startswith(b"HTTP/1.1 200")


def test_a_reload_that_fails_leaves_all_as_it_was(machine: Machine) -> None:
    """HAProxy's check knows nothing of ports that are taken; the reload does."""
    own = machine.running()
    before, _ = machine.send()
    content = machine.config.read_bytes()
    setup = machine.setup(longest=3.0)
    changes = setup.plan(setup.look())
    # While people think it over, the file becomes one with which HAProxy cannot start, though `haproxy -c` says it could.
    (edit,) = changes[0].arguments.edits
    broken = edit.new + b"\nlisten more\n  mode http\n  bind 192.0.2.1:80\n"
    object.__setattr__(edit, "new", broken)
    setup.apply(changes[0])
    assert machine.config.read_bytes() == broken
    with pytest.raises(Fatal, match=r"no new worker that stays.*the configuration is again as it was"):
        setup.apply(changes[1])
    assert machine.config.read_bytes() == content
    assert machine.send() == (before, [])
    os.kill(own.pid, 0)
    assert not list((machine.folder / "kept").iterdir())


def test_a_candidate_that_haproxy_refuses_is_never_put_there(machine: Machine) -> None:
    content = machine.config.read_bytes()
    setup = machine.setup()
    (replace,) = setup.plan(setup.look())
    (edit,) = replace.arguments.edits
    object.__setattr__(edit, "new", edit.new + b"\nfrontend broken\n  no such word\n")
    with pytest.raises(
        Fatal, match=rf"would refuse the new configuration: parsing \[{machine.config}:.*Nothing was changed"
    ):
        setup.apply(replace)
    assert machine.config.read_bytes() == content
    assert sorted(path.name for path in machine.folder.glob(".*")) == []


def test_a_change_by_others_meanwhile_is_never_overwritten(machine: Machine) -> None:
    setup = machine.setup()
    (replace,) = setup.plan(setup.look())
    machine.config.write_bytes(machine.config.read_bytes() + b"# mine\n")
    content = machine.config.read_bytes()
    with pytest.raises(Fatal, match="changed by somebody else just now"):
        setup.apply(replace)
    assert machine.config.read_bytes() == content


def test_what_was_wrong_before_is_refused(machine: Machine) -> None:
    machine.config.write_text(machine.config.read_text() + "\nfrontend f\n  no such word\n")
    setup = machine.setup()
    with pytest.raises(UsageError, match=r"refuses the configuration as it is: parsing .*Put it right first"):
        setup.look()


def test_undo_is_the_way_out_of_a_file_that_is_wrong(machine: Machine) -> None:
    """As after HAProxy was replaced by an older one, which does not know a word of ours."""
    before = machine.config.read_text()
    wrong = f"{before}\nfrontend ours\n  no such word\n"
    machine.config.write_text(wrong)
    setup = machine.setup(undo=True)
    setup.memory.keep(Kept(path=str(machine.config), was=before.encode(), became=wrong.encode()))
    (replace,) = setup.plan(setup.look())
    assert replace.arguments.warnings[0].startswith("HAProxy refuses the configuration as it is: ")
    setup.apply(replace)
    assert machine.config.read_text() == before


def test_undo_never_puts_there_what_haproxy_refuses(machine: Machine) -> None:
    machine.do(machine.setup())
    machine.config.write_text(machine.config.read_text() + "\nfrontend f\n  no such word\n")
    content = machine.config.read_bytes()
    setup = machine.setup(undo=True)
    with pytest.raises(Fatal, match=r"would refuse the new configuration.*Nothing was changed"):
        machine.do(setup)
    assert machine.config.read_bytes() == content


def test_undo_needs_no_haproxy(machine: Machine) -> None:
    before = machine.config.read_text()
    machine.do(machine.setup())
    gone = str(machine.folder / "gone/haproxy")
    with pytest.raises(UsageError, match="cannot be run"):
        machine.setup(haproxy=gone).look()
    setup = machine.setup(undo=True, haproxy=gone)
    (replace,) = setup.plan(setup.look())
    assert "cannot be run" in replace.arguments.warnings[0]
    setup.apply(replace)
    assert machine.config.read_text() == before


@pytest.mark.parametrize("note", ["# Managed by Puppet: changes are lost", "# This file is generated, DO NOT EDIT"])
def test_files_of_programs_are_refused(machine: Machine, note: str) -> None:
    machine.config.write_text(f"{note}\n{machine.config.read_text()}")
    setup = machine.setup()
    with pytest.raises(UsageError, match=re.escape(note.strip("# "))):
        setup.plan(setup.look())
    assert machine.do(machine.setup(generated=True)) == ["replace"]


def test_the_file_that_servo_writes_is_refused(machine: Machine) -> None:
    folder = machine.folder / "load-balancer-servo"
    folder.mkdir()
    machine.config = machine.config.rename(folder / "haproxy.conf")
    setup = machine.setup()
    with pytest.raises(UsageError, match=r"Eucalyptus' servo writes this file.*--generated"):
        setup.plan(setup.look())


def test_several_files_are_one_configuration(machine: Machine) -> None:
    """The running HAProxy tells of the file with `global`, so naming that of the frontends is enough."""
    first, rest = machine.config.read_text().split("frontend http", 1)
    machine.config.write_text(first)
    folder = machine.folder / "conf.d"
    folder.mkdir()
    (folder / "20-front.cfg").write_text("frontend http" + rest)
    (folder / "30-more.cfg").write_text(f"listen more\n  mode tcp\n  bind {folder}/more.sock\n  server s 127.0.0.1:1\n")
    command = [program("haproxy"), "-W", "-db", "-f", machine.config, "-f", folder]
    own = machine.stack.enter_context(subprocess.Popen(command, stderr=subprocess.DEVNULL))
    machine.stack.callback(own.terminate)
    await_that(lambda: any(each.workers for each in running([folder / "20-front.cfg"])))
    machine.config = folder / "20-front.cfg"
    assert machine.do(machine.setup()) == ["replace", "reload"]
    assert b"tailrace-http" in machine.config.read_bytes()
    assert b"log-format '" in (folder / "30-more.cfg").read_bytes()


def test_a_master_is_told_by_its_socket(machine: Machine) -> None:
    place = machine.folder / "master.sock"
    command = [program("haproxy"), "-W", "-db", "-S", place, "-f", machine.config]
    own = machine.stack.enter_context(subprocess.Popen(command, stderr=subprocess.DEVNULL))
    machine.stack.callback(own.terminate)
    await_that(lambda: any(each.workers for each in running([machine.config])))
    assert machine.do(machine.setup()) == ["replace", "reload"]
    assert machine.said[0].startswith(f"echo reload | socat - {place}: new worker")


def test_a_daemon_without_master_is_started_anew_beside_the_old_one(machine: Machine) -> None:
    pids = machine.folder / "haproxy.pid"
    subprocess.run([program("haproxy"), "-D", "-p", pids, "-f", machine.config], check=True, stderr=subprocess.DEVNULL)
    machine.stack.callback(lambda: os.kill(int(pids.read_text()), signal.SIGTERM))
    (before,) = running([machine.config])
    assert machine.do(machine.setup()) == ["replace", "reload"]
    assert int(pids.read_text()) != before.head.pid
    after, _ = machine.send()
    assert len(after) == len(REQUESTS) + 1
    assert len(machine.ours.await_lines(len(after))) == len(after)


def test_who_runs_in_the_foreground_is_not_touched(machine: Machine) -> None:
    command = [program("haproxy"), "-db", "-f", machine.config]
    own = machine.stack.enter_context(subprocess.Popen(command, stderr=subprocess.DEVNULL))
    machine.stack.callback(own.terminate)
    await_that(lambda: bool(running([machine.config])))
    setup = machine.setup()
    with pytest.raises(UsageError, match=rf"process {own.pid}\) runs in the foreground.*--reload-command"):
        setup.plan(setup.look())
    assert machine.do(machine.setup(reload=False)) == ["replace"]


def test_a_reload_command_is_used(machine: Machine) -> None:
    own = machine.running()
    assert machine.do(machine.setup(command=("kill", "-USR2", str(own.pid)))) == ["replace", "reload"]
    content = machine.config.read_bytes()
    setup = machine.setup(undo=True, command=("false",))
    with pytest.raises(Fatal, match="`false` failed with exit code 1"):
        machine.do(setup)
    assert machine.config.read_bytes() == content
    assert machine.do(machine.setup(undo=True)) == ["replace", "reload"]


def test_a_unit_of_systemd_is_reloaded_by_systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "systemctl").write_text("#!/bin/sh\n")
    (tmp_path / "systemctl").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    argv = ("/usr/sbin/haproxy", "-Ws", "-f", "/etc/haproxy/haproxy.cfg")
    head = Process(pid=1, parent=0, start=1, argv=argv, folder=tmp_path, program=Path(argv[0]), unit="haproxy.service")
    worker = Process(
        pid=2, parent=1, start=2, argv=argv, folder=tmp_path, program=Path(argv[0]), unit="haproxy.service"
    )
    found = [Running(head, (worker,))]
    assert [each.told for each in reloads(found, systemd=tmp_path)] == ["systemctl reload haproxy.service"]
    assert [each.told for each in reloads(found, systemd=tmp_path / "none")] == ["kill -USR2 1"]


def test_who_began_before_the_file_is_told_of(machine: Machine) -> None:
    machine.running()
    machine.do(machine.setup(reload=False))
    os.utime(machine.config, (time.time() + 100, time.time() + 100))
    assert machine.do(machine.setup()) == []
    assert "began before its configuration was changed last; reload it" in machine.said[-1]


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("unshare"), reason="only root may make a namespace")
def test_a_haproxy_of_a_container_is_another(machine: Machine) -> None:
    """Its configuration has the same name, but is another file."""
    other = machine.folder / "other"
    other.mkdir()
    shutil.copy(machine.config, other)
    place = machine.folder / "mine"
    place.mkdir()
    config = place / "haproxy.cfg"
    shutil.copy(machine.config, config)
    script = f"mount --bind {other} {place} && exec {program('haproxy')} -W -db -f {config}"
    own = machine.stack.enter_context(
        subprocess.Popen(["unshare", "--mount", "sh", "-c", script], stderr=subprocess.DEVNULL)
    )
    machine.stack.callback(own.terminate)
    await_that(lambda: any(str(config) in each.argv and each.parent == own.pid for each in processes()))
    assert running([config]) == []
