"""What a shared object is for: its processor, and the newest glibc that it asks for."""

from __future__ import annotations

import re
from typing import Final

_MACHINES: Final = {62: "x86_64", 183: "aarch64"}
_GLIBC: Final = re.compile(rb"\0GLIBC_2\.(\d+)(?:\.\d+)?(?=\0)")


def machine(data: bytes) -> str:
    """The processor; empty if it is none that Lambda has, or no shared object of Linux."""
    if data[:5] != b"\x7fELF\x02":
        return ""
    return _MACHINES.get(int.from_bytes(data[18:20], "little"), "")


def glibc(data: bytes) -> int:
    """The newest glibc 2.x whose symbols it names; 0 if none."""
    return max((int(number) for number in _GLIBC.findall(data)), default=0)
