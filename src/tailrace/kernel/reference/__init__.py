"""The reference twin: what the kernel does, in plain Python, to read, to compare with, and to fall back on."""

from __future__ import annotations

from tailrace.kernel.reference.parser import Parser
from tailrace.kernel.reference.records import Records

__all__ = ["Parser", "Records"]
