from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace.errors import UsageError
from tailrace.loadbalancer import logformat
from tailrace.loadbalancer.configure.lines import Plan, Wish, planned
from tailrace.loadbalancer.configure.marks import BEGIN, END, cleared
from tailrace.loadbalancer.configure.syntax import sections

FILE = Path("/etc/haproxy/haproxy.cfg")
OURS = Wish(to="unix:/run/tailrace/haproxy.sock")
SERVO = r"""
frontend http-80
  mode http
  bind 127.0.0.1:80
  log /var/lib/load-balancer-servo/haproxy.sock local2 info
  capture request header User-Agent len 8192
  log-format httplog\ %Ts\ %ci\ %cp\ %si\ %sp\ %Tq\ %Tw\ %Tc\ %Tr\ %Tt\ %ST\ %U\ %B\ %f\ %b\ %s\ %ts\ %r\ %hrl
  default_backend b
"""


def plan(text: str, wish: Wish = OURS, version: tuple[int, int] = (2, 6)) -> Plan:
    lines = text.splitlines(keepends=True)
    return planned({FILE: lines}, sections(FILE, lines), version, wish)


def new(text: str, wish: Wish = OURS, version: tuple[int, int] = (2, 6)) -> str:
    return "".join(plan(text, wish, version).lines[FILE])


def added(text: str, wish: Wish = OURS, version: tuple[int, int] = (2, 6)) -> list[str]:
    return cleared(FILE, new(text, wish, version).splitlines(keepends=True)).ours


def test_beside_other_targets_only_their_structured_data_is_used() -> None:
    lines = added(SERVO)
    assert f"log-format-sd '{logformat.beside(logformat.HTTP)}'" in lines
    assert "log unix@/run/tailrace/haproxy.sock len 65535 format rfc5424 local0" in lines
    assert not [line for line in lines if line.startswith(("log-format ", "capture", "option"))]


def test_without_our_lines_all_is_as_it_was() -> None:
    lines = new(SERVO).splitlines(keepends=True)
    assert "".join(cleared(FILE, lines).lines) == SERVO


STATEMENTS = st.sampled_from(
    [
        "bind :1",
        "http-request deny",
        "use_backend x",
        "  ",
        "# a comment",
        "tcp-request content accept",
        "option httplog",
        "log-format %ci",
        "\tacl x path '/a b'",
    ]
)
WITHIN = st.lists(
    st.one_of(STATEMENTS, STATEMENTS.map(lambda line: f".if defined(X)\n {line}\n.else\n.endif")), max_size=5
)
SECTIONS = st.tuples(st.sampled_from(["frontend", "listen"]), st.sampled_from(["http", "tcp"]), st.booleans(), WITHIN)


@given(st.lists(SECTIONS, min_size=1, max_size=4), st.sampled_from([(2, 6), (3, 1)]), st.sampled_from(["\n", "\r\n"]))
def test_any_configuration_can_be_had_back(
    parts: list[tuple[str, str, bool, list[str]]], version: tuple[int, int], end: str
) -> None:
    text = ""
    for number, (kind, mode, others, within) in enumerate(parts):
        log = f" log /dev/log local0\n option {mode}log\n" if others else ""
        text += f"{kind} f{number}\n mode {mode}\n{log}" + "".join(f" {line}\n" for line in within) + "\n"
    text = text.replace("\n", end)
    made = new(text, version=version).splitlines(keepends=True)
    once = cleared(FILE, made)
    assert "".join(once.lines) == text
    assert new("".join(once.lines), version=version) == "".join(made)
    depth = 0
    for line in made:
        word = line.split()[0] if line.split() else ""
        depth += (word == ".if") - (word == ".endif")
        assert not (depth and BEGIN in line)
    assert sum("format rfc5424" in line for line in made) == len(parts)


def test_from_3_1_on_a_profile_is_used() -> None:
    lines = added(SERVO, version=(3, 1))
    assert "log unix@/run/tailrace/haproxy.sock len 65535 format rfc5424 profile tailrace-http local0" in lines
    assert "log-profile tailrace-http" in lines
    assert f"on any format '{logformat.HTTP}' sd -" in lines
    assert not [line for line in lines if line.startswith("log-format")]


def test_where_nobody_else_is_sent_the_log_the_format_is_ours() -> None:
    text = "frontend f\n mode http\n option httplog\n http-request deny if FALSE\n default_backend b\n"
    assert f"log-format '{logformat.HTTP}'" in added(text)
    assert f"log-format '{logformat.TCP}'" in added("frontend f\n bind :1\n")


