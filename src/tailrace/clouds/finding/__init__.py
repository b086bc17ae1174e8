"""Finds clouds in all that people have written down for other programs: a file for each place that tells of them."""

from __future__ import annotations

from tailrace.clouds.finding.search import Given, find, names, split

__all__ = ["Given", "find", "names", "split"]
