"""`tailrace lb configure` and `tailrace lb prepare-image`, as people type them."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.conftest import Run
from services.balancing import program
from tailrace.accesslogging import AccessLogging
from tailrace.cli.lb import _snippets
from tailrace.cli.lb._changing import diff
from tailrace.errors import UsageError
from tailrace.loadbalancer.configure.files import Edit

CONFIG = """\
userlist people
  user admin insecure-password geheim
defaults
  mode http
  timeout connect 1s
  timeout client 1s
  timeout server 1s
frontend web
  bind 127.0.0.1:23999
  option httplog
  log /dev/log local2
  stats auth admin:geheim
  default_backend b
backend b
  server s 127.0.0.1:1
"""
OPTIONS = ("lb", "configure", "-f", "h.cfg", "--kept", "kept", "--to", "unix:/run/x.sock")


class Files:
    """Writes files for other programs below a folder, in this process: the program itself would write to this machine."""

    def __init__(self, root: Path, kind: str) -> None:
        self.root, self.kind = root, kind

    def do(self, **how: bool) -> int:
        options = {each: each == self.kind for each in _snippets.KINDS}
        flags = {"install": False, "undo": False, "dry_run": False, "yes": True, "kept": str(self.root / "kept"), **how}
        return _snippets.written(AccessLogging(), "udp:127.0.0.1:5514", "", {**options, **flags})


@pytest.fixture
def below(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(_snippets, "ROOT", tmp_path)
    return tmp_path


@pytest.fixture
def config(tmp_path: Path) -> Path:
    program("haproxy")
    path = tmp_path / "h.cfg"
    path.write_text(CONFIG)
    return path


def test_the_difference_is_shown_and_nothing_done_without_consent(run: Run, config: Path) -> None:
    for words, code, told in (((), 2, "say --yes"), (("--dry-run",), 0, "nothing was changed: this is a dry run")):
        ran = run(*OPTIONS, *words)
        assert (ran.code, config.read_text()) == (code, CONFIG)
        assert told in ran.err
        assert "+  log unix@/run/x.sock len 65535 format rfc5424 local0\n" in ran.out
        assert "frontend web: other log targets are not changed" in ran.err
        assert "no HAProxy runs with this configuration" in ran.err


def test_no_secret_of_the_configuration_is_shown(run: Run, config: Path) -> None:
    ran = run(*OPTIONS, "--yes")
    assert ran.code == 0
    assert "geheim" not in ran.out + ran.err
    assert "   stats auth admin:***\n" in ran.out
    assert "geheim" in config.read_text()


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ('user admin insecure-password "ge heim" groups x', "user admin insecure-password *** groups x"),
        (r'user admin password "ge \" heim" groups x', "user admin password *** groups x"),
        (r"user admin password ge\ heim groups x", "user admin password *** groups x"),
        ("user admin password 'ge heim'", "user admin password ***"),
        ('stats auth "admin:ge heim"', 'stats auth "admin:***'),
        ('http-request set-header Authorization "Basic geheim"', "http-request set-header Authorization ***"),
        (r"http-request set-header Authorization Basic\ geheim", "http-request set-header Authorization ***"),
        ("http-request deny unless { req.hdr(Authorization) -m str geheim }", "http-request deny unless { req.hdr(Authorization) ***"),
        (r"option httpchk GET / HTTP/1.1\r\nAuthorization:\ Basic\ geheim", r"option httpchk GET / HTTP/1.1\r\nAuthorization:\ ***"),
        ("http-request add-header X-Api-Key geheim if x", "http-request add-header X-Api-Key ***"),
        ('http-request set-header "X-Auth-Token" "ge heim"', 'http-request set-header "X-Auth-Token" ***'),
        ("http-response set-header X-Frame-Options DENY", "http-response set-header X-Frame-Options DENY"),
        ("http-request del-header Authorization", "http-request del-header Authorization"),
    ],
)  # fmt: skip
def test_whatever_is_behind_a_secrets_name_is_masked(line: str, shown: str) -> None:
    content = f"  {line}\n".encode()
    assert diff(Edit(Path("h.cfg"), content, content + b"  # new\n"))[3] == f"   {shown}"


def test_done_twice_and_undone(run: Run, config: Path) -> None:
    assert run(*OPTIONS, "--yes").code == 0
    assert "log-format-sd" in config.read_text()
    again = run(*OPTIONS)
    assert (again.code, again.out, again.err) == (0, "", "nothing to do: everything is as it should be\n")
    assert run(*OPTIONS, "--undo", "--yes").code == 0
    assert config.read_text() == CONFIG
    assert "no line of Tailrace's is there" in run(*OPTIONS, "--undo").err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--own-format", "--their-format"), "exclude each other"),
        (("--install",), "give one of them"),
        (("--frontend", "nobody"), "there is no frontend 'nobody'; there are: web"),
        (("-f", "none.cfg"), "there is no"),
        (("--haproxy", "/bin/false"), "does not say that it is HAProxy"),
        (("--to", "tcp:1"), "--to tcp:1"),
        (("--reload-command", "a 'b"), "--reload-command a 'b: a quotation mark"),
    ],
)
@pytest.mark.usefixtures("config")
def test_wrong_usage_is_one_sentence(run: Run, words: tuple[str, ...], told: str) -> None:
    ran = run(*OPTIONS, *words)
    assert ran.code == 2
    assert told in ran.err
    assert ran.err.count("\n") == 1


def test_where_the_agent_receives_is_where_the_log_goes(run: Run, config: Path, tmp_path: Path) -> None:
    (tmp_path / "tailrace.toml").write_text('[lb]\nreceive = ["unix:/run/own.sock,mode=0660"]\n')
    ran = run("lb", "configure", "-f", config, "--kept", "kept", "--dry-run")
    assert "+  log unix@/run/own.sock len" in ran.out


def test_files_for_others_are_shown(run: Run) -> None:
    to = ("--to", "udp:127.0.0.1:5514")
    ran = run("lb", "configure", "--rsyslog", "--logrotate", "--cron", *to)
    assert ran.code == 0
    for name in (
        "rsyslog.d/20-tailrace.conf",
        "logrotate.d/tailrace-lb",
        "cron.d/tailrace-lb",
    ):
        assert f"# /etc/{name}\n" in ran.out
    assert "systemctl restart rsyslog" in ran.err
    assert "# /etc/systemd/system/tailrace-lb.socket\n" in run("lb", "configure", "--systemd", *to).out
    ran = run("lb", "configure", "--rsyslog", "--systemd", *to)
    assert (ran.code, ran.out) == (2, "")
    assert "--rsyslog and --systemd would both receive at udp:127.0.0.1:5514" in ran.err


def test_rsyslogs_file_is_where_it_can_be_and_is_found_there_again(below: Path) -> None:
    folder = below / "etc/rsyslog.d"
    folder.mkdir(parents=True)
    own = Files(below, "rsyslog")
    own.do(install=True)
    (folder / "50-net.conf").write_text('module(load="imudp")\n')
    with pytest.raises(UsageError, match=r"20-tailrace\.conf would receive the same as zz-tailrace\.conf"):
        own.do(install=True)
    own.do(undo=True)
    own.do(install=True)
    assert sorted(each.name for each in folder.iterdir()) == ["50-net.conf", "zz-tailrace.conf"]
    own.do(undo=True)
    assert [each.name for each in folder.iterdir()] == ["50-net.conf"]


def test_after_undo_units_are_disabled_that_are_gone(below: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own = Files(below, "systemd")
    own.do(install=True)
    assert (below / "etc/systemd/system/tailrace-lb.service").exists()
    assert "systemctl enable --now" in capsys.readouterr().err
    own.do(undo=True)
    told = " ".join(capsys.readouterr().err.split())
    assert "then: systemctl disable --now tailrace-lb.socket tailrace-lb.service && systemctl daemon-reload" in told
    assert "enable --now" not in told
    assert not list(below.rglob("tailrace-lb*"))


def test_an_image_is_prepared_where_it_is_mounted(run: Run, tmp_path: Path) -> None:
    key = tmp_path / "image/etc/ssh/ssh_host_rsa_key"
    key.parent.mkdir(parents=True)
    key.write_text("secret")
    shown = run("lb", "prepare-image", "--root", "image", "--dry-run")
    assert (shown.code, shown.out) == (
        0,
        "remove  /etc/ssh/ssh_host_rsa_key  a host's key has to be its own\n1 to remove\n",
    )
    assert run("lb", "prepare-image", "--root", "image").code == 2
    assert key.exists()
    assert run("lb", "prepare-image", "--root", "image", "--yes").code == 0
    assert not key.exists()
    assert "nothing to do" in run("lb", "prepare-image", "--root", "image").err


@pytest.mark.parametrize(
    "words", [(), ("--root", "/"), ("--root", "none"), ("--root", "."), ("--root", "/", "--this-machine")]
)
def test_no_machine_is_prepared_by_chance(run: Run, words: tuple[str, ...]) -> None:
    ran = run("lb", "prepare-image", "--yes", *words)
    assert (ran.code, ran.out) == (2, "")
