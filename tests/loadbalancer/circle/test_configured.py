"""An appliance whose HAProxy is configured by `tailrace lb configure`, and rules for rsyslog and logrotate that it writes."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from delivering import Place, agent, await_lines, parse, read, run
from services.balancing import logrotate, rsyslog
from services.comparing import differences, requests
from services.real import free_port
from services.traffic import KINDS
from staging import stage

_ITS_OWN = re.compile(rb"\S+:\d+ \[\d+/\w+/[\d:.]+\] (?!.*tailrace)")


def test_the_appliance_keeps_its_own_log(on_ceph: Place, bucket: str, tmp_path: Path) -> None:
    device = tmp_path / "log.sock"
    with (
        agent(tmp_path / "agent", on_ceph, bucket, receive=[f"unix:{device}"]) as running,
        stage(tmp_path, "", configured=False) as scene,
    ):
        before = scene.haproxy.config.read_bytes()
        told = ["lb", "configure", "-f", str(scene.haproxy.config), "--kept", str(tmp_path / "kept"), "--yes"]
        told += ["--reload-command", f"kill -USR2 {scene.haproxy.pid}"]
        run(*told, "--to", f"unix:{device}")
        sent = scene.clients.run(3 * len(KINDS))
        heard = scene.logged(len(sent))
        assert len(heard) == len(sent)
        assert scene.dropped() == 0
        assert [line for line in heard if not _ITS_OWN.match(line)] == []
        expected = requests(sent)
        await_lines(on_ceph, bucket, len(expected), lambda: running.output)
        records = parse(*read(replace(on_ceph, tenant=on_ceph.keys), bucket, tmp_path / "read"))
        assert differences(expected, records) == []
        run(*told, "--undo")
        assert scene.haproxy.config.read_bytes() == before


def test_rules_for_rsyslog_and_logrotate(on_ceph: Place, bucket: str, tmp_path: Path) -> None:
    port, log = free_port(), tmp_path / "haproxy.log"
    rules, rotating = tmp_path / "rsyslog.conf", tmp_path / "rotate.conf"
    with agent(tmp_path / "agent", on_ceph, bucket, follow=[str(log)]) as running:
        settings = ["lb", "configure", "--config", str(running.settings)]
        rules.write_text(run(*settings, "--rsyslog", "--to", f"udp:127.0.0.1:{port}").stdout, encoding="utf-8")
        with rsyslog(rules) as logger, stage(tmp_path, f"127.0.0.1:{port}") as scene:
            text = run(*settings, "--logrotate").stdout
            text = re.sub(r"(?m)^ +systemctl.*$", f"        kill -HUP $(cat {logger.pid_file})", text)
            rotating.write_text(text, encoding="utf-8")
            rotating.chmod(0o600)
            sent = []
            for _ in range(3):
                sent += scene.clients.run(2 * len(KINDS))
                logrotate(rotating, "--force")
            expected = requests(sent)
            scene.logged(len(sent))
            assert scene.dropped() == 0
            await_lines(on_ceph, bucket, len(expected), lambda: running.output)
            records = parse(*read(replace(on_ceph, tenant=on_ceph.keys), bucket, tmp_path / "read"))
    assert differences(expected, records) == []
