"""Preparing a search server for a sink: `tailrace sink setup elasticsearch`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tailrace.changes import Change
from tailrace.errors import UsageError
from tailrace.sinks._index_name import IndexName
from tailrace.sinks._index_template import (
    MANAGED_BY,
    SERVERLESS,
    Dialect,
    Document,
    dialect_of,
    holds,
    template,
    template_name,
)
from tailrace.sinks._search_server import SearchServer

_PUT: Final = "PUT /_index_template/"


@dataclass(frozen=True, slots=True)
class Wanted:
    """An index that is to have a template, and the types of its fields on a server of some dialect."""

    index: IndexName
    data_stream: bool
    fields: Callable[[Dialect], Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Found:
    """What is on the server: how it calls types, and the templates of the wanted names, None where there is none."""

    dialect: Dialect
    templates: Mapping[str, Document | None]


class TemplateSetup:
    """Puts the templates of a sink on its server."""

    def __init__(self, server: SearchServer, wanted: Sequence[Wanted], *, serverless: bool) -> None:
        self._server, self._wanted, self._serverless = server, wanted, serverless

    def look(self) -> Found:
        """Ask the server what it is, and which templates it has. Raises Retryable, Fatal, UsageError."""
        names = [template_name(wanted.index) for wanted in self._wanted]
        return Found(self._dialect(), {name: self._template(name) for name in names})

    def _dialect(self) -> Dialect:
        if self._serverless:
            return SERVERLESS
        told = self._server.json("GET", "")
        return dialect_of(told["version"] if isinstance(told, dict) and isinstance(told.get("version"), dict) else {})

    def _template(self, name: str) -> Document | None:
        told = self._server.json("GET", f"_index_template/{name}")
        found = told.get("index_templates", []) if isinstance(told, dict) else []
        return next((each["index_template"] for each in found if each.get("name") == name), None)

    def plan(self, found: Found) -> Sequence[Change]:
        """The templates that are missing or differ. Raises UsageError if one is not ours."""
        changes: list[Change] = []
        for wanted in self._wanted:
            name = template_name(wanted.index)
            document = template(wanted.index, data_stream=wanted.data_stream, fields=wanted.fields(found.dialect))
            there = found.templates[name]
            if there is None:
                changes.append(Change(f"{_PUT}{name}?create=true", document, "there is no such template"))
            elif there.get("_meta", {}).get("managed_by") != MANAGED_BY:
                message = (
                    f"{self._server.where}: there is a template {name} that Tailrace has not made; rename or remove it"
                )
                raise UsageError(message)
            elif not holds(there, document):
                changes.append(Change(f"{_PUT}{name}", document, "it differs; indices that are there keep their types"))
        return changes

    def apply(self, change: Change) -> None:
        """Put a template. Raises Retryable and Fatal, also if somebody else has made it since."""
        self._server.json("PUT", change.call.removeprefix("PUT /"), change.arguments)

    def close(self) -> None:
        """Close the connection. May be called twice."""
        self._server.close()
