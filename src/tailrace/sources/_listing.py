"""Listing a bucket, and of load balancers' logs only the days that are wanted.

The layout is `[prefix/]AWSLogs/ACCOUNT/elasticloadbalancing/REGION/YYYY/MM/DD/`. It is looked for where the listing begins and
in the folders there; everything else is listed as a whole and looked through.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import chain
from operator import itemgetter
from typing import Any, Final

from tailrace.sources._selection import ROOT, Selection, level_of

_FOLDERS: Final = 100
"""Where there are more folders side by side, they are not looked into one by one."""


class Listing:
    """The entries of a bucket below a prefix, in the order of their keys. Raises what the client raises."""

    def __init__(self, client: Any, bucket: str, prefix: str, selection: Selection, **words: str) -> None:
        """`words`: for every call."""
        self._prefix, self._selection = prefix, selection
        self._listed = partial(client.get_paginator("list_objects_v2").paginate, Bucket=bucket, **words)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """The entries that are wanted."""
        selection = self._selection
        found = self._within(self._prefix, search=1) if selection.timed else self._all(self._prefix)
        for entry in found:
            if selection.takes(entry["Key"], entry["LastModified"].timestamp()):
                yield entry

    def _all(self, prefix: str) -> Iterator[dict[str, Any]]:
        after = {"StartAfter": self._selection.after} if self._selection.after else {}
        for page in self._listed(Prefix=prefix, **after):
            yield from page.get("Contents", ())

    def _within(self, prefix: str, search: int) -> Iterator[dict[str, Any]]:
        """What lies below a prefix, folder by folder; `search`: so many levels above the layout are looked into."""
        level, _date = level_of(prefix[: prefix.rfind("/") + 1])
        pages = iter(self._listed(Prefix=prefix, Delimiter="/"))
        first = next(pages)
        many = first.get("IsTruncated") or len(first.get("CommonPrefixes", ())) > _FOLDERS
        if level == "day" or (level is None and (many or f"{ROOT}/" in prefix)):
            yield from self._all(prefix)
            return
        for page in chain((first,), pages):
            yield from self._of_page(page, search)

    def _of_page(self, page: dict[str, Any], search: int) -> Iterator[dict[str, Any]]:
        found: list[tuple[str, dict[str, Any] | None]] = [(each["Key"], each) for each in page.get("Contents", ())]
        found += [(each["Prefix"], None) for each in page.get("CommonPrefixes", ())]
        for name, entry in sorted(found, key=itemgetter(0)):
            if entry:
                yield entry
                continue
            what = self._selection.look(name)
            if what == "into" or (what == "all" and search and level_of(name)[0] is None and f"{ROOT}/" not in name):
                yield from self._within(name, search if what == "into" else search - 1)
            elif what == "all":
                yield from self._all(name)
