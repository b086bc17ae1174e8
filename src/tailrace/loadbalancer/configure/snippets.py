"""Files for rsyslog, logrotate, systemd and cron, for those who run access logging by these."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

from tailrace.accesslogging import AccessLogging
from tailrace.errors import UsageError
from tailrace.loadbalancer import logformat
from tailrace.loadbalancer.configure.modules import NAMES, module_for

LOG: Final = "/var/log/tailrace/haproxy.log"
"""The file that rsyslog writes and the agent follows, if lb.follow tells no other."""
_PLAIN: Final = re.compile(r"/[A-Za-z0-9_./@%+=,-]*")
_USER: Final = "tailrace"
_BUFFER: Final = "16m"

_SOCKET: Final = """\
[Unit]
Description=Where HAProxy's log comes in for Tailrace

[Socket]
ListenDatagram={listen}
SocketMode=0666
DirectoryMode=0755
ReceiveBuffer=16M

[Install]
WantedBy=sockets.target
"""
_SERVICE: Final = """\
[Unit]
Description=Access logs of this load balancer, by Tailrace
Wants=network-online.target
After=network-online.target
Requires=tailrace-lb.socket
StartLimitIntervalSec=0

[Service]
ExecStart={words}
Restart=always
RestartSec=100ms
RestartPreventExitStatus=2
Nice=-10
User={user}
ReadWritePaths={spool}
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
PrivateDevices=yes
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectControlGroups=yes
ProtectClock=yes
NoNewPrivileges=yes
CapabilityBoundingSet=
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6
RestrictNamespaces=yes
RestrictSUIDSGID=yes
LockPersonality=yes
ProtectKernelLogs=yes
ProtectHostname=yes
ProtectProc=invisible
RestrictRealtime=yes
RemoveIPC=yes
SystemCallFilter=@system-service
SystemCallArchitectures=native
UMask=0027

[Install]
WantedBy=multi-user.target
"""


@dataclass(frozen=True, slots=True)
class Snippet:
    """A file, and what to do when it is there, or gone again (`undone`). `kind`: of the program that can check it."""

    path: PurePosixPath
    text: str
    kind: str
    then: str = ""
    undone: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What files are written for. `to`: unix:PATH or udp:HOST:PORT. `program`: Tailrace's. `config`: its settings, if any are named.

    `rules`: the name of rsyslog's file. `loaded`: modules that rsyslog has loaded when it reads that, since none may be loaded twice.
    """

    own: AccessLogging
    to: str
    program: str
    config: str = ""
    rules: str = NAMES[0]
    loaded: frozenset[str] = frozenset()

    @property
    def log(self) -> str:
        """The file of HAProxy's log. Raises UsageError."""
        path = self.own.follow[0] if self.own.follow else LOG
        return _plain(path, "lb.follow")


def rsyslog(place: Place) -> list[Snippet]:
    """A rule that writes every line of HAProxy's as it came. Raises UsageError."""
    scheme, rest = _parted(place.to)
    module = module_for(place.to)
    options = ' SysSock.Use="off"' if module == "imuxsock" else ""
    load = "" if module in place.loaded else f'module(load="{module}"{options})\n'
    if scheme == "udp":
        host, _, port = rest.rpartition(":")
        source = f'input(type="imudp" address="{host}" port="{port}" rcvbufSize="{_BUFFER}" ruleset="tailrace")'
    else:
        path = _plain(rest, "--to")
        source = (
            f'input(type="imuxsock" Socket="{path}" CreatePath="on" UseSpecialParser="off" UseSysTimeStamp="off"'
            ' IgnoreTimestamp="off" RateLimit.Interval="0" ruleset="tailrace")'
        )
    text = f"""\
# HAProxy's log for `tailrace lb agent`, each line as HAProxy sent it. Written by `tailrace lb configure --rsyslog`.
# Lines of up to {logformat.LENGTH} bytes; and control characters, which clients may send, are not written as #ooo. Both hold
# for all that this rsyslog receives.
global(maxMessageSize="{logformat.LENGTH}" parser.escapeControlCharactersOnReceive="off")
{load}{source}
template(name="tailrace" type="string" string="%rawmsg:::drop-last-lf%\\n")
ruleset(name="tailrace" queue.type="LinkedList" queue.size="200000" queue.dequeueBatchSize="1024") {{
  action(type="omfile" file="{place.log}" template="tailrace" createDirs="on" dirCreateMode="0750" fileCreateMode="0640")
}}
"""
    restart = "systemctl restart rsyslog"
    return [Snippet(PurePosixPath("/etc/rsyslog.d") / place.rules, text, "rsyslog", restart, restart)]


