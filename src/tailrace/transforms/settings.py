"""The settings that every sink takes beside its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from tailrace.quantities import Secret


class Texts(tuple[str, ...]):
    """Texts, of which a single one needs no list."""

    __slots__ = ()

    @classmethod
    def parse(cls, value: Any) -> Texts:
        """The texts that a setting tells. Raises ValueError with a sentence."""
        texts = [value] if isinstance(value, str) else value
        if not isinstance(texts, list | tuple) or not all(isinstance(text, str) for text in texts):
            raise ValueError("expected a text or a list of texts")
        return cls(texts)


class Pairs(dict[str, Any]):
    """Names and values: a table, or `name=value` in words behind one another."""

    @classmethod
    def parse(cls, value: Any) -> Pairs:
        """The pairs that a setting tells. Raises ValueError with a sentence."""
        if isinstance(value, Mapping):
            return cls(value)
        words = value.split() if isinstance(value, str) else [""]
        pairs = [word.partition("=") for word in words]
        if not all(name and equals for name, equals, _ in pairs):
            message = f"expected a table, or words NAME=VALUE, not {value!r}"
            raise ValueError(message)
        return cls((name, text) for name, _, text in pairs)


class Transforms(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a sink is to see of records."""

    formats: tuple[str, ...] = ()
    """Only records of these formats go to this sink (see `tailrace formats`); of all, if not given."""
    include: Texts = Texts()
    """Only records for which one of these conditions holds, such as `elb_status_code >= 500` (see docs/transforms.md)."""
    exclude: Texts = Texts()
    """No records for which one of these conditions holds, whatever `include` says."""
    filter_mode: Literal["apply", "count"] = "apply"
    """count: `include` and `exclude` keep nothing out, but what they would keep out is counted."""
    rename: Pairs = Pairs()
    """Fields that get another name: client_ip = "ip"."""
    redact: Pairs = Pairs()
    """Fields that are not shown as they are, and how: remove, mask, hash, network or query."""
    redact_key: Secret = Secret("")
    """The key of `hash`; without it nobody can tell which value a hash stands for."""
    constants: Pairs = Pairs()
    """Names and values (texts, numbers, true or false) that stand at the end of each record."""


def split(options: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The settings of a sink that are transforms, and those that are its own."""
    mine = {key: value for key, value in options.items() if key in Transforms.__struct_fields__}
    return mine, {key: value for key, value in options.items() if key not in mine}
