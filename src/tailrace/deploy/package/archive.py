"""A zip whose bytes depend on nothing but the files in it."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Mapping
from typing import Final

_TIME: Final = (1980, 1, 1, 0, 0, 0)
"""The first that a zip can tell."""
_POSIX: Final = 3
_LEVEL: Final = 6
_FILE, _SHARED_OBJECT = 0o100644, 0o100755


def zipped(files: Mapping[str, bytes]) -> bytes:
    """The files as a zip: in the order of their names, all of one time, readable by all, shared objects executable."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name in sorted(files):
            info = zipfile.ZipInfo(name, _TIME)
            info.create_system = _POSIX
            info.external_attr = (_SHARED_OBJECT if name.endswith(".so") else _FILE) << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, files[name], compresslevel=_LEVEL)
    return target.getvalue()


def usual() -> bool:
    """Whether the zlib here is the one whose bytes are the same everywhere; zlib-ng compresses to other bytes."""
    return zlib.ZLIB_RUNTIME_VERSION.count(".") < 3 and "ng" not in zlib.ZLIB_RUNTIME_VERSION  # noqa: PLR2004 - 1.2.13, 1.3.1
