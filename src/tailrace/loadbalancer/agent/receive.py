"""Where datagrams are received: sockets of our own, and those that systemd holds for us.

    unix:PATH[,mode=0660]            a datagram socket; everybody on this machine may send to it if no mode is given
    udp:HOST:PORT[,remote]           UDP; `remote` allows a HOST that other machines can reach

https://www.freedesktop.org/software/systemd/man/latest/sd_listen_fds.html
"""

from __future__ import annotations

import errno
import ipaddress
import os
import socket
import stat
import struct
from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tailrace.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

BUFFER: Final = 16 << 20
"""Datagrams of so many bytes, by the kernel's own count, wait for a process that is being started."""
WAITING: Final = 16384
"""So many datagrams wait at a unix socket."""
_FORCE: Final = 33
_SO_MEMINFO: Final = 55
"""SO_RCVBUFFORCE and SO_MEMINFO of Linux's socket.h, which Python does not name."""
_DROPS: Final = 8
_FIRST_HANDED: Final = 3
_SENT: Final = Path("/proc/sys/net/core/wmem_default")
_SENT_WANTED: Final = 4 << 20
_QUEUE: Final = Path("/proc/sys/net/unix/max_dgram_qlen")


@dataclass(frozen=True, slots=True)
class Listening:
    """A socket. `path`: of its file, if it is our own to remove."""

    socket: socket.socket
    name: str
    path: str = ""
    handed: bool = False

    def dropped(self) -> int:
        """So many datagrams the kernel has dropped for want of room. HAProxy itself counts those for unix sockets."""
        try:
            told = self.socket.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, 4 * (_DROPS + 1))
        except OSError:
            return 0
        return int(struct.unpack_from("=I", told, 4 * _DROPS)[0]) if len(told) > 4 * _DROPS else 0

    def end(self) -> None:
        """Let nothing more come to a socket of our own, so that what waits can be read to its end."""
        with suppress(OSError):
            if self.path:
                Path(self.path).unlink()
            elif not self.handed:
                # Who is connected is sent nothing by others; what waits stays.
                self.socket.connect(self.socket.getsockname())


@dataclass(frozen=True, slots=True)
class _Place:
    """What is written in `lb.receive`."""

    text: str
    family: int
    address: str | tuple[str, int]
    mode: int = 0o666

    @property
    def name(self) -> str:
        return self.text.partition(",")[0]


def listen(
    places: Sequence[str],
    handed: Sequence[socket.socket],
    say: Callable[[str], None],
    inherited: Sequence[Listening] = (),
) -> list[Listening]:
    """The sockets of some places, and all that were handed over, which need not be named. Raises UsageError.

    `inherited`: of an agent that was killed; those that are not wanted any more are closed.
    """
    wanted = [_place(text) for text in places]
    names = {place.name for place in wanted}
    found = [Listening(each, _name_of(each), handed=True) for each in handed]
    for each in inherited:
        if each.name in names - {one.name for one in found}:
            found.append(each)
        else:
            if not each.handed:
                each.end()
            each.socket.close()
    there = {each.name for each in found}
    found += [_bound(place) for place in wanted if place.name not in there]
    for each in found:
        _widen(each, say)
    return found


def handed_over(environ: Mapping[str, str]) -> list[socket.socket]:
    """The sockets that systemd has opened for this process. Raises UsageError for what is no datagram socket."""
    if environ.get("LISTEN_PID") != str(os.getpid()) or not environ.get("LISTEN_FDS", "").isdigit():
        return []
    found = []
    for descriptor in range(_FIRST_HANDED, _FIRST_HANDED + int(environ["LISTEN_FDS"])):
        os.set_inheritable(descriptor, False)  # noqa: FBT003 - the library's
        try:
            each = socket.socket(fileno=descriptor)
        except OSError as error:
            message = f"descriptor {descriptor} of LISTEN_FDS is no socket"
            raise UsageError(message) from error
        if each.type != socket.SOCK_DGRAM:
            message = f"{_name_of(each)} of LISTEN_FDS takes no datagrams: write ListenDatagram= in the socket unit"
            raise UsageError(message)
        found.append(each)
    return found


def _place(text: str) -> _Place:
    scheme, _, rest = text.partition(":")
    where, *options = rest.split(",")
    if scheme == "unix" and where.startswith("/"):
        return _Place(text, socket.AF_UNIX, where, _mode(text, options))
    if scheme == "udp" and set(options) <= {"remote"}:
        host, _, port = where.rpartition(":")
        with suppress(ValueError):
            address = ipaddress.ip_address(host.strip("[]"))
            if not address.is_loopback and not options:
                message = f"lb.receive {text}: other machines can reach {host}; write udp:127.0.0.1:{port}, or {text},remote if they are to"
                raise UsageError(message)
            if 0 <= int(port) < 1 << 16:
                family = socket.AF_INET6 if address.version == 6 else socket.AF_INET  # noqa: PLR2004
                return _Place(text, family, (str(address), int(port)))
    message = f"lb.receive {text}: write unix:/PATH, unix:/PATH,mode=0660 or udp:127.0.0.1:5514"
    raise UsageError(message)


