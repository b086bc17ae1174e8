"""Names of indices and data streams, which may follow from the record.

https://www.elastic.co/docs/api/doc/elasticsearch/operation/operation-indices-create
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from tailrace.errors import UsageError
from tailrace.keys import parse_key

PLACEHOLDERS: Final = ("format", "date", "load_balancer")
UNDATED: Final = "undated"
"""Stands for the date of records whose time is not known."""
UNKNOWN: Final = "unknown"
"""Stands for the load balancer where the item's key does not name it."""
_PLACEHOLDER = re.compile(r"\{(\w*)\}")
_NAME = re.compile(r"[a-z0-9.][a-z0-9._-]*")
_UNFIT = re.compile(r"[^a-z0-9._-]")
_LONGEST = 255


@dataclass(frozen=True, slots=True)
class IndexName:
    """A name with placeholders: `{format}`, `{date}` (of the record, UTC) and `{load_balancer}` (as the item's key tells)."""

    template: str

    @classmethod
    def parse(cls, template: str) -> IndexName:
        """Raises UsageError with a sentence."""
        for name in _PLACEHOLDER.findall(template):
            if name not in PLACEHOLDERS:
                known = ", ".join(f"{{{known}}}" for known in PLACEHOLDERS)
                message = f"the name {template} of an index: there is no {{{name}}}; there are {known}"
                raise UsageError(message)
        plain = _PLACEHOLDER.sub("x", template)
        if not _NAME.fullmatch(plain) or plain in {".", ".."} or len(template) > _LONGEST:
            message = (
                f"{template or 'nothing'} cannot be the name of an index or data stream: write small letters of ASCII, digits,"
                " and . _ - which it does not begin with"
            )
            raise UsageError(message)
        return cls(template)

    @property
    def fixed(self) -> bool:
        """Whether it is the same for all records."""
        return "{" not in self.template

    @property
    def by_record(self) -> bool:
        """Whether records of one item may have different ones."""
        return "{format}" in self.template or "{date}" in self.template

    @property
    def pattern(self) -> str:
        """With `*` for each placeholder."""
        return _PLACEHOLDER.sub("*", self.template)

    @property
    def is_data_stream(self) -> bool:
        """Whether it is named as data streams of logs are: `logs-DATASET-NAMESPACE`."""
        return re.fullmatch(r"logs-[^-]+-.+", self.template) is not None

    def of(self, key: str, format_name: str = "", day: str | None = None) -> str:
        """The name for records of an item with that key."""
        if self.fixed:
            return self.template
        known = parse_key(key) if "{load_balancer}" in self.template else None
        balancer = _UNFIT.sub("-", known.load_balancer.lower()) if known else UNKNOWN
        values = {"format": format_name, "date": day or UNDATED, "load_balancer": balancer}
        return _PLACEHOLDER.sub(lambda match: values[match[1]], self.template)