def test_rules_stand_before_those_of_http_and_behind_those_of_tcp() -> None:
    text = "frontend f\n mode http\n tcp-request content accept\n.if defined(X)\n http-request deny\n.endif\n use_backend x\n"
    lines = [line.strip() for line in new(text).splitlines()]
    assert lines.index("tcp-request content accept") + 1 == lines.index(BEGIN)
    assert lines.index(logformat.HTTP_RULES[0]) < lines.index(".if defined(X)")
    assert lines[-1] == END


def test_tcp_needs_no_rules() -> None:
    assert not [line for line in added("frontend f\n bind :1\n") if "set-var" in line]


def test_lines_end_as_the_others_of_the_file_do() -> None:
    text = new("frontend f\r\n\tbind :1\r\n")
    assert text.count("\n") == text.count("\r\n")
    assert f"\t{BEGIN}\r\n" in text


def test_only_named_frontends_are_changed() -> None:
    text = "frontend f\n bind :1\nfrontend g\n bind :2\n"
    changed = new(text, Wish(to="udp:127.0.0.1:5514", frontends=("g",)))
    assert changed.startswith("frontend f\n bind :1\nfrontend g\n")
    assert "log udp@127.0.0.1:5514 len 65000 format rfc5424 local0" in changed


def test_haproxys_own_pages_are_left_alone() -> None:
    text = "listen stats\n bind :1\n stats enable\nlisten both\n bind :2\n server s 127.0.0.1:3\n"
    assert new(text).startswith("listen stats\n bind :1\n stats enable\nlisten both\n")


def test_others_lines_can_be_taken_as_they_are() -> None:
    lines = added(SERVO, Wish(to=OURS.to, way="theirs"))
    assert lines == ["log unix@/run/tailrace/haproxy.sock len 65535 format rfc5424 local0"]


def test_others_structured_data_does_not_stand_before_our_fields() -> None:
    text = "frontend f\n log-format-sd '[x@1 a=\"%ci\"]'\n"
    assert "log unix@/run/tailrace/haproxy.sock len 65535 format local local0" in added(text)


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        ("log /dev/log format rfc5424 local0\n option httplog", r"/dev/log .*has the format rfc5424.*--own-format"),
        (
            "log /dev/log local0\n option httplog\n log-format-sd %ci",
            r"line 5 .*has a log-format-sd already.*--own-format",
        ),
        ("log /dev/log local0", r"frontend f sends its log in HAProxy's default form to /dev/log.*--own-format"),
        ("mode syslog", r"frontend f has the mode syslog"),
        (
            "option tcplog\n log unix@/run/tailrace/haproxy.sock local0",
            r"is logged to unix@/run/tailrace/haproxy.sock already",
        ),
    ],
)
def test_what_would_change_others_lines_is_refused(lines: str, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        plan(f"frontend f\n bind :1\n {lines}\n")


@pytest.mark.parametrize(
    "to", ["/run/x.sock", "unix:run/x", "tcp:127.0.0.1:1", "unix:/run/a b", "unix:/run/a'b", "udp:"]
)
def test_a_target_that_haproxy_could_not_read_is_refused(to: str) -> None:
    with pytest.raises(UsageError, match="--to"):
        plan(SERVO, Wish(to=to))


def test_a_socket_outside_of_the_chroot_is_refused_with_one_inside() -> None:
    jail = "global\n chroot /var/lib/haproxy\n"
    with pytest.raises(UsageError, match=r"give --to unix:/var/lib/haproxy/haproxy.sock"):
        plan(jail + SERVO)
    lines = added(jail + SERVO, Wish(to="unix:/var/lib/haproxy/tailrace.sock"))
    assert "log unix@/tailrace.sock len 65535 format rfc5424 local0" in lines


def test_a_frontend_that_is_not_there_is_told_with_those_that_are() -> None:
    with pytest.raises(UsageError, match="no frontend 'web'; there are: http-80"):
        plan(SERVO, Wish(to=OURS.to, frontends=("web",)))


def test_an_old_haproxy_is_refused() -> None:
    with pytest.raises(UsageError, match=r"this is HAProxy 1\.5.*--rsyslog"):
        plan(SERVO, version=(1, 5))


def test_incomplete_logs_are_told_of() -> None:
    assert ["logasap" in text for text in plan("defaults\n option logasap\nfrontend f\n").warnings] == [True]


def test_a_mark_without_its_end_is_an_error() -> None:
    with pytest.raises(UsageError, match="line 2: '# tailrace: end' is missing"):
        cleared(FILE, ["frontend f\n", f"  {BEGIN}\n", "  log x local0\n"])


def test_lines_of_others_between_our_marks_stay() -> None:
    found = cleared(FILE, [f"{BEGIN}\n", "log x local0\n", "acl mine path /\n", f"{END}\n"], {"log x local0"})
    assert (found.lines, found.kept) == (["acl mine path /\n"], ["acl mine path /"])