def _mode(text: str, options: Sequence[str]) -> int:
    mode = 0o666
    for option in options:
        name, _, value = option.partition("=")
        try:
            mode = int(value, 8)
        except ValueError:
            name = ""
        if name != "mode" or not 0 <= mode <= 0o777:  # noqa: PLR2004
            message = f"lb.receive {text}: after the path may stand ,mode=0660"
            raise UsageError(message)
    return mode


def _bound(place: _Place) -> Listening:
    made = socket.socket(place.family, socket.SOCK_DGRAM)
    try:
        if place.family != socket.AF_UNIX:
            made.bind(place.address)
            return Listening(made, place.name)
        path = str(place.address)
        made.close()
        _free(path, place.text)
        with _long_queue():
            made = socket.socket(place.family, socket.SOCK_DGRAM)
        made.bind(path)
        Path(path).chmod(place.mode)
        return Listening(made, place.name, path=path)
    except OSError as error:
        made.close()
        message = f"lb.receive {place.text}: it cannot be listened on: {error.strerror or error}"
        raise UsageError(message) from error


def _free(path: str, text: str) -> None:
    """Remove the socket that a process has left that is no more. Raises UsageError if somebody listens, or if it is something else."""
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(status.st_mode):
        message = f"lb.receive {text}: there is a file which is no socket; choose another path"
        raise UsageError(message)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            Path(path).unlink()
            return
        except OSError as error:
            if error.errno != errno.EPROTOTYPE:  # a stream socket that somebody listens on
                raise
    message = f"lb.receive {text}: another process listens there; end it, or choose another path"
    raise UsageError(message)


@contextmanager
def _long_queue() -> Iterator[None]:
    """Let more datagrams wait at the unix socket that is made now: the kernel's own number is 10, and the sender would drop the others."""
    before = ""
    with suppress(OSError, ValueError):
        before = _QUEUE.read_text(encoding="ascii")
        if int(before) < WAITING:
            _QUEUE.write_text(f"{WAITING}\n", encoding="ascii")
    try:
        yield
    finally:
        with suppress(OSError):
            if before:
                _QUEUE.write_text(before, encoding="ascii")


def _widen(listening: Listening, say: Callable[[str], None]) -> None:
    """Make the buffer as large as is allowed, and tell if that is less than wanted."""
    made = listening.socket
    for option in (_FORCE, socket.SO_RCVBUF):
        with suppress(OSError):
            if made.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) < 2 * BUFFER:
                made.setsockopt(socket.SOL_SOCKET, option, BUFFER)
    given = made.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) // 2
    if made.family != socket.AF_UNIX and given < BUFFER:
        say(
            f"warning: {listening.name}: the kernel gives a buffer of {given >> 10} KiB, not {BUFFER >> 10}: "
            f"run as root, or sysctl net.core.rmem_max={BUFFER}; what does not fit is dropped and counted"
        )
    if made.family == socket.AF_UNIX:
        _warn_of_queue(listening, say)


def _warn_of_queue(listening: Listening, say: Callable[[str], None]) -> None:
    with suppress(OSError, ValueError):
        if int(_SENT.read_text(encoding="ascii")) < _SENT_WANTED:
            say(
                f"note: {listening.name}: the kernel lets about 160 lines of HAProxy wait at a unix socket, and HAProxy drops what comes faster: "
                f"under load receive udp:127.0.0.1:5514, or sysctl net.core.wmem_default={_SENT_WANTED} before HAProxy starts"
            )
    with suppress(OSError, ValueError):
        length = int(_QUEUE.read_text(encoding="ascii"))
        if length < WAITING and (listening.handed or not os.access(_QUEUE, os.W_OK)):
            say(
                f"warning: {listening.name}: no more than {length} datagrams wait there; HAProxy drops what comes faster and counts it "
                f"(show info: DroppedLogs): sysctl net.unix.max_dgram_qlen={WAITING} before the socket is made"
            )


def _name_of(each: socket.socket) -> str:
    address = each.getsockname()
    if isinstance(address, bytes):
        address = address.decode("utf-8", "replace")
    if isinstance(address, str):
        return f"unix:{address}"
    host, port = address[:2]
    return f"udp:[{host}]:{port}" if ":" in host else f"udp:{host}:{port}"
