"""Reading the XML that a cloud answers."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree import ElementTree as ET  # a cloud that the operator has named; documents with declarations are refused

from tailrace.loadbalancer.api.xml import Element


def parsed(content: bytes) -> ET.Element | None:
    """The document; None if it is none."""
    if b"<!DOCTYPE" in content:
        return None
    try:
        return ET.fromstring(content)  # noqa: S314 - see above
    except ET.ParseError:
        return None


def texts(element: ET.Element) -> dict[str, str]:
    """The texts of what stands directly in an element, by name without namespace."""
    return {each.tag.rpartition("}")[2]: (each.text or "").strip() for each in element}


def elements(element: ET.Element) -> str | Sequence[Element]:
    """What stands in an element, to be told again."""
    return [(each.tag.rpartition("}")[2], elements(each)) for each in element] or (element.text or "").strip()


def first(tree: ET.Element, name: str) -> ET.Element | None:
    """The first element of a name, wherever it stands."""
    return next((each for each in tree.iter() if each.tag.rpartition("}")[2] == name), None)
