"""HAProxy, rsyslog and logrotate for tests, and the clients that tenants use: real programs, each in a folder of a test."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

from making import absent
from services.real import INSTALLING, SCRIPTS

_PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
_PATIENCE = 20.0


def program(name: str) -> str:
    """Where a program of Debian is. Skips without it."""
    return shutil.which(name, path=_PATH) or absent(name, INSTALLING)


@dataclass(frozen=True)
class HAProxy:
    """A running HAProxy of master and worker. `config`: the file that it reads again when it reloads."""

    config: Path
    pid: int

    def reload(self) -> None:
        """Read the configuration again, and go on as before if it is wrong."""
        os.kill(self.pid, signal.SIGUSR2)

    def ask(self, command: str) -> str:
        """What it answers on the stats socket, which its configuration has as stats.sock beside it."""
        with socket.socket(socket.AF_UNIX) as line:
            line.settimeout(_PATIENCE)
            line.connect(str(self.config.with_name("stats.sock")))
            line.sendall(command.encode() + b"\n")
            parts = []
            while part := line.recv(65536):
                parts.append(part)
        return b"".join(parts).decode()


@contextmanager
def haproxy(config: Path, *ports: int, environment: Mapping[str, str] | None = None) -> Iterator[HAProxy]:
    """HAProxy, once it listens on all these ports of 127.0.0.1. Skips without it."""
    command = [program("haproxy"), "-W", "-db", "-f", config, "-p", config.with_suffix(".pid")]
    given = {**os.environ, **(environment or {})}
    checked = subprocess.run([*command, "-c"], check=False, capture_output=True, text=True, env=given)
    assert not checked.returncode, checked.stderr
    log = config.with_suffix(".out")
    with log.open("wb") as out, _ended(subprocess.Popen(command, stdout=out, stderr=out, env=given)) as process:
        for port in ports:
            _await(partial(_listens, port), process, log)
        yield HAProxy(config, process.pid)


@dataclass(frozen=True)
class Rsyslog:
    """A running rsyslogd; `config`: its file, and `pid_file` the one that logrotate's scripts read."""

    config: Path
    pid_file: Path


@contextmanager
def rsyslog(config: Path, *awaited: Path) -> Iterator[Rsyslog]:
    """Rsyslogd, once these sockets of it are there. Skips without it."""
    pid_file = config.with_suffix(".pid")
    log = config.with_suffix(".out")
    command = [program("rsyslogd"), "-n", "-f", config, "-i", pid_file]
    with log.open("wb") as out, _ended(subprocess.Popen(command, stdout=out, stderr=out)) as process:
        _await(lambda: pid_file.exists() and all(each.exists() for each in awaited), process, log)
        yield Rsyslog(config, pid_file)


def logrotate(config: Path, *options: str) -> None:
    """Rotate as the configuration tells; the state is kept beside it. Skips without logrotate."""
    command = [program("logrotate"), "--state", config.with_suffix(".state"), *options, config]
    told = subprocess.run(command, check=False, capture_output=True, text=True)
    assert not told.returncode, told.stderr


@cache
def client(name: str) -> str:
    """Where `s3cmd` or `aws` is. Skips without them."""
    if subprocess.run([SCRIPTS / "clients.sh", "there"], check=False).returncode:
        absent(name, "tools/servers/clients.sh fetch PYTHON installs it into the cache")
    told = subprocess.run([SCRIPTS / "clients.sh", "path", name], check=True, capture_output=True, text=True)
    return told.stdout.strip()


def s3cmd(endpoint: str, key: str, secret: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """S3cmd with the keys of a tenant and nothing of this machine's configuration. `endpoint`: an http URL."""
    host = endpoint.partition("://")[2]
    command = [client("s3cmd"), "--config", "/dev/null", "--no-ssl", f"--host={host}", f"--host-bucket={host}"]
    given = [f"--access_key={key}", f"--secret_key={secret}", *arguments]
    return subprocess.run([*command, *given], check=False, capture_output=True, text=True, timeout=60)


def aws(endpoint: str, key: str, secret: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The AWS CLI with the keys of a tenant and nothing of this machine's configuration."""
    environment = {
        "PATH": os.environ.get("PATH", ""),
        "HOME": "/nonexistent",
        "AWS_ACCESS_KEY_ID": key,
        "AWS_SECRET_ACCESS_KEY": secret,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    command = [client("aws"), "--endpoint-url", endpoint, *arguments]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=60, env=environment)


def swift(storage: str, login: Mapping[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """Swift's own client. `storage`: URL of the account whose containers are meant. `login`: OS_ or ST_ variables."""
    told = subprocess.run([SCRIPTS / "swift.sh", "path"], check=True, capture_output=True, text=True)
    command = [told.stdout.strip(), "--os-storage-url", storage, *arguments]
    environment = {"PATH": os.environ.get("PATH", ""), "PYTHONWARNINGS": "ignore", **login}
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=60, env=environment)


@contextmanager
def _ended(process: subprocess.Popen[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    """End a process with the block: nicely, or else not."""
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _await(ready: Callable[[], bool], process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + _PATIENCE
    while not ready():
        going = process.poll() is None and time.monotonic() < end
        assert going, log.read_text(encoding="utf-8", errors="replace")
        time.sleep(0.01)


def _listens(port: int) -> bool:
    """Whether anybody listens there: by the kernel's list, since a connection to try it would be in the log."""
    ends = (line.split()[1:4] for line in Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:])
    return any(state == "0A" and int(local.partition(":")[2], 16) == port for local, _, state in ends)
