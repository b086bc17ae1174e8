"""Templates as text: the same bytes for the same settings."""

from __future__ import annotations

import json
from typing import Any, Final

from tailrace.errors import MissingExtra

_WIDTH: Final = 120


def as_json(template: dict[str, Any]) -> str:
    """JSON on one line, for programs and for CloudFormation, whose requests hold 51,200 bytes of a template."""
    return json.dumps(template, separators=(",", ":"), ensure_ascii=False) + "\n"


def as_yaml(template: dict[str, Any]) -> str:
    """YAML, for people and for CloudFormation. Raises MissingExtra."""
    try:
        import yaml  # noqa: PLC0415 - optional
    except ImportError as error:
        what = "a template in YAML (--json needs nothing)"
        raise MissingExtra(what, "deploy") from error

    class Plain(yaml.SafeDumper):  # type: ignore[misc,unused-ignore]
        """Writes what stands in several places each time, because CloudFormation knows no anchors."""

        def ignore_aliases(self, _data: Any) -> bool:
            return True

        def increase_indent(self, flow: bool = False, indentless: bool = False) -> Any:  # noqa: ARG002, FBT001, FBT002
            return super().increase_indent(flow, False)  # noqa: FBT003

    Plain.add_representer(str, _text)
    text = yaml.dump(template, Dumper=Plain, sort_keys=False, width=_WIDTH, allow_unicode=True)
    assert isinstance(text, str)
    return text


def _text(dumper: Any, text: str) -> Any:
    """Text that begins like a number is quoted: not every reader of YAML takes 054676820928 for the text that it is."""
    quoted = "'" if text[:1].isdigit() else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=quoted)
