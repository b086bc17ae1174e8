"""Names that objects were given: a segment that is put again has the name it had, and no two segments have the same."""

from __future__ import annotations

import os
from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path
from typing import Final

from tailrace.disk import writing
from tailrace.errors import Fatal
from tailrace.loadbalancer.agent.spool import Segment
from tailrace.loadbalancer.model import Slot

KEPT: Final = 10_000
_LATER: Final = (*range(60), *range(60, 3600, 60), *range(3600, 49 * 3600, 3600))
_DIGEST: Final = 8


class Names:
    """A file of lines: digest of bucket and key, a space, the segment's random part."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def key(self, segment: Segment, key_of: Callable[[Slot], str], bucket: str) -> str:
        """The name of a segment's object. Where another one has it, the slot's end is told later, as little as makes another name. Raises Fatal."""
        with writing(self._path):
            given = self._read()
            for later in _LATER:
                key = key_of(Slot(segment.slot.start, segment.slot.end + later))
                digest = blake2b(f"{bucket}\0{key}".encode(), digest_size=_DIGEST).hexdigest()
                holder = given.get(digest)
                if holder is None:
                    self._keep(digest, segment.random, len(given))
                if holder in (None, segment.random):
                    return key
        message = f"objects of different times have the same name {key}: write {{random}}, or %M and %S, into lb.layout"
        raise Fatal(message)

    def _read(self) -> dict[str, str]:
        try:
            lines = self._path.read_text(encoding="ascii").splitlines()
        except FileNotFoundError:
            return {}
        return dict(line.split(" ", 1) for line in lines if line.count(" ") == 1)

    def _keep(self, digest: str, random: str, known: int) -> None:
        if known >= 2 * KEPT:
            newest = list(self._read().items())[-KEPT:]
            temporary = self._path.with_suffix(".new")
            temporary.write_text("".join(f"{key} {value}\n" for key, value in newest), encoding="ascii")
            temporary.replace(self._path)
        with self._path.open("a", encoding="ascii") as file:
            file.write(f"\n{digest} {random}\n")  # a line of its own, whatever a crash has left
            file.flush()
            os.fsync(file.fileno())
