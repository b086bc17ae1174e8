"""What a search server says of each record of a bulk request.

Known from the answers of OpenSearch 2.19 and from
https://www.elastic.co/docs/api/doc/elasticsearch/operation/operation-bulk
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, Literal, NamedTuple

import msgspec

from tailrace.errors import Retryable
from tailrace.transport import passing

MAPPING: Final = "mapping"
REFUSED: Final = "refused"
TOO_LARGE: Final = "too_large"

Kind = Literal["accepted", "already", "again", "without_id", "refused", "fatal"]

PUSHED_BACK: Final = frozenset({429, 503})
"""What a server answers that has too much to do."""
_CONFLICT: Final = 409
_FORBIDDEN: Final = frozenset({401, 403, 404})
_BLOCKED: Final = "cluster_block_exception"
_MAPPING: Final = frozenset(
    {"mapper_parsing_exception", "document_parsing_exception", "strict_dynamic_mapping_exception", "mapper_exception"}
)
_MAPPING_PHRASES: Final = ("immense term", "Limit of total fields", "mapper [", "object mapping")
_NO_IDS: Final = "Document ID is not supported"
_FATAL: Final = {
    "index_not_found_exception": "there is no such index, and the server makes none by itself: make it, or allow"
    " action.auto_create_index",
    "index_closed_exception": "the index is closed: open it",
    "invalid_index_name_exception": "the server does not allow such a name",
    "security_exception": "the credentials may not write there: give them the privilege `create_doc` or `create`",
    "validation_exception": "the server does not make the index, for it would have more shards than it allows: allow more,"
    " or use fewer indices",
}
_FATAL_PHRASES: Final = {
    "no write index": "the alias has no index to write to: name one by `is_write_index`",
    "pipeline with id": "the ingest pipeline of the index does not exist: make it, or take it out of the index's settings",
    "op_type of create": "the server takes no `create` there",
}
_FIELD = re.compile(r"failed to parse field \[([\w.@-]{1,200})\] of type \[(\w{1,50})\]")
_TYPE = re.compile(r"[a-z_]{1,100}")


class Verdict(NamedTuple):
    """What becomes of a record. `reason` and `detail` of a refusal; `detail` of what is fatal is a sentence."""

    kind: Kind
    reason: str = ""
    detail: str = ""
    pushed_back: bool = False


ACCEPTED: Final = Verdict("accepted")


class _Cause(msgspec.Struct, gc=False):
    type: str = ""
    reason: str | None = ""


class _Outcome(msgspec.Struct, gc=False):
    status: int
    error: _Cause | None = None


class _Done(msgspec.Struct, gc=False):
    create: _Outcome


class _Answer(msgspec.Struct, gc=False):
    errors: bool
    items: list[_Done]


class _Failure(msgspec.Struct):
    error: _Cause | str = ""


_decode = msgspec.json.Decoder(_Answer).decode


def verdicts(body: bytes, sent: int) -> Sequence[Verdict] | None:
    """What becomes of each record of a request that was answered by 200; None if all were accepted.

    Raises Retryable if the answer does not tell of every record.
    """
    # The usual answer by the million: it need not be taken apart.
    if b'"errors":false' in body[:100] and body.count(b'"status":') == sent:
        return None
    try:
        answer = _decode(body)
    except msgspec.DecodeError as error:
        raise Retryable(
            "the answer to a bulk request cannot be read; what is at the URL may be no search server"
        ) from error
    if len(answer.items) != sent:
        message = f"the answer to a bulk request tells of {len(answer.items)} records, not of the {sent} that were sent"
        raise Retryable(message)
    return [judged(item.create.status, item.create.error or _Cause()) for item in answer.items]


def judged(status: int, error: _Cause) -> Verdict:
    """What becomes of one record. Of what the server says only what is none of the record's content goes on."""
    if 200 <= status < 300:  # noqa: PLR2004 - as HTTP defines it
        return ACCEPTED
    if status == _CONFLICT:
        return Verdict("already")
    if passing(status) or error.type == _BLOCKED:
        return Verdict("again", pushed_back=status in PUSHED_BACK, detail=named(error.type))
    return _final(status, error.type, error.reason or "")


def _final(status: int, kind: str, reason: str) -> Verdict:
    if _NO_IDS in reason:
        return Verdict("without_id")
    if remedy := _remedy(status, kind, reason):
        return Verdict("fatal", detail=f"{remedy} ({named(kind)})")
    if kind in _MAPPING or any(phrase in reason for phrase in _MAPPING_PHRASES):
        return Verdict("refused", MAPPING, _detail(kind, reason))
    return Verdict("refused", REFUSED, f"{status} {named(kind)}")


def _remedy(status: int, kind: str, reason: str) -> str:
    if kind in _FATAL:
        return _FATAL[kind]
    if kind == "illegal_argument_exception":
        return next((remedy for phrase, remedy in _FATAL_PHRASES.items() if phrase in reason), "")
    return "the server refuses to write there" if status in _FORBIDDEN else ""


def _detail(kind: str, reason: str) -> str:
    """The kind of error and the field, but never its value."""
    match = _FIELD.match(reason)
    return f"{named(kind)}: {match[1]} is no {match[2]}" if match else named(kind)


def named(kind: str) -> str:
    """The kind of an error, if it looks like one."""
    return kind if _TYPE.fullmatch(kind) else "unknown error"


def failure(body: bytes) -> tuple[str, str]:
    """The kind of an error and its reason, from the answer to a request that failed as a whole; empty if it tells none."""
    try:
        error = msgspec.json.decode(body, type=_Failure).error
    except msgspec.DecodeError:
        return "", ""
    return ("", error) if isinstance(error, str) else (error.type, error.reason or "")


def no_ids(body: bytes) -> bool:
    """Whether a request failed as a whole because it names ids."""
    return _NO_IDS in failure(body)[1]
