"""Carries out the lines for AWS's own command, by botocore: what the doctor says must do what it says."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from botocore import xform_name


def repair(line: str, client: Callable[[str], Any]) -> Any:
    """Do what a line says."""
    aws, service, operation, *words = shlex.split(line)
    assert aws == "aws"
    made = client({"s3api": "s3"}.get(service, service))
    method = operation.replace("-", "_")
    name = made.meta.method_to_api_mapping[method]
    shapes = made.meta.service_model.operation_model(name).input_shape.members
    members = {f"--{xform_name(member, '-')}": member for member in shapes}
    arguments = {members[key]: _value(shapes[members[key]], values) for key, values in _options(words)}
    return getattr(made, method)(**arguments)


def _options(words: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    starts = [place for place, word in enumerate(words) if word.startswith("--")]
    for start, end in zip(starts, [*starts[1:], len(words)], strict=True):
        yield words[start], list(words[start + 1 : end])


def _value(shape: Any, values: list[str]) -> Any:
    if shape.type_name == "boolean":
        return True
    if shape.type_name == "list":
        return values
    if shape.type_name == "integer":
        return int(values[0])
    return json.loads(values[0]) if shape.type_name in ("map", "structure") else values[0]
