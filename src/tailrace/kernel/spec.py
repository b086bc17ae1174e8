"""The plan as the native kernel takes it: one JSON document, in which columns are numbers."""

from __future__ import annotations

from typing import Any

import msgspec

from tailrace.kernel import names
from tailrace.kernel.layout import SYSLOG, Columns, Field, Format, Layout, Objects, Space, Text, Variable
from tailrace.kernel.plan import Plan
from tailrace.model import Conditions, View


def to_json(plan: Plan) -> bytes:
    """The plan with everything that the native kernel needs to know of its formats."""
    schemas = {
        name: [table[schema] for schema in names.SCHEMAS]
        for name, table in {
            "format": names.FORMAT,
            "time_source": names.TIME_SOURCE,
            "truncated": names.TRUNCATED,
            "invalid": names.INVALID,
            "extra": names.EXTRA,
        }.items()
    }
    return msgspec.json.encode(
        {
            "formats": [_format(known) for known in plan.formats],
            "explicit": plan.explicit,
            "zone": {"begins": plan.zone.begins, "offsets": plan.zone.offsets},
            "captures": plan.captures,
            "max_line": plan.max_line,
            "names": {"id": names.ID, **schemas},
        }
    )


def view_to_json(view: View) -> bytes:
    """The view with everything that the native kernel needs to know of it."""
    return msgspec.json.encode(
        {
            "formats": view.formats,
            "include": _groups(view.include),
            "exclude": _groups(view.exclude),
            "counted": view.counted,
            "rename": dict(view.rename),
            "redact": view.redact,
            "key": list(view.key),
            "constants": view.constants,
        }
    )


def _groups(groups: Conditions) -> list[list[tuple[str, str, str]]]:
    return [[(told.field, told.operator, told.value) for told in group] for group in groups]


def _format(known: Format) -> dict[str, Any]:
    columns = known.columns
    numbers = {column.name: number for number, column in enumerate(columns)}
    return {
        "name": known.name,
        "columns": [
            {
                "type": column.type,
                "names": [names.name_of(column, schema) for schema in names.SCHEMAS],
                "drop_prefix": column.drop_prefix,
            }
            for column in columns
        ],
        "layouts": [_layout(layout, numbers) for layout in known.layouts],
        "syslog": [numbers[column.name] for column in SYSLOG] if known.framing == "syslog" else None,
    }


def _layout(layout: Layout, numbers: dict[str, int]) -> dict[str, Any]:
    if isinstance(layout, Columns):
        return {
            "layout": "columns",
            "fields": [_field(field, numbers) for field in layout.fields],
            "required": layout.required,
            "starts": layout.starts,
            "multiline": layout.multiline,
            "backslash_escapes": layout.backslash_escapes,
        }
    if isinstance(layout, Objects):
        fields = [_field(field, numbers) for field in layout.fields]
        return {"layout": "objects", "fields": fields, "mark": layout.mark}
    elements = [_element(element, numbers) for element in layout.elements]
    return {"layout": "template", "elements": elements, "required": layout.required}


def _element(element: Text | Space | Variable, numbers: dict[str, int]) -> dict[str, Any]:
    if isinstance(element, Text):
        return {"element": "text", "text": element.text}
    if isinstance(element, Space):
        return {"element": "space"}
    fields = [_field(field, numbers) for field in element.fields]
    return {"element": "variable", "shape": element.shape, "fields": fields}


def _field(field: Field, numbers: dict[str, int]) -> dict[str, Any]:
    return {
        "kind": field.kind,
        "columns": [numbers[column.name] for column in field.columns],
        "bare": field.bare,
        "quoted": field.quoted,
        "escape": field.escape,
        "minus_one_absent": field.minus_one_absent,
        "empty_absent": field.empty_absent,
        "separator": field.separator,
        "key": field.key,
        "of_response": field.of_response,
    }
