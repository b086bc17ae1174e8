"""Clouds as people and programs read them, without secrets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import click
import msgspec
from rich.table import Table
from rich.text import Text

from tailrace.cli._cells import visible
from tailrace.cli._console import output, say, warn
from tailrace.clouds.cloud import Cloud, Endpoint, Told, User
from tailrace.clouds.finding import find, names
from tailrace.clouds.finding.telling import Given
from tailrace.errors import EXIT_FAILED_CHECK, EXIT_OK, UsageError
from tailrace.settings import Resolved

_END: Final = 4
"""So many characters of an access key are shown at its beginning, and at its end."""
_BY_BOTO3: Final = Told("as boto3 finds it", "environment, ~/.aws, instance")
_AWS: Final = Endpoint(Told("AWS's own", "AWS's table"), Told("v4", "default"))
_ALL: Final = "all"
_OTHERS: Final = "all others"


class Row(NamedTuple):
    """A value of a cloud, of one of its services if it is not of all, and where it comes from."""

    cloud: str
    service: str
    setting: str
    value: str
    origin: str

    def document(self) -> dict[str, str | None]:
        """The same for programs."""
        names = ("cloud", "service", "setting", "value", "from")
        return dict(zip(names, (self.cloud, self.service or None, *self[2:]), strict=True))


def listed(resolved: Resolved, *, as_json: bool) -> int:
    """All clouds; those of which something contradictory is written are told on standard error."""
    given = Given.of(resolved)
    clouds, code = [], EXIT_OK
    for name in names(given):
        try:
            clouds.append(find(name, given))
        except UsageError as error:
            warn(f"{name}: {error}")
            code = EXIT_FAILED_CHECK
    documents = [_document(cloud) for cloud in clouds]
    if as_json:
        for document in documents:
            click.echo(msgspec.json.encode(document))
    elif documents:
        table = Table(*documents[0], box=None, pad_edge=False)
        for document in documents:
            table.add_row(*(_cell(each) for each in document.values()))
        output().print(table)
    elif code == EXIT_OK:
        say("no cloud but AWS is known here; write [clouds.NAME] into tailrace.toml")
    return code


def shown(name: str, resolved: Resolved, *, as_json: bool) -> None:
    """Each value of a cloud. Raises UsageError if there is no such cloud."""
    rows = list(_rows(find(name, Given.of(resolved))))
    if as_json:
        for row in rows:
            click.echo(msgspec.json.encode(row.document()))
        return
    table = Table("service", "setting", "value", "from", box=None, pad_edge=False)
    before = ""
    for row in rows:
        first = row.service if row.service != before else ""
        table.add_row(*map(_cell, (first, row.setting, row.value, row.origin)))
        before = row.service
    output().print(table)


def _document(cloud: Cloud) -> dict[str, str | list[str]]:
    return {
        "name": cloud.name,
        "kind": cloud.kind.value,
        "region": cloud.region.value,
        "services": _services(cloud),
        "user": _user(cloud).value,
        "from": _sources(cloud),
    }


def _services(cloud: Cloud) -> list[str]:
    """Those with endpoints of their own, and `all` where there is an endpoint for the rest."""
    return [*sorted(cloud.endpoints), *(["all"] if cloud.shared or not cloud.elsewhere else [])]


def _sources(cloud: Cloud) -> list[str]:
    """The files and variables in which its endpoints are."""
    told = [each.url.origin for each in _endpoints(cloud).values()]
    return list(dict.fromkeys(origin.partition(" [")[0] for origin in told))


def _endpoints(cloud: Cloud) -> dict[str, Endpoint]:
    last = cloud.shared or (None if cloud.elsewhere else _AWS)
    return {
        **dict(sorted(cloud.endpoints.items())),
        **({_ALL if not cloud.endpoints else _OTHERS: last} if last else {}),
    }


def _user(cloud: Cloud) -> Told:
    return cloud.user.name if cloud.user else cloud.profile or _BY_BOTO3


def _rows(cloud: Cloud) -> Iterator[Row]:
    """Of the whole cloud first, then of each service."""
    told = [("kind", cloud.kind), ("region", cloud.region), ("verify", cloud.verify)]
    if cloud.user:
        told += _keys(cloud.user)
    if cloud.role:
        told.append(("role", cloud.role))
    for setting, value in told:
        yield Row(cloud.name, "", setting, *value)
    for service, endpoint in _endpoints(cloud).items():
        for setting, value in (("endpoint", endpoint.url), ("signature", endpoint.signature), ("user", _user(cloud))):
            yield Row(cloud.name, service, setting, *value)


def _keys(user: User) -> Iterator[tuple[str, Told]]:
    yield "access key", Told(_masked(user.access_key.value), user.access_key.origin)
    yield "secret key", Told("***", user.secret_key.origin)
    if user.session_token:
        yield "session token", Told("***", user.session_token.origin)
    if user.account:
        yield "account", user.account


def _masked(key: str) -> str:
    """As much of an access key as tells it from others; nothing of one that is short."""
    return f"{key[:_END]}…{key[-_END:]}" if len(key) >= 3 * _END else "***"


def _cell(value: str | Sequence[str]) -> Text:
    return Text(visible(value if isinstance(value, str) else " ".join(value)))
