"""A plan as people read it: what is created, changed, replaced and removed, and why."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

import msgspec

from tailrace.quantities import Secret
from tailrace.settings import TABLES, Settings, declared

Action = Literal["create", "change", "replace", "remove", "let go", "do"]
"""`replace`: removed and made anew. `let go`: it stays, but belongs to no stack any more. `do`: something that is no resource."""
MAYBE: Final = "it may be replaced"
"""What is told first of a resource of which CloudFormation does not know that beforehand."""
_HIDDEN: Final = "***"
_UNSET: Final = "default"
_LONGEST: Final = 80
_NAMES: Final = (
    "BucketName", "QueueName", "TableName", "RoleName", "FunctionName", "LogGroupName", "AlarmName", "GroupName", "Name",
)  # fmt: skip
_INLINE: Final = "toml:"


@dataclass(frozen=True, slots=True)
class Step:
    """A line of the plan. `what`: the kind of thing; `name`: which one; `why`: what is different."""

    action: Action
    what: str
    name: str
    why: str = ""

    @property
    def grave(self) -> bool:
        """Whether something is lost by it."""
        return self.action in ("replace", "remove")


def created(template: Mapping[str, Any]) -> Sequence[Step]:
    """What a template makes where there is nothing yet."""
    return [Step("create", str(it["Type"]), _named(logical, it)) for logical, it in template["Resources"].items()]


def _named(logical: str, resource: Mapping[str, Any]) -> str:
    """A resource as its template calls it, with its name in the account where the template tells one."""
    properties = resource.get("Properties", {})
    names = (properties.get(key) for key in _NAMES)
    name = next((each for each in names if isinstance(each, str) and "${" not in each), "")
    return f"{logical} ({name})" if name else logical


def changed(changes: Sequence[Mapping[str, Any]]) -> Sequence[Step]:
    """What a change set does, as DescribeChangeSet tells it."""
    told = (each["ResourceChange"] for each in changes if each.get("ResourceChange"))
    return [Step(_action(it), str(it["ResourceType"]), _name(it), "; ".join(_reasons(it))) for it in told]


def _action(change: Mapping[str, Any]) -> Action:
    kind = change["Action"]
    if kind == "Remove":
        return "let go" if change.get("PolicyAction") == "Retain" else "remove"
    if kind == "Modify":
        return "replace" if change.get("Replacement") in ("True", "Conditional") else "change"
    return "create" if kind in ("Add", "Import") else "change"


def _name(change: Mapping[str, Any]) -> str:
    logical, physical = str(change["LogicalResourceId"]), str(change.get("PhysicalResourceId") or "")
    return f"{logical} ({physical.rpartition('/')[2]})" if physical else logical


def _reasons(change: Mapping[str, Any]) -> Iterator[str]:
    """What is different of a resource, each once. Of variables of an environment only the names are told."""
    if change.get("Replacement") == "Conditional":
        yield MAYBE
    seen: dict[str, str] = {}
    for detail in change.get("Details", ()):
        target = detail.get("Target", {})
        parts = [part for part in str(target.get("Path", "")).split("/") if part][1:]
        name = ".".join(parts) or str(target.get("Name") or target.get("Attribute") or "")
        if not name:
            continue
        recreated = target.get("RequiresRecreation") == "Always" and "replaces it"
        seen[name] = " ".join(filter(None, (_values(name, target), recreated and f"({recreated})"))) or seen.get(
            name, ""
        )
    for name, told in seen.items():
        yield f"{name} {told}".rstrip()


def _values(name: str, target: Mapping[str, Any]) -> str:
    """Before and after, where both are short and no secret can be in them."""
    if name.startswith("Environment"):
        return ""
    before, after = target.get("BeforeValue"), target.get("AfterValue")
    if not before or not after or "\n" in f"{before}{after}" or len(f"{before}{after}") > _LONGEST:
        return ""
    return f"{before} → {after}"


def settings_changed(before: str, after: str) -> Sequence[str]:
    """What is different between the settings of two functions, as they stand in TAILRACE_CONFIG.

    Secrets and what named sources and sinks have is not told, for it may be secret.
    """
    old, new = _settings(before), _settings(after)
    if old is None or new is None:
        return ["its settings"] if before != after else []
    kinds = {each.key: each.type for each in declared(Settings)}
    different = [key for key in sorted(old.keys() | new.keys()) if old.get(key) != new.get(key)]
    return [f"{key} {_shown(key, old, kinds)} → {_shown(key, new, kinds)}" for key in different]


def _settings(text: str) -> dict[str, Any] | None:
    """The settings by their keys; None if they are elsewhere."""
    if not text:
        return {}
    if not text.startswith(_INLINE):
        return None
    try:
        return dict(_flat(tomllib.loads(text.removeprefix(_INLINE)), ""))
    except tomllib.TOMLDecodeError:
        return None


def _flat(table: Mapping[str, Any], above: str) -> Iterator[tuple[str, Any]]:
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", value


def _shown(key: str, values: Mapping[str, Any], kinds: Mapping[str, Any]) -> str:
    if key not in values:
        return _UNSET
    kind = kinds.get(key)
    if key.partition(".")[0] in TABLES or kind is None or kind is Secret or Secret in get_args(kind):
        return _HIDDEN
    text = msgspec.json.encode(values[key]).decode()
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
