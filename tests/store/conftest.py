"""Offers the store of all samples."""

from stores import samples

__all__ = ["samples"]
