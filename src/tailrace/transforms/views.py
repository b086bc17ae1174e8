"""From the settings of a sink to the view that it has of records."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from difflib import get_close_matches
from hashlib import blake2b
from typing import Any, cast, get_args

from tailrace.errors import UsageError
from tailrace.kernel import names
from tailrace.kernel.layout import ALWAYS, Format
from tailrace.model import Conditions, Method, View
from tailrace.transforms.conditions import ONLY_PRESENT, Types, conditions, known
from tailrace.transforms.settings import Transforms

_METHODS: tuple[Method, ...] = get_args(Method)
_OF_NUMBERS = ("remove", "mask")
_ALWAYS = {
    "format": names.FORMAT, "time_source": names.TIME_SOURCE, "truncated": names.TRUNCATED, "invalid": names.INVALID,
    "extra": names.EXTRA,
}  # fmt: skip


def view_of(transforms: Transforms, formats: Iterable[Format], key: bytes = b"", *, fixed: bool = False) -> View:
    """The view that these settings tell.

    `formats`: those that records may have. `key`: what `redact_key` holds. `fixed`: for a sink whose columns cannot be other
    ones. Raises UsageError that tells what is wrong, and what to write.
    """
    there_are = tuple(formats)
    types = _types(there_are)
    if fixed and (transforms.rename or transforms.constants):
        what = "rename" if transforms.rename else "constants"
        message = f"{what}: the columns of this sink are fixed; name them otherwise in a query, and leave {what} away"
        raise UsageError(message)
    view = View(
        formats=_chosen(transforms.formats, there_are),
        include=_groups(transforms.include, types),
        exclude=_groups(transforms.exclude, types),
        counted=transforms.filter_mode == "count",
        rename=tuple(_renamed(transforms, types)),
        redact=tuple(_redacted(transforms, types)),
        key=_key(transforms, key),
        constants=tuple(_constants(transforms)),
    )
    _refuse_doubles(view, there_are)
    return view


def _types(formats: Sequence[Format]) -> Types:
    found: dict[str, set[str]] = {name: {ONLY_PRESENT} for name in ("truncated", "invalid", "extra")}
    found |= {"format": {"text"}, "time_source": {"text"}}
    for each in formats:
        for column in each.columns:
            found.setdefault(column.name, set()).add(column.type)
    return {name: frozenset(types) for name, types in found.items()}


def _chosen(wanted: Sequence[str], formats: Sequence[Format]) -> tuple[str, ...]:
    there_are = [each.name for each in formats]
    for name in wanted:
        if name not in there_are:
            close = get_close_matches(name, there_are, n=1)
            hint = f"did you mean {close[0]}?" if close else f"there are: {', '.join(there_are)}"
            message = f"formats: no format is called {name!r}; {hint}"
            raise UsageError(message)
    return tuple(dict.fromkeys(wanted))


def _groups(texts: Sequence[str], types: Types) -> Conditions:
    return tuple(conditions(text, types) for text in texts)


def _renamed(transforms: Transforms, types: Types) -> Iterator[tuple[str, str]]:
    for name, new in transforms.rename.items():
        known(name, types, "rename")
        if not isinstance(new, str) or not new:
            message = f"rename: {name} needs a text as its new name, not {new!r}"
            raise UsageError(message)
        yield name, new


def _redacted(transforms: Transforms, types: Types) -> Iterator[tuple[str, Method]]:
    for name, method in transforms.redact.items():
        if name in ("time", *_ALWAYS):
            hint = "is withheld with any redaction" if name == "extra" else "cannot be redacted"
            message = f"redact: {name} {hint}; leave it away"
            raise UsageError(message)
        known(name, types, "redact")
        if method not in _METHODS:
            message = f"redact: {name} is to be redacted by one of {', '.join(_METHODS)}, not {method!r}"
            raise UsageError(message)
        if method not in _OF_NUMBERS and not types[name] <= {"text", "texts"}:
            message = f"redact: {name} is no text, so it can be redacted by {' or '.join(_OF_NUMBERS)} only"
            raise UsageError(message)
        yield name, cast("Method", method)


def _key(transforms: Transforms, key: bytes) -> bytes:
    if "hash" not in transforms.redact.values():
        return b""
    if not key:
        message = "redact: hash needs redact_key; without a key anyone can try which address a hash stands for"
        raise UsageError(message)
    return blake2b(key, digest_size=32).digest()


def _constants(transforms: Transforms) -> Iterator[tuple[str, str]]:
    for name, value in transforms.constants.items():
        if not name or not _is_scalar(value):
            message = f"constants: {name!r} needs a text, a number, true or false, not {value!r}"
            raise UsageError(message)
        yield name, json.dumps(value, ensure_ascii=False)


def _is_scalar(value: Any) -> bool:
    return isinstance(value, str | int) or (isinstance(value, float) and math.isfinite(value))


def _refuse_doubles(view: View, formats: Sequence[Format]) -> None:
    """Raise UsageError if two fields of a record would have one name, in any schema."""
    if not view.rename and not view.constants:
        return
    new = dict(view.rename)
    for each in (one for one in formats if not view.formats or one.name in view.formats):
        for schema in names.SCHEMAS:
            own = {column.name: names.name_of(column, schema) for column in each.columns}
            own |= {name: _ALWAYS[name][schema] for name, _, _ in ALWAYS}
            taken = [new.get(name, told) for name, told in own.items()]
            chosen = [new[name] for name in own if name in new] + [name for name, _ in view.constants]
            for name in chosen:
                if name == names.ID or (taken + [each for each, _ in view.constants]).count(name) > 1:
                    message = (
                        f"rename, constants: {name} would be there twice in records of {each.name} (schema {schema}); "
                        "choose another name"
                    )
                    raise UsageError(message)
