"""CloudFormation's functions, as far as templates need them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

Resources = dict[str, Any]
"""Resources by their logical ids."""
_PSEUDO: Final = r"AWS::(?:Partition|Region|AccountId|URLSuffix)"
_FOREIGN: Final = re.compile(rf"\$\{{(?!{_PSEUDO}\}})")
_OURS: Final = re.compile(rf"\$\{{{_PSEUDO}\}}")


def ref(name: str) -> dict[str, str]:
    """What a resource or parameter is called."""
    return {"Ref": name}


def att(name: str, attribute: str) -> dict[str, list[str]]:
    """An attribute of a resource."""
    return {"Fn::GetAtt": [name, attribute]}


def sub(text: str) -> str | dict[str, str]:
    """A text with CloudFormation's pseudo-parameters filled in; any other `${` in it stays as it is."""
    if not _OURS.search(text):
        return text
    return {"Fn::Sub": _FOREIGN.sub("${!", text)}


def filled(value: Any) -> Any:
    """A document of which every text is filled in."""
    if isinstance(value, str):
        return sub(value)
    if isinstance(value, Mapping):
        return {key: filled(each) for key, each in value.items()}
    return [filled(each) for each in value] if isinstance(value, list | tuple) else value


def tags(of: Mapping[str, str], **more: str) -> list[dict[str, str]]:
    """Tags as nearly every resource takes them."""
    return [{"Key": key, "Value": value} for key, value in {**of, **more}.items()]


def allowed(sid: str, principal: Mapping[str, Any], actions: str | list[str], resource: Any) -> dict[str, Any]:
    """The statement of a resource's policy that lets somebody do something; its `Condition` is to be added."""
    return {"Sid": sid, "Effect": "Allow", "Principal": dict(principal), "Action": actions, "Resource": resource}


def only_by_tls(action: str, resources: Any) -> dict[str, Any]:
    """The statement that refuses whatever is not encrypted on its way."""
    return {
        "Sid": "OnlyByTls",
        "Effect": "Deny",
        "Principal": "*",
        "Action": action,
        "Resource": resources,
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }


def document(*statements: Any) -> dict[str, Any]:
    """A policy."""
    return {"Version": "2012-10-17", "Statement": list(statements)}


def argued(**skipped: str) -> dict[str, Any]:
    """The metadata of a resource that says which findings of checkov do not hold for it, and why."""
    return {"checkov": {"skip": [{"id": name, "comment": why} for name, why in sorted(skipped.items())]}}
