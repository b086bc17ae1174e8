"""Wheels of the kernel that nobody has built."""

from __future__ import annotations

import zipfile
from pathlib import Path

import tailrace

MACHINES = {"x86_64": 62, "aarch64": 183}


def shared_object(machine: str = "x86_64", glibc: int = 17) -> bytes:
    """As much of a shared object as is looked at."""
    head = b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x03\0" + MACHINES[machine].to_bytes(2, "little")
    return head + bytes(44) + f"\0GLIBC_2.2.5\0GLIBC_2.{glibc}\0GLIBC_PRIVATE\0".encode()


def kernel_wheel(path: Path, data: bytes, name: str = "tailrace_kernel/tailrace_kernel.abi3.so", **about: str) -> Path:
    told = {"Name": "tailrace-kernel", "Version": tailrace.__version__, **about}
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("tailrace_kernel-0.dist-info/METADATA", "".join(f"{k}: {v}\n" for k, v in told.items()))
        archive.writestr("tailrace_kernel/__init__.py", "")
        if data:
            archive.writestr(name, data)
    return path
