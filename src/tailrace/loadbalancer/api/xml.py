"""Answers in XML, in the shapes and namespaces of AWS."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Final

CLASSIC: Final = "http://elasticloadbalancing.amazonaws.com/doc/2012-06-01/"
SECOND: Final = "http://elasticloadbalancing.amazonaws.com/doc/2015-12-01/"
FAULT: Final = "http://webservices.amazon.com/AWSFault/2005-15-09"
NAMESPACES: Final = {"2012-06-01": CLASSIC, "2015-12-01": SECOND}
"""By the version of the API."""
Element = tuple[str, "str | Sequence[Element]"]
"""A name, and a text or elements."""


def answer(action: str, result: Sequence[Element], namespace: str, request_id: str) -> bytes:
    """The answer to an action."""
    tree: Sequence[Element] = [(f"{action}Result", result), ("ResponseMetadata", [("RequestId", request_id)])]
    return _document(f"{action}Response", tree, namespace)


def refused(code: str, message: str, namespace: str, request_id: str, *, sender: bool = True) -> bytes:
    """The answer to a request that is not carried out. `sender`: it is for whoever sent it to put it right."""
    error: Sequence[Element] = [("Type", "Sender" if sender else "Receiver"), ("Code", code), ("Message", message)]
    return _document("ErrorResponse", [("Error", error), ("RequestId", request_id)], namespace)


def members(elements: Sequence[str | Sequence[Element]]) -> Sequence[Element]:
    """A list."""
    return [("member", each) for each in elements]


def _document(name: str, content: Sequence[Element], namespace: str) -> bytes:
    return f'<{name} xmlns="{namespace}">\n{"".join(_lines(content, 1))}</{name}>\n'.encode()


def _lines(elements: Sequence[Element], depth: int) -> list[str]:
    indent = "  " * depth
    found = []
    for name, content in elements:
        if isinstance(content, str):
            found.append(f"{indent}<{name}>{_text(content)}</{name}>\n" if content else f"{indent}<{name}/>\n")
        else:
            found += [f"{indent}<{name}>\n", *_lines(content, depth + 1), f"{indent}</{name}>\n"]
    return found


def _text(content: str) -> str:
    """A reader of XML would turn a carriage return into something else."""
    return escape(content, quote=False).replace("\r", "&#13;")
