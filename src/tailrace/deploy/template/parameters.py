"""What can be changed without a new template: the package, and numbers that nothing else in it must agree with."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, Literal, get_args, get_origin

import msgspec

from tailrace.deploy.wanted import Wanted
from tailrace.settings import Declared, Settings, declared

CODE: Final = ("CodeBucket", "CodeKey")
S3_LIST: Final = "S3PrefixList"
DYNAMODB_LIST: Final = "DynamoDBPrefixList"
KNOWN: Final = "Knows{}"
"""The condition that a prefix list is given."""
_NUMBERS: Final = {
    "Memory": "deploy.memory",
    "FunctionLogDays": "deploy.function_log_days",
    "LagAlarmSeconds": "deploy.lag_alarm",
    "LogExpirationDays": "deploy.log_expiration_days",
}


def parameters(wanted: Wanted) -> dict[str, Any]:
    """The parameters of the template; those without a default are filled in by `tailrace deploy`."""
    found: dict[str, Any] = {
        CODE[0]: {"Type": "String", "Description": "The bucket of packages."},
        CODE[1]: {
            "Type": "String",
            "Description": "The key of the package, which holds its SHA-256.",
            "AllowedPattern": ".+",
        },
    }
    settings = {each.key: each for each in declared(Settings)}
    found |= {name: _number(settings[key], wanted) for name, key in _numbers(wanted)}
    return {**found, **(_lists() if has_lists(wanted) else {})}


def has_lists(wanted: Wanted) -> bool:
    """Whether there are parameters for the prefix lists of S3 and DynamoDB."""
    return bool(wanted.own.vpc.subnets) and wanted.own.vpc.endpoints


def conditions(wanted: Wanted) -> dict[str, Any]:
    """Whether the prefix lists are given."""
    if not has_lists(wanted):
        return {}
    return {KNOWN.format(name): {"Fn::Not": [{"Fn::Equals": [{"Ref": name}, ""]}]} for name in (S3_LIST, DYNAMODB_LIST)}


def _numbers(wanted: Wanted) -> Iterator[tuple[str, str]]:
    """Of a bucket that is there no parameter tells how long it keeps logs."""
    return ((name, key) for name, key in _NUMBERS.items() if name != "LogExpirationDays" or not wanted.own.bucket)


def _number(setting: Declared, wanted: Wanted) -> dict[str, Any]:
    value = setting.value_in(wanted.settings)
    told = {"Type": "Number", "Default": int(value), "Description": setting.meaning}
    if get_origin(setting.type) is Literal:
        return {**told, "AllowedValues": list(get_args(setting.type))}
    for each in getattr(setting.type, "__metadata__", ()):
        if isinstance(each, msgspec.Meta) and each.ge is not None and each.le is not None:
            told |= {"MinValue": each.ge, "MaxValue": each.le}
    return told


def _lists() -> dict[str, Any]:
    return {
        name: {
            "Type": "String",
            "Default": "",
            "Description": f"Id of the prefix list of {service} in this region, to which the function may connect; if not given, to any address.",
            "AllowedPattern": "(pl-[0-9a-f]+)?",
        }
        for name, service in ((S3_LIST, "S3"), (DYNAMODB_LIST, "DynamoDB"))
    }
