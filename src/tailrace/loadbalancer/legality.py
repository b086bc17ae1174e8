"""Which names of buckets and objects a store takes, and the nearest that it would."""

from __future__ import annotations

import re
from hashlib import blake2b
from typing import Final

from tailrace.errors import UsageError
from tailrace.privatecloud import Kind

_SHORTEST: Final = 3
_LONGEST: Final = 63
_SHORTEST_EXTENDED: Final = 2
_LONGEST_EXTENDED: Final = 255
_LONGEST_KEY: Final = 1024
_DNS = re.compile(r"[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?")
_EXTENDED = re.compile(r"[A-Za-z0-9._-]+")
_ADDRESS = re.compile(r"[0-9]+(?:\.[0-9]+){3}")
_BESIDE = re.compile(r"\.\.|\.-|-\.")
_RESERVED_HEADS: Final = ("xn--", "sthree-", "amzn-s3-demo-")
_RESERVED_TAILS: Final = ("-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3")
_STORES: Final = {"aws": "AWS", "eucalyptus": "Eucalyptus", "ceph": "Ceph", "swift": "Swift", "other": "this store"}
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ufffe\uffff\ud800-\udfff]")


def legal(bucket: str, kind: Kind = "other") -> str:
    """The name of a bucket, if a store of that kind takes it.

    Eucalyptus takes underscores and capitals unless it was set up otherwise; all others want names that are host names.
    Raises UsageError with what is wrong and a name that is legal.
    """
    why = _why(bucket, kind)
    if why:
        message = f"bucket {bucket!r}: {_STORES[kind]} takes no name that {why}; a legal one is {suggestion(bucket)!r}"
        raise UsageError(message)
    return bucket


def _why(bucket: str, kind: Kind) -> str:
    """What is wrong with a name; empty if nothing is."""
    if kind == "eucalyptus":
        return _why_extended(bucket)
    wrong, beside = re.search(r"[^a-z0-9.-]", bucket), _BESIDE.search(bucket)
    reserved = bucket.startswith(_RESERVED_HEADS) or bucket.endswith(_RESERVED_TAILS)
    reasons = (
        (not _SHORTEST <= len(bucket) <= _LONGEST, f"has {len(bucket)} characters instead of 3 to {_LONGEST}"),
        (wrong, f"holds {wrong[0]!r}: only a-z, 0-9, dots and hyphens are legal" if wrong else ""),
        (not _DNS.fullmatch(bucket), "begins or ends with a dot or hyphen"),
        (beside, f"holds {beside[0]!r}" if beside else ""),
        (_ADDRESS.fullmatch(bucket), "looks like an IP address"),
        (reserved and kind in ("aws", "other"), "AWS keeps for itself"),
    )
    return next((reason for found, reason in reasons if found), "")


def _why_extended(bucket: str) -> str:
    if not _SHORTEST_EXTENDED <= len(bucket) <= _LONGEST_EXTENDED:
        return f"has {len(bucket)} characters instead of 2 to {_LONGEST_EXTENDED}"
    if not _EXTENDED.fullmatch(bucket):
        return "holds anything but letters, digits, dots, hyphens and underscores"
    return "" if bucket.strip(".") else "is nothing but dots"


def suggestion(bucket: str) -> str:
    """The nearest name that every store takes; one that has to be cut ends with a digest of the whole."""
    name = re.sub(r"[^a-z0-9.-]", "-", bucket.lower())
    while _BESIDE.search(name):
        name = _BESIDE.sub("-", name)
    name = name.strip(".-")
    if _ADDRESS.fullmatch(name):
        name = f"logs-{name}"
    if name.startswith(_RESERVED_HEADS):
        name = f"logs-{name}"
    if len(name) < _SHORTEST:
        name = f"{name}-logs".strip("-")
    if len(name) > _LONGEST or name.endswith(_RESERVED_TAILS):
        digest = blake2b(bucket.encode("utf-8", "surrogatepass"), digest_size=4).hexdigest()
        name = f"{name[: _LONGEST - 9].rstrip('.-')}-{digest}"
    return name


def legal_key(key: str) -> str:
    """The name of an object, if stores take it. Raises UsageError with what is wrong."""
    why = ""
    if wrong := _CONTROL.search(key):
        why = f"it holds the control character {wrong[0]!r}: leave it out"
    elif len(key.encode()) > _LONGEST_KEY:
        why = f"it has {len(key.encode())} bytes, and no store takes more than {_LONGEST_KEY}: shorten prefix or layout"
    elif not key or key[0] == "/" or "//" in key:
        why = "it has an empty part, which tools drop: take out the slash that is too many"
    elif any(part in (".", "..") for part in key.split("/")):
        why = "it has a part that is '.' or '..', which tools resolve: write another"
    if why:
        message = f"object name {key[:200]!r}: {why}"
        raise UsageError(message)
    return key
