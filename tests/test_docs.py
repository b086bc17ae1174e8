"""The documents say what the code does."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "bench").glob("*.md"), ROOT / "kernel" / "README.md"]
)
_LINK = re.compile(r"\]\(([^)#\s]+)[^)]*\)")


def test_the_reference_is_what_the_code_declares(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [str(ROOT / "tools"), *sys.path])
    monkeypatch.setenv("COLUMNS", "100")
    import reference  # noqa: PLC0415 - a tool, not a package

    stale = [name for name, page in reference.pages() if (ROOT / "docs" / name).read_text(encoding="utf-8") != page]
    assert not stale, "run `make docs`"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    links = [link for link in _LINK.findall(page.read_text(encoding="utf-8")) if "://" not in link]
    assert [link for link in links if not (page.parent / link).exists()] == []
