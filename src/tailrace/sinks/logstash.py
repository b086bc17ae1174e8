"""Logstash over HTTP or TCP: its inputs `http` and `tcp`, and whatever else takes JSON in these ways.

https://www.elastic.co/docs/reference/logstash/plugins/plugins-inputs-http
https://www.elastic.co/docs/reference/logstash/plugins/plugins-inputs-tcp
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from hashlib import blake2b
from typing import Annotated, Final

import msgspec

from tailrace.errors import UsageError
from tailrace.kinds import SinkKind, Surroundings
from tailrace.model import Rendering
from tailrace.ports import Sink
from tailrace.quantities import Duration, Secret, Size
from tailrace.sinks._logstash_http import HttpSink, Login, Manner
from tailrace.sinks._logstash_tcp import TcpSink, Wire
from tailrace.sinks._parcels import Limits
from tailrace.sinks._shapes import Constants, Shape, Written, rendering_of, writer
from tailrace.transport import Connection, Endpoint, Tls, endpoint_of

_PORTS: Final = {"http": 80, "https": 443, "tcp": 0, "tls": 0}


class LogstashSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The settings of a Logstash sink."""

    shape: Shape = "record"
    """What a record looks like: `record` as Tailrace writes it, or `elb` or `message` as log processors before it did (docs/logstash.md)."""
    ids: bool = False
    """Begin each record of the shape `record` with its `_id`, so that what comes twice can be recognised."""
    component: str = ""
    """Component in every record of the shapes `elb` and `message`; left out if empty, as the next four."""
    source_module_name: str = ""
    """SourceModuleName in every record of these shapes."""
    environment: str = ""
    """Environment in every record of these shapes."""
    application: str = ""
    """Application in every record of these shapes."""
    type: str = ""
    """Type (`type` in the shape `message`) in every record of these shapes."""
    username: str = ""
    """User for basic authentication."""
    password: Secret = Secret("")
    """The user's password, or where it is: env:NAME, file:PATH, ssm:NAME, secretsmanager:ID#KEY."""
    ca: str = ""
    """PEM file of the authorities that are trusted for TLS; those of the system if not given."""
    certificate: str = ""
    """PEM file of the certificate that is shown to the server, if it asks for one."""
    key: str = ""
    """PEM file of its key, without a password, if that is not in the same file."""
    verify: bool = True
    """Whether the server's certificate is verified. Without it anybody may be the server."""
    timeout: Duration = Duration(60)
    """How long to wait for a connection, for the server to take more, and for its answer."""
    batch_size: Annotated[int, msgspec.Meta(ge=1)] = 5000
    """At most so many records in one HTTP request."""
    batch_bytes: Size = Size(1 << 20)
    """At most so many bytes in one HTTP request, before compression; a larger record goes alone."""
    gzip: bool = True
    """Whether HTTP requests are compressed: a sixth of the bytes for 1.5 µs a record."""
    expect: bool = True
    """Whether the server is asked before each HTTP request is sent to it (`Expect: 100-continue`): a Logstash that is blocked then
    refuses without closing the connection."""
    resend: Size = Size(8 << 20)
    """TCP: after a broken connection what was sent since the last confirmation is sent again, at most so much: more than
    the server's kernel holds."""
    confirm: bool = False
    """TCP: whether the connection ends with each object, and counts only if the server ended it too, so that it has read everything."""


def _opened(address: str, own: LogstashSettings, given: Surroundings) -> Callable[[], Sink]:
    endpoint = endpoint_of(address, _PORTS)
    if own.ids and own.shape != "record":
        message = f"ids = true goes with shape = record; the shape {own.shape} has no `_id`"
        raise UsageError(message)
    form = Rendering(given.settings.schema, own.ids)
    written = writer(own.shape, form, _constants(own))
    name = f"logstash:{endpoint}{endpoint.path}#{_digest(own, form)}"
    if endpoint.scheme in ("http", "https"):
        return partial(_http, name, endpoint, own, given, written)
    if own.username or endpoint.path.strip("/"):
        message = f"{endpoint}: Logstash's tcp input knows neither users nor paths; leave them out"
        raise UsageError(message)
    wire = Wire(
        endpoint=endpoint, context=_tls(own).context_for(endpoint), timeout=own.timeout, window=own.resend, confirm=own.confirm
    )  # fmt: skip
    return partial(TcpSink, name, wire, written, rendering_of(own.shape, form))


def _http(name: str, endpoint: Endpoint, own: LogstashSettings, given: Surroundings, written: Written) -> Sink:
    connection = Connection(str(endpoint), _tls(own), own.timeout)
    manner = Manner(path=endpoint.path or "/", gzip=own.gzip, expect=own.expect)
    login = Login(own.username, own.password, given.vault)
    limits = Limits(records=own.batch_size, size=max(own.batch_bytes - 1, 1))  # an array is a byte longer
    return HttpSink(name, connection, written, manner, login, limits, given.clock.now)


def _tls(own: LogstashSettings) -> Tls:
    return Tls(ca=own.ca, certificate=own.certificate, key=own.key, verify=own.verify)


def _constants(own: LogstashSettings) -> Constants:
    return Constants(**{name: getattr(own, name) for name in Constants.__struct_fields__})


def _digest(own: LogstashSettings, form: Rendering) -> str:
    """Of the settings that change bytes, where they are not as they are by default."""
    told = (own.shape, form.schema, form.ids, msgspec.to_builtins(_constants(own)))
    return blake2b(repr(told).encode(), digest_size=4).hexdigest()


SINK = SinkKind(
    form="logstash:http://HOST:PORT[/PATH]",
    about="Logstash, also by https://, tcp:// (lines of JSON, which Logstash does not confirm) and tls:// (the same over TLS)",
    settings=LogstashSettings,
    open=_opened,
)
