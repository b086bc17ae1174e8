"""`tailrace run --check` looks at every station and moves nothing; `tailrace run` ends as its sources do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from making import alb

DAY = "2026-09-23"


def test_every_station_is_looked_at(run: Any, tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(alb(DAY))
    (tmp_path / "run.toml").write_text('from = ["a.log"]\nto = ["store:s", "stdout"]\n')
    ran = run("run", "run.toml", "--check")
    assert (ran.code, ran.err) == (0, "")
    told = [line.split(None, 2) for line in ran.out.splitlines()]
    assert [(mark, name) for mark, name, _rest in told] == [("✓", "a.log"), ("✓", "store:s"), ("✓", "stdout")]
    assert "one file can be read" in told[0][2]
    assert "can be made" in told[1][2]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.log", "run.toml"]
    assert run("run", "run.toml", "--listen", "").code == 0
    assert "can be written to" in run("run", "run.toml", "--check").out


def test_what_is_wrong_is_told_of_each_and_is_exit_1(run: Any, tmp_path: Path) -> None:
    (tmp_path / "run.toml").write_text(
        'from = ["nothing.log", "amqp://127.0.0.1:1/q"]\nto = ["logstash:http://127.0.0.1:1"]\ndead_letters = "bad:x"\n'
    )
    ran = run("run", "run.toml", "--check")
    assert ran.code == 2
    assert "no sink is called 'bad'" in ran.err
    (tmp_path / "run.toml").write_text(
        'from = ["nothing.log", "amqp://127.0.0.1:1/q"]\nto = ["logstash:http://127.0.0.1:1"]\n'
    )
    ran = run("run", "run.toml", "--check")
    assert (ran.code, ran.err) == (1, "")
    assert [line[0] for line in ran.out.splitlines()] == ["✗", "✗", "✗"]
    assert "cannot be reached" in ran.out


def test_wrong_usage_is_one_clear_sentence(run: Any, tmp_path: Path) -> None:
    assert run("run").err.startswith("error: there is nothing to carry")
    assert (
        run("run", "nothing.toml").err == "error: cannot read the settings in nothing.toml: No such file or directory\n"
    )
    (tmp_path / "run.toml").write_text('from = ["."]\n')
    ran = run("run", "run.toml", "--listen", "0.0.0.0:1")
    assert (ran.code, "set a token as well" in ran.err) == (2, True)


def test_what_the_run_would_refuse_is_refused_by_the_check(run: Any, tmp_path: Path) -> None:
    (tmp_path / "run.toml").write_text('from = ["."]\n')
    for words in (("run",), ("run", "run.toml", "--listen", "0.0.0.0:1"), ("run", "run.toml", "--listen", "nowhere")):
        refused, checked = run(*words), run(*words, "--check")
        assert (checked.code, checked.out, checked.err) == (2, "", refused.err)


def test_sources_that_end_end_the_run(run: Any, tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(alb(DAY) + alb(DAY, 1))
    ran = run("run", "--from", "a.log", "--listen", "127.0.0.1:0")
    assert ran.code == 0
    assert "listening on 127.0.0.1:" in ran.err
    assert "records  2" in " ".join(ran.err.split("\n"))
    assert run("receipts", "--check").code == 0
