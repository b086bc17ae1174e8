"""The other way: HAProxy logs through rsyslog into a file, logrotate rotates it, and the agent follows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from delivering import Place, agent, await_lines, parse, read
from services.balancing import logrotate, rsyslog
from services.comparing import differences, requests
from services.real import free_port
from services.traffic import KINDS
from staging import stage

_RSYSLOG = """
global(maxMessageSize="65535" parser.escapeControlCharactersOnReceive="off")
module(load="imudp")
input(type="imudp" address="127.0.0.1" port="{port}" rcvbufSize="8m" ruleset="balancer")
template(name="raw" type="string" string="%rawmsg:::drop-last-lf%\\n")
ruleset(name="balancer") {{ action(type="omfile" file="{log}" template="raw") }}
"""
_RENAMED = """
{log} {{
  size 1
  rotate 20
  missingok
  create
  {packed}
  postrotate
    kill -HUP $(cat {pid})
  endscript
}}
"""
_COPIED = "{log} {{\n size 1\n rotate 20\n copytruncate\n}}\n"


@pytest.mark.parametrize("packed", [pytest.param("nocompress", marks=pytest.mark.long), "compress\n  delaycompress"])
def test_each_request_is_there_once_over_rotations(packed: str, on_ceph: Place, bucket: str, tmp_path: Path) -> None:
    port, log, rotating = free_port(), tmp_path / "haproxy.log", tmp_path / "rotate.conf"
    (tmp_path / "rsyslog.conf").write_text(_RSYSLOG.format(port=port, log=log), encoding="utf-8")
    with (
        rsyslog(tmp_path / "rsyslog.conf") as logger,
        agent(tmp_path / "agent", on_ceph, bucket, follow=[str(log)]) as running,
        stage(tmp_path, f"127.0.0.1:{port}") as scene,
    ):
        rotating.write_text(_RENAMED.format(log=log, pid=logger.pid_file, packed=packed), encoding="utf-8")
        rotating.chmod(0o600)
        sent = []
        for turn in range(4):
            sent += scene.clients.run(2 * len(KINDS))
            logrotate(rotating)
            if turn == 1:
                running.kill()
                running.start()
        expected = requests(sent)
        scene.logged(len(sent))
        assert scene.handled() == len(expected)
        assert scene.dropped() == 0
        await_lines(on_ceph, bucket, len(expected), lambda: running.output)
        records = parse(*read(replace(on_ceph, tenant=on_ceph.keys), bucket, tmp_path / "read"))
    assert differences(expected, records) == []