def logrotate(place: Place) -> list[Snippet]:
    """A rule that turns the file over often, and leaves the newest old one readable. Raises UsageError."""
    text = f"""\
# HAProxy's log for `tailrace lb agent`, which reads the file turned over last to its end. Written by `tailrace lb configure --logrotate`.
{place.log} {{
    daily
    maxsize 256M
    rotate 7
    missingok
    notifempty
    compress
    delaycompress
    create
    postrotate
        systemctl kill --signal=HUP --kill-who=main rsyslog.service 2>/dev/null || kill -HUP "$(cat /run/rsyslogd.pid)"
    endscript
}}
"""
    return [Snippet(PurePosixPath("/etc/logrotate.d/tailrace-lb"), text, "logrotate")]


def systemd(place: Place) -> list[Snippet]:
    """Units for the agent: the socket's stays when the agent is started anew, so that nothing is lost. Raises UsageError."""
    scheme, rest = _parted(place.to)
    listen = rest if scheme == "udp" else _plain(rest, "--to")
    spool = _plain(place.own.spool, "lb.spool")
    service = _SERVICE.format(words=_words(place).replace("%", "%%"), user=_USER, spool=spool)
    users = f'u {_USER} - "Tailrace" {spool}\n'
    folders = f"d {spool} 0750 {_USER} {_USER} -\n"
    then = (
        "systemd-sysusers && systemd-tmpfiles --create && systemctl daemon-reload && systemctl enable --now"
        " tailrace-lb.socket tailrace-lb.service"
    )
    undone = "systemctl disable --now tailrace-lb.socket tailrace-lb.service && systemctl daemon-reload"
    return [
        Snippet(PurePosixPath("/etc/sysusers.d/tailrace-lb.conf"), users, "sysusers"),
        Snippet(PurePosixPath("/etc/tmpfiles.d/tailrace-lb.conf"), folders, "tmpfiles"),
        Snippet(PurePosixPath("/etc/systemd/system/tailrace-lb.socket"), _SOCKET.format(listen=listen), "systemd"),
        Snippet(PurePosixPath("/etc/systemd/system/tailrace-lb.service"), service, "systemd", then, undone),
    ]


def cron(place: Place) -> list[Snippet]:
    """A line that has the agent put what the file has, every five minutes. Raises UsageError."""
    words = _words(place, "--once").replace("%", "\\%")
    follow = (
        "" if place.own.follow else f"# The agent follows the files in lb.follow of tailrace.toml, such as {LOG}.\n"
    )
    text = f"""\
# The agent puts what HAProxy has logged into the bucket. Written by `tailrace lb configure --cron`.
{follow}*/5 * * * * root {words}
"""
    return [Snippet(PurePosixPath("/etc/cron.d/tailrace-lb"), text, "cron")]


def _words(place: Place, *more: str) -> str:
    """How the agent is started. Raises UsageError."""
    config = ("--config", _plain(place.config, "--config")) if place.config else ()
    return " ".join((_plain(place.program, "the path of this program"), "lb", "agent", *more, *config))


def _parted(to: str) -> tuple[str, str]:
    scheme, _, rest = to.partition(":")
    rest = rest.partition(",")[0]
    if scheme not in ("unix", "udp") or not re.fullmatch(r"[A-Za-z0-9_./@%+=:\[\]-]+", rest):
        message = f"--to {to}: write unix:/PATH of plain letters, or udp:127.0.0.1:5514"
        raise UsageError(message)
    return scheme, rest


def _plain(path: str, what: str) -> str:
    """A path that means the same in all these files. Raises UsageError."""
    if not _PLAIN.fullmatch(path) or ".." in PurePosixPath(path).parts:
        message = f"{what}: {path!r} cannot stand in these files; give an absolute path of plain letters"
        raise UsageError(message)
    return os.fspath(path).replace("%", "%%") if what == "lb.spool" else path
