"""Descriptions of services for clouds that know only AWS's query API, made from botocore's; nothing of those is changed.

https://docs.aws.amazon.com/AWSSimpleQueueService/2012-11-05/APIReference/Welcome.html
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cache
from typing import Any, Final

QUERY: Final = "query"
_LIST_NAMES: Final = {
    "BinaryList": "BinaryListValue",
    "StringList": "StringListValue",
    "MessageSystemAttributeList": "AttributeName",
}
"""What an item of a list is called in SQS's query API, where that is not the list's name without `List`."""
_MAP_NAMES: Final = {
    "MessageBodyAttributeMap": "MessageAttribute",
    "MessageBodySystemAttributeMap": "MessageSystemAttribute",
    "MessageSystemAttributeMap": "Attribute",
    "QueueAttributeMap": "Attribute",
    "TagMap": "Tag",
}
_SQS_NAMESPACE: Final = "http://queue.amazonaws.com/doc/2012-11-05/"


@cache
def loader(folders: str | None) -> Any:
    """What reads the descriptions, of which those that have a query API have no other. `folders`: in which there are more."""
    from botocore.loaders import Loader  # noqa: PLC0415 - an optional library

    class Queries(Loader):  # type: ignore[misc] # botocore has no types
        """As botocore's, but for that."""

        def load_service_model(self, service_name: str, type_name: str, api_version: str | None = None) -> Any:
            """The description."""
            model = super().load_service_model(service_name, type_name, api_version)
            if type_name != "service-2":
                return model
            if service_name == "sqs" and model["metadata"]["protocol"] == "json":
                return _sqs(model)
            return _as_query(model) if QUERY in model["metadata"].get("protocols", ()) else model

    # As botocore reads them.
    paths = [os.path.expanduser(os.path.expandvars(path)) for path in (folders or "").split(os.pathsep) if path]  # noqa: PTH111
    return Queries(extra_search_paths=paths)


def _as_query(model: Mapping[str, Any]) -> dict[str, Any]:
    return {**model, "metadata": {**model["metadata"], "protocol": QUERY, "protocols": [QUERY]}}


def _sqs(model: Mapping[str, Any]) -> dict[str, Any]:
    """SQS's, which botocore has without the names of its query API."""
    made = _as_query(model)
    made["metadata"] = {**made["metadata"], "xmlNamespace": _SQS_NAMESPACE}
    made["operations"] = {name: _operation(name, each) for name, each in model["operations"].items()}
    made["shapes"] = {name: _shape(name, each) for name, each in model["shapes"].items()}
    return made


def _operation(name: str, operation: Mapping[str, Any]) -> dict[str, Any]:
    if "output" not in operation:
        return dict(operation)
    return {**operation, "output": {**operation["output"], "resultWrapper": f"{name}Result"}}


def _shape(name: str, shape: Mapping[str, Any]) -> dict[str, Any]:
    if shape["type"] == "list":
        item = _LIST_NAMES.get(name) or name.removesuffix("List")
        return {**shape, "member": {**shape["member"], "locationName": item}, "flattened": True}
    if shape["type"] == "map":
        key = "Key" if name == "TagMap" else "Name"
        named = {"key": {**shape["key"], "locationName": key}, "value": {**shape["value"], "locationName": "Value"}}
        return {**shape, **named, "flattened": True}
    if shape["type"] == "structure":
        return {**shape, "members": {key: _member(each) for key, each in shape["members"].items()}}
    return dict(shape)


def _member(member: Mapping[str, Any]) -> dict[str, Any]:
    name = _MAP_NAMES.get(member["shape"])
    return {**member, "locationName": name} if name else dict(member)
