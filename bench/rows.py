"""Rows of a table, each measured in a process of its own beside a receiver in another.

A script gives a `Bench` and calls `run`; the script itself is started anew, with the same words, for the receiver and for each row.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from argparse import SUPPRESS, ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

from data import made

Work = Callable[[], object]
"""What is measured; it can be done again and again."""
Address = Any
"""Where receivers are, as JSON tells it."""


@dataclass(frozen=True)
class Row:
    """What is measured, how many of the lines, and beside which row it is put."""

    name: str
    share: float = 1.0
    beside: str = ""


@dataclass(frozen=True)
class Bench:
    """Rows with the functions of the same names, and how they are measured."""

    title: str
    rows: Mapping[str, Row]
    works: Mapping[str, Any]
    """By a row's name: a function of the receivers' address and the number of lines that returns the work."""
    serve: Callable[[], Address]
    """Start the receivers in threads of their own."""
    clocks: Mapping[str, Callable[[], float]]
    """What is read before and after, in s, by the word that the table's heads have for it: none where there is one alone."""
    repeat: int
    """So often a row is done; the best counts."""
    prepare: Callable[[Address], object] = lambda _address: None
    """Done before each time."""
    processor: int | None = None
    """The one that rows are pinned to."""


def words_for(what: str | None, rows: Iterable[str]) -> ArgumentParser:
    """The words that all such scripts take."""
    words = ArgumentParser(description=what, formatter_class=RawDescriptionHelpFormatter)
    words.add_argument("only", nargs="*", metavar="ROW", help=f"one of {', '.join(rows)}; all if not given")
    words.add_argument("--lines", type=int, default=50_000)
    words.add_argument("--serve", action="store_true", help=SUPPRESS)
    words.add_argument("--measure", nargs=3, help=SUPPRESS)
    return words


def run(bench: Bench, given: Namespace, address: Address = None) -> None:
    """Measure and show; or be the receiver until standard input ends, or one row. An address stands for the receiver's own."""
    if given.serve:
        print(json.dumps(bench.serve()), flush=True)
        sys.stdin.read()
    elif given.measure:
        name, told, lines = given.measure
        print(json.dumps(_measure(bench, name, json.loads(told), int(lines))))
    else:
        made()
        Console().print(_table(bench, _measured(bench, given, address)))


def _measured(bench: Bench, given: Namespace, address: Address) -> dict[str, list[float]]:
    """Every clock's µs a record, by row."""
    micros = {}
    with subprocess.Popen(_again("--serve"), stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server:
        assert server.stdout
        told = json.loads(server.stdout.readline())
        for name, row in bench.rows.items():
            if not given.only or name in given.only:
                lines = max(10, int(given.lines * row.share))
                micros[name] = [seconds / lines * 1e6 for seconds in _seconds(name, address or told, lines)]
        assert server.stdin
        server.stdin.close()
    return micros


def _seconds(name: str, address: Address, lines: int) -> list[float]:
    command = _again("--measure", name, json.dumps(address), str(lines))
    environment = os.environ | {"PYTHONWARNINGS": "ignore"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        sys.exit(f"{name}: {done.stderr}")
    seconds: list[float] = json.loads(done.stdout)
    return seconds


def _again(*first: str) -> list[str]:
    return [sys.executable, sys.argv[0], *first, *sys.argv[1:]]


def _measure(bench: Bench, name: str, address: Address, lines: int) -> list[float]:
    """Do a row's work; the least that each clock has told."""
    from tailrace.hosts.memory import keep

    keep()
    if bench.processor is not None:
        os.sched_setaffinity(0, [bench.processor])
    work: Work = bench.works[name](address, lines)
    clocks, times = bench.clocks.values(), []
    for _ in range(bench.repeat):
        bench.prepare(address)
        before = [clock() for clock in clocks]
        work()
        times.append([clock() - began for clock, began in zip(clocks, before, strict=True)])
    return [min(each) for each in zip(*times, strict=True)]


def _table(bench: Bench, micros: Mapping[str, list[float]]) -> Table:
    """All rows."""
    shown = Table(title=bench.title, title_justify="left", box=None, pad_edge=False)
    figures, ratios = ([form.format(word).strip() for word in bench.clocks] for form in ("{} µs a record", "× {}"))
    for head in ("row", *figures, "beside", *ratios):
        shown.add_column(head, justify="left" if head in ("row", "beside") else "right")
    for name, values in micros.items():
        row = bench.rows[name]
        beside = micros.get(row.beside)
        times = [f"{a / b:.1f}" for a, b in zip(values, beside, strict=True)] if beside else []
        shown.add_row(row.name, *(f"{value:.2f}" for value in values), row.beside if beside else "", *times)
    return shown
