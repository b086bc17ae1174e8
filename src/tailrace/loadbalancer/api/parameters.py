"""The parameters of a request, read strictly: what can be understood in two ways is refused.

https://docs.aws.amazon.com/elasticloadbalancing/2012-06-01/APIReference/using-query-api.html
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Final
from urllib.parse import unquote_to_bytes

from tailrace.loadbalancer.api.refusals import invalid, malformed, shown

Parameters = Mapping[str, str]
MOST: Final = 1000
_BROKEN: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
_UNWRITABLE: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML cannot hold, so that no answer could tell it."""
_NUMBER: Final = re.compile(r"[1-9][0-9]{0,3}")
SIGNING: Final = frozenset(
    {"AWSAccessKeyId", "Signature", "SignatureMethod", "SignatureVersion", "Timestamp", "Expires", "SecurityToken"}
)
"""Parameters that belong to the signature, beside those that begin with X-Amz-."""
COMMON: Final = frozenset({"Action", "Version"})


def parameters_of(*forms: str) -> dict[str, str]:
    """Names and values of forms, such as a query and a body. Raises Refusal."""
    found: dict[str, str] = {}
    pairs = [pair for form in forms for pair in form.split("&", MOST) if pair]
    if len(pairs) > MOST:
        message = f"The request has more than {MOST} parameters"
        raise malformed(message)
    for pair in pairs:
        name, _, value = pair.partition("=")
        key = _decoded(name)
        if key in found:
            message = f"The parameter {shown(key)!r} is given more than once"
            raise malformed(message)
        found[key] = _decoded(value)
    return found


def _decoded(text: str) -> str:
    if _BROKEN.search(text):
        msg = "A percent sign in the parameters is not followed by two hexadecimal digits"
        raise malformed(msg)
    try:
        found = unquote_to_bytes(text.replace("+", " ")).decode()
    except UnicodeDecodeError as error:
        msg = "The parameters are not UTF-8"
        raise malformed(msg) from error
    if _UNWRITABLE.search(found):
        msg = "The parameters hold characters that XML does not have"
        raise malformed(msg)
    return found


def is_of_signature(name: str) -> bool:
    """Whether a parameter belongs to the signature."""
    return name in SIGNING or name.lower().startswith("x-amz-")


def only(parameters: Parameters, *names: str, below: Collection[str] = ()) -> None:
    """Refuse what is neither one of these parameters nor below one of those; a misspelt one is never passed over."""
    prefixes = tuple(f"{each}." for each in below)
    for name, value in parameters.items():
        empty = name in below and not value  # a list without members, as clients write it
        if not (empty or name in names or name in COMMON or is_of_signature(name) or name.startswith(prefixes)):
            message = f"{shown(name)!r} is no parameter of this action"
            raise invalid(message)


def listed(parameters: Parameters, name: str) -> list[str]:
    """The texts of a list: NAME.member.1, NAME.member.2 and so on."""
    found = {}
    for number, rest, value in _members(parameters, name):
        if rest:
            message = f"{shown(name)!r} is a list of texts"
            raise invalid(message)
        found[number] = value
    return [found[number] for number in sorted(found)]


def structures(parameters: Parameters, name: str, *fields: str) -> list[dict[str, str]]:
    """The structures of a list: NAME.member.1.Key and so on, with these fields."""
    found: dict[int, dict[str, str]] = {}
    for number, rest, value in _members(parameters, name):
        if rest not in fields:
            message = f"{shown(name)!r} is a list of structures of {' and '.join(fields)}"
            raise invalid(message)
        found.setdefault(number, {})[rest] = value
    return [found[number] for number in sorted(found)]


def _members(parameters: Parameters, name: str) -> Iterator[tuple[int, str, str]]:
    for key, value in parameters.items():
        if not key.startswith(f"{name}."):
            continue
        _, _, told = key.removeprefix(f"{name}.").partition("member.")
        number, _, rest = told.partition(".")
        if not key.startswith(f"{name}.member.") or not _NUMBER.fullmatch(number):
            message = f"{shown(key)!r} is no member of a list"
            raise invalid(message)
        yield int(number), rest, value


def boolean(text: str, name: str) -> bool:
    """A switch. Raises Refusal."""
    if text.lower() not in ("true", "false"):
        message = f"{name!r} must be true or false, not {shown(text)!r}"
        raise invalid(message)
    return text.lower() == "true"


def whole(text: str, name: str) -> int:
    """A number. Raises Refusal."""
    if not re.fullmatch(r"[0-9]{1,9}", text):
        message = f"{name!r} must be a whole number, not {shown(text)!r}"
        raise invalid(message)
    return int(text)
