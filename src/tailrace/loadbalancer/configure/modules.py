"""Modules of rsyslog, which none of its files may load after another did, in the order in which it reads them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tailrace.errors import UsageError

NAMES: Final = ("20-tailrace.conf", "zz-tailrace.conf")
"""Ours: before the rules of others, which may keep a line from those behind; or, if it must, behind them."""
_MAIN: Final = "etc/rsyslog.conf"
_FOLDER: Final = "etc/rsyslog.d"
_LOADED: Final = re.compile(r"""^\s*(?:module\(\s*load=["']|\$ModLoad\s+)(\w+)""", re.MULTILINE | re.IGNORECASE)
_INCLUDE: Final = re.compile(
    r"""^\s*(?:\$IncludeConfig\s+|include\([^)]*file=["'])/etc/rsyslog\.d/""", re.MULTILINE | re.IGNORECASE
)
_RECEIVING: Final = frozenset({"imudp", "imuxsock"})
"""Those that matter here."""
_LARGEST: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Loading:
    """Under which name our file can be, and what is loaded `before` it and `after`."""

    name: str
    before: frozenset[str] = frozenset()
    after: frozenset[str] = frozenset()


def module_for(to: str) -> str:
    """The module that receives there."""
    return "imudp" if to.startswith("udp:") else "imuxsock"


def loading(root: Path, module: str) -> Loading:
    """Where our file can load a module, or have it loaded. Raises UsageError if it can nowhere."""
    files = list(_files(root))
    late = ""
    for name in NAMES:
        before, after = set[str](), dict[str, str]()
        for path, where, loaded in files:
            if where < (1, name):
                before |= loaded
            else:
                after |= dict.fromkeys(loaded, path)
        if module in before or module not in after:
            return Loading(name, frozenset(before), frozenset(after))
        late = after[module]
    message = f"{late} loads {module} after {_FOLDER}/{NAMES[-1]} would, and rsyslog takes no module twice; load it in /{_MAIN} before its include"
    raise UsageError(message.replace(_FOLDER, f"/{_FOLDER}"))


def other(root: Path, name: str) -> Path | None:
    """A file of ours under another name, which would receive the same."""
    return next((path for each in NAMES if each != name and (path := root / _FOLDER / each).exists()), None)


def _files(root: Path) -> Iterator[tuple[str, tuple[int, str], frozenset[str]]]:
    """What each part of the configuration loads, and where that stands in the order; without what is ours."""
    main = _text(root / _MAIN)
    include = _INCLUDE.search(main)
    end = include.start() if include else len(main)
    yield f"/{_MAIN}", (0, ""), _loads(main[:end])
    yield f"/{_MAIN}", (2, ""), _loads(main[end:])
    for path in (root / _FOLDER).glob("*.conf"):
        if path.name not in NAMES:
            yield f"/{_FOLDER}/{path.name}", (1, path.name), _loads(_text(path))


def _loads(text: str) -> frozenset[str]:
    return frozenset(_LOADED.findall(text)) & _RECEIVING


def _text(path: Path) -> str:
    return path.read_text(errors="replace")[:_LARGEST] if path.is_file() else ""
