"""Files for other programs, read by these."""

from __future__ import annotations

import shutil
import socket
import subprocess
from contextlib import ExitStack
from pathlib import Path

import pytest
from applianceparts import await_that, configuration, free_port, get, send, server

from parsing import kernel_named, read
from services.balancing import haproxy, logrotate, program, rsyslog
from tailrace.accesslogging import AccessLogging
from tailrace.errors import Fatal, UsageError
from tailrace.loadbalancer.configure import snippets
from tailrace.loadbalancer.configure.installing import SnippetSetup, check
from tailrace.loadbalancer.configure.lines import Wish, planned
from tailrace.loadbalancer.configure.memory import Memory
from tailrace.loadbalancer.configure.modules import loading
from tailrace.loadbalancer.configure.snippets import Place, Snippet
from tailrace.loadbalancer.configure.syntax import sections

LINES = [
    b'<134>1 2026-11-22T08:43:45.788699+00:00 - haproxy 7 - - a "\t\x1b[0m \xe9\xff %s #011"' % (b"x" * n)
    for n in (0, 9000, 60_000)
]


def place(folder: Path, to: str, **more: object) -> Place:
    return Place(own=AccessLogging(follow=(f"{folder}/log/haproxy.log",)), to=to, program="/bin/true", **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("scheme", ["unix", "udp"])
def test_rsyslog_writes_every_byte(tmp_path: Path, scheme: str) -> None:
    address = str(tmp_path / "in.sock") if scheme == "unix" else ("127.0.0.1", free_port())
    to = f"unix:{address}" if scheme == "unix" else f"udp:127.0.0.1:{address[1]}"
    config = tmp_path / "rsyslog.conf"
    config.write_text(snippets.rsyslog(place(tmp_path, to))[0].text)
    with rsyslog(config, *([tmp_path / "in.sock"] if scheme == "unix" else [])):
        with socket.socket(socket.AF_UNIX if scheme == "unix" else socket.AF_INET, socket.SOCK_DGRAM) as out:
            out.connect(address)
            for line in LINES:
                out.send(line + b"\n")
        log = tmp_path / "log/haproxy.log"
        await_that(lambda: log.exists() and log.read_bytes().count(b"\n") == len(LINES))
        assert log.read_bytes().split(b"\n")[:-1] == LINES


def test_from_haproxy_over_rsyslog_to_records(tmp_path: Path) -> None:
    """Nothing is lost over a rotation, and the file that is turned over last stays as it is."""
    log = tmp_path / "log/haproxy.log"
    here = place(tmp_path, f"unix:{tmp_path}/in.sock")
    rules = tmp_path / "rsyslog.conf"
    rules.write_text(snippets.rsyslog(here)[0].text)
    rotation = tmp_path / "logrotate.conf"
    with ExitStack() as stack:
        back, front = stack.enter_context(server()), free_port()
        config = tmp_path / "haproxy.cfg"
        lines = (
            configuration(tmp_path, front, back)
            .replace(f"log {tmp_path}/appliance.sock", "# log")
            .splitlines(keepends=True)
        )
        config.write_text(
            "".join(planned({config: lines}, sections(config, lines), (2, 6), Wish(to=here.to)).lines[config])
        )
        running = stack.enter_context(rsyslog(rules, tmp_path / "in.sock"))
        text = (
            snippets.logrotate(here)[0]
            .text.replace("systemctl", "false")
            .replace("/run/rsyslogd.pid", str(running.pid_file))
        )
        rotation.write_text(text)
        stack.enter_context(haproxy(config, front))
        send(front, get(b"/1", b'a\tb"\\]'), get(b"/2"))
        await_that(lambda: log.exists() and log.read_bytes().count(b"\n") == 2)
        inode = log.stat().st_ino
        logrotate(rotation, "--force")
        send(front, get(b"/3"))
        await_that(lambda: log.exists() and log.read_bytes().count(b"\n") == 1)
        old = log.with_name("haproxy.log.1")
        assert old.stat().st_ino == inode
        told = read(kernel_named("reference"), old.read_bytes() + log.read_bytes())
    assert told.rejects == []
    assert [each["request_url"] for each in told.records()] == ["/1", "/2", "/3"]
    assert told.records()[0]["user_agent"] == 'a\tb"\\]'


@pytest.mark.parametrize("to", ["unix:/run/tailrace/haproxy.sock", "udp:127.0.0.1:5514"])
def test_programs_accept_all_files(tmp_path: Path, to: str) -> None:
    for name in ("rsyslogd", "logrotate"):
        program(name)
    for make in (snippets.rsyslog, snippets.logrotate, snippets.systemd, snippets.cron):
        check(make(place(tmp_path, to)))


@pytest.mark.parametrize(("make", "name"), [(snippets.rsyslog, "rsyslogd"), (snippets.logrotate, "logrotate"), (snippets.systemd, "systemd-analyze")])  # fmt: skip
def test_programs_refuse_what_is_wrong(tmp_path: Path, make: object, name: str) -> None:
    if name == "systemd-analyze" and not shutil.which(name):
        pytest.skip("no systemd on this machine")
    program(name)
    last = make(place(tmp_path, "unix:/run/x.sock"))[-1]  # type: ignore[operator]
    wrong = Snippet(
        last.path, last.text.replace("ExecStart=", "ExecStart=relative/").replace("}\n", "no such word\n"), last.kind
    )
    with pytest.raises(Fatal, match=f"{name} refuses what would be written"):
        check([wrong])


INCLUDE = "$IncludeConfig /etc/rsyslog.d/*.conf\n"
IMUDP = 'module(load="imudp")\n'


@pytest.mark.parametrize(
    ("files", "name", "loads"),
    [
        ({"rsyslog.conf": INCLUDE}, "20-tailrace.conf", True),
        ({"rsyslog.conf": f"#{IMUDP}{INCLUDE}"}, "20-tailrace.conf", True),
        ({"rsyslog.conf": f"{IMUDP}{INCLUDE}"}, "20-tailrace.conf", False),
        ({"rsyslog.conf": INCLUDE, "rsyslog.d/10-net.conf": "$ModLoad imudp\n"}, "20-tailrace.conf", False),
        ({"rsyslog.conf": INCLUDE, "rsyslog.d/50-net.conf": IMUDP}, "zz-tailrace.conf", False),
        ({"rsyslog.conf": INCLUDE, "rsyslog.d/20-tailrace.conf": IMUDP}, "20-tailrace.conf", True),
        ({"rsyslog.conf": f"{IMUDP}{INCLUDE}", "rsyslog.d/50-net.conf": "module(load='imtcp')"}, "20-tailrace.conf", False),
        ({"rsyslog.conf": 'include(file="/etc/rsyslog.d/*.conf" mode="optional")\n', "rsyslog.d/50-net.conf": IMUDP}, "zz-tailrace.conf", False),
    ],
)  # fmt: skip
def test_modules_are_loaded_once_in_rsyslogs_order(
    tmp_path: Path, files: dict[str, str], name: str, *, loads: bool
) -> None:
    program("rsyslogd")
    for path, text in files.items():
        (tmp_path / "etc" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "etc" / path).write_text(text)
    found = loading(tmp_path, "imudp")
    (made,) = snippets.rsyslog(place(tmp_path, "udp:127.0.0.1:5514", rules=found.name, loaded=found.before))
    assert (made.path.name, "module(load=" in made.text) == (name, loads)
    check([made], found.before, found.after)


@pytest.mark.parametrize("path", ["rsyslog.conf", "rsyslog.d/zzz.conf"])
def test_a_module_that_is_loaded_last_of_all_is_told(tmp_path: Path, path: str) -> None:
    (tmp_path / "etc/rsyslog.d").mkdir(parents=True)
    (tmp_path / "etc/rsyslog.conf").write_text(INCLUDE)
    with (tmp_path / "etc" / path).open("a") as file:
        file.write(IMUDP)
    with pytest.raises(UsageError, match=f"/etc/{path} loads imudp after .*before its include"):
        loading(tmp_path, "imudp")
    assert loading(tmp_path, "imuxsock").name == "20-tailrace.conf"


def test_rsyslog_refuses_a_module_that_is_loaded_again_behind(tmp_path: Path) -> None:
    program("rsyslogd")
    with pytest.raises(Fatal, match="'imudp' already in this config"):
        check(snippets.rsyslog(place(tmp_path, "udp:127.0.0.1:5514")), after=frozenset({"imudp"}))


@pytest.mark.parametrize(
    "more", [{"config": "/etc/a b.toml"}, {"program": "/opt/a\nb/tailrace"}, {"config": '/etc/"x'}]
)
@pytest.mark.parametrize("make", [snippets.systemd, snippets.cron])
def test_words_of_a_command_that_would_be_others_are_refused(make: object, more: dict[str, str]) -> None:
    with pytest.raises(UsageError, match="cannot stand in these files"):
        make(Place(**{"own": AccessLogging(), "to": "unix:/x", "program": "/bin/true", **more}))  # type: ignore[operator, arg-type]


def test_a_percent_sign_means_itself() -> None:
    here = Place(own=AccessLogging(), to="unix:/x", program="/bin/true", config="/etc/a%h.toml")
    assert "ExecStart=/bin/true lb agent --config /etc/a%%h.toml\n" in snippets.systemd(here)[-1].text
    assert "root /bin/true lb agent --once --config /etc/a\\%h.toml\n" in snippets.cron(here)[0].text


def test_the_service_may_write_its_spool_only(tmp_path: Path) -> None:
    tool = shutil.which("systemd-analyze")
    if not tool:
        pytest.skip("no systemd on this machine")
    unit = tmp_path / "tailrace-lb.service"
    unit.write_text(snippets.systemd(place(tmp_path, "unix:/run/x.sock"))[-1].text)
    told = subprocess.run(
        [tool, "security", "--offline=true", "--threshold=30", unit], capture_output=True, text=True, check=False
    )
    assert not told.returncode, told.stdout
    assert "ReadWritePaths=/var/spool/tailrace-lb\n" in unit.read_text()


@pytest.mark.parametrize("path", ["relative.log", "/var/log/a b", '/var/log/x"', "/var/../etc/passwd", "/var/log/x\n"])
def test_paths_that_mean_something_else_there_are_refused(path: str) -> None:
    with pytest.raises(UsageError, match="cannot stand in these files"):
        snippets.logrotate(Place(own=AccessLogging(follow=(path,)), to="unix:/x", program="/bin/true"))


def setup(root: Path, *, undo: bool = False, to: str = "unix:/run/x.sock") -> SnippetSetup:
    made = [*snippets.systemd(place(root, to)), *snippets.cron(place(root, to))]
    return SnippetSetup(made, Memory(root / "kept"), undo=undo, root=root)


def do(one: SnippetSetup) -> list[str]:
    changes = one.plan(one.look())
    for change in changes:
        one.apply(change)
    return [change.call for change in changes]


def test_files_are_written_once_and_taken_away_again(tmp_path: Path) -> None:
    assert do(setup(tmp_path)) == ["write"] * 5
    assert do(setup(tmp_path)) == []
    assert (tmp_path / "etc/cron.d/tailrace-lb").stat().st_mode & 0o777 == 0o644
    assert do(setup(tmp_path, to="udp:127.0.0.1:5514")) == ["write"]
    assert do(setup(tmp_path, undo=True)) == ["remove"] * 5
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    assert do(setup(tmp_path, undo=True)) == []


def test_files_of_others_are_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "etc/cron.d/tailrace-lb"
    path.parent.mkdir(parents=True)
    path.write_text("# mine\n")
    with pytest.raises(UsageError, match="is there already and not as Tailrace wrote it"):
        do(setup(tmp_path))
    path.unlink()
    do(setup(tmp_path))
    path.write_text("# mine\n")
    with pytest.raises(UsageError, match="was changed by somebody else since"):
        do(setup(tmp_path, undo=True))
    assert path.read_text() == "# mine\n"
