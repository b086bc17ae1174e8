"""Find functions and files that are too long: read `LIMITS`."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple


class Limits(NamedTuple):
    """The most lines that a function and a file may have."""

    function: int
    file: int


LIMITS = {".py": Limits(60, 600), ".rs": Limits(60, 600)}
_FUNCTION = re.compile(r"^( *)(?:pub(?:\([a-z]+\))? )?(?:const )?(?:unsafe )?(?:extern \"C\" )?fn (\w+)")
_ARM = re.compile(r"=>")


def main(roots: list[str]) -> int:
    """Print what is too long below the given folders; 1 if there is any."""
    problems = [problem for root in roots for path in _sources(Path(root)) for problem in _problems(path)]
    for problem in problems:
        sys.stdout.write(f"{problem}\n")
    return 1 if problems else 0


def _sources(root: Path) -> Iterator[Path]:
    yield from (path for path in sorted(root.rglob("*")) if path.suffix in LIMITS and "target" not in path.parts)


def _problems(path: Path) -> Iterator[str]:
    limits, text = LIMITS[path.suffix], path.read_text(encoding="utf-8")
    lines = text.count("\n")
    if lines > limits.file:
        yield f"{path}: {lines} lines, more than {limits.file}"
    functions = _of_python(text) if path.suffix == ".py" else _of_rust(text)
    yield from (
        f"{path}: {name} has {length} lines, more than {limits.function}"
        for name, length in functions
        if length > limits.function
    )


def _of_python(text: str) -> Iterator[tuple[str, int]]:
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            yield node.name, node.end_lineno - node.lineno + 1


def _of_rust(text: str) -> Iterator[tuple[str, int]]:
    """Functions as rustfmt writes them: the closing brace stands below the first letter. Match tables do not count."""
    lines = text.splitlines()
    for start, line in enumerate(lines):
        if match := _FUNCTION.match(line):
            end = next((n for n in range(start, len(lines)) if lines[n].startswith(f"{match[1]}}}")), start)
            body = lines[start : end + 1]
            yield match[2], len(body) - sum(1 for each in body if _ARM.search(each))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
