"""What a shared object is for, beside what others say of it."""

from __future__ import annotations

import platform
import sys
from pathlib import Path

import msgspec._core
import pytest
from auditwheel.elfutils import elf_find_versioned_symbols
from elftools.elf.elffile import ELFFile
from making_wheels import shared_object

from tailrace.deploy.package import elf


def test_the_processor() -> None:
    assert elf.machine(Path(sys.executable).resolve().read_bytes()) == platform.machine()
    assert [elf.machine(shared_object(each)) for each in ("x86_64", "aarch64")] == ["x86_64", "aarch64"]


@pytest.mark.parametrize(
    "data", [b"", b"MZ", b"\x7fELF\x01" + bytes(60), b"\x7fELF\x02" + bytes(60), b"\xcf\xfa\xed\xfe" + bytes(60)]
)
def test_what_is_none_of_lambdas(data: bytes) -> None:
    assert elf.machine(data) == ""


def test_the_newest_glibc() -> None:
    assert elf.glibc(shared_object(glibc=28)) == 28
    assert elf.glibc(b"\0GLIBC_2.9\0GLIBC_2.34\0GLIBC_2.5\0") == 34
    assert elf.glibc(b"no such thing") == 0


def test_auditwheel_finds_the_same_glibc() -> None:
    core = Path(str(msgspec._core.__file__))
    with core.open("rb") as file:
        told = {version for _, version in elf_find_versioned_symbols(ELFFile(file))}
    newest = max(int(each.split(".")[1]) for each in told if each.startswith("GLIBC_2."))
    assert elf.glibc(core.read_bytes()) == newest > 0
