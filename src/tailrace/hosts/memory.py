"""How the C library's allocator deals with memory that comes and goes with every chunk."""

from __future__ import annotations

import ctypes
from contextlib import suppress

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
"""Numbers of parameters in glibc's malloc.h."""
_TRIM, _MMAP = 64 << 20, 32 << 20


def keep() -> None:
    """Let glibc keep what is freed for the next chunk; other C libraries are left as they are.

    By default it gives large blocks back to the kernel and gets them again, page by page, which costs as much time as a
    third of the decompression. https://man7.org/linux/man-pages/man3/mallopt.3.html
    """
    with suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_TRIM_THRESHOLD, _TRIM)
        mallopt(_M_MMAP_THRESHOLD, _MMAP)
