"""Records in the shapes that older log processors wrote, for what was built on those.

`record` is the record as the kernel writes it. `elb` has the fields of a Classic Load Balancer's line under the names of
log processors before; `message` is the line itself with where it came from. docs/logstash.md tells the source of each name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Literal

import msgspec

from tailrace.model import Batch, Identity, Item, Rendering

Shape = Literal["record", "elb", "message"]
Written = Callable[[Item, Batch], "bytes | memoryview"]
"""The records of a batch as NDJSON."""


class Constants(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is the same in every record of the shapes `elb` and `message`; what is empty is left out."""

    component: str = msgspec.field(name="Component", default="")
    source_module_name: str = msgspec.field(name="SourceModuleName", default="")
    environment: str = msgspec.field(name="Environment", default="")
    application: str = msgspec.field(name="Application", default="")
    type: str = msgspec.field(name="Type", default="")


def rendering_of(shape: Shape, form: Rendering) -> Rendering | None:
    """The form in which a shape asks for records, if it is the only one; `form` is that of `record`."""
    if shape == "record":
        return form
    return Rendering("aws") if shape == "elb" else None


def writer(shape: Shape, form: Rendering, constants: Constants) -> Written:
    """What writes batches in a shape; `form` is that of `record`."""
    if shape == "elb":
        return _Elb(constants)
    if shape == "message":
        return _Message(constants)
    return lambda _item, batch: batch.records.ndjson(form.schema, ids=form.ids)


class _Known(msgspec.Struct):
    """What is read of a record. Any: lines of a custom log-format may have other types under these names."""

    time: Any = None
    elb: Any = None
    frontend: Any = None
    client_ip: Any = None
    client_port: Any = None
    target_ip: Any = None
    target_port: Any = None
    backend_ip: Any = None
    backend_port: Any = None
    destination_ip: Any = None
    destination_port: Any = None
    server_ip: Any = None
    server_port: Any = None
    request_processing_time: Any = None
    target_processing_time: Any = None
    backend_processing_time: Any = None
    response_processing_time: Any = None
    connection_time: Any = None
    time_response_ms: Any = None
    time_total_ms: Any = None
    elb_status_code: Any = None
    status_code: Any = None
    target_status_code: Any = None
    backend_status_code: Any = None
    received_bytes: Any = None
    bytes_uploaded: Any = None
    sent_bytes: Any = None
    bytes_read: Any = None
    request: Any = None


class _Told(msgspec.Struct, rename="pascal", omit_defaults=True):
    """A record in the shape `elb`, in the order in which its fields are written."""

    event_received_time: Any = None
    load_balancer_name: Any = None
    public_ip_and_port: Any = None
    internal_ip_and_port: Any = None
    time_to_forward_request: float | None = None
    time_taken: float | None = None
    time_to_forward_response: float | None = None
    status: Any = None
    backend_status: Any = None
    bytes_uploaded_from_client: Any = None
    bytes_downloaded_by_client: Any = None
    full_request: Any = None
    component: str = ""
    source_module_name: str = ""
    environment: str = ""
    application: str = ""
    type: str = ""


class _Elb:
    """Writes the shape `elb`."""

    def __init__(self, constants: Constants) -> None:
        self._constants = msgspec.structs.astuple(constants)
        self._decoder = msgspec.json.Decoder(_Known)
        self._encoder = msgspec.json.Encoder()

    def __call__(self, _item: Item, batch: Batch) -> bytes:
        return self._encoder.encode_lines(list(self._told(batch)))

    def _told(self, batch: Batch) -> Iterator[_Told]:
        constants = self._constants
        for known in self._decoder.decode_lines(batch.records.ndjson("aws")):
            host, port = _behind(known)
            yield _Told(
                known.time,
                _either(known.elb, known.frontend),
                _pair(known.client_ip, known.client_port),
                _pair(host, port),
                _ms(known.request_processing_time, 1000.0),
                _time_taken(known),
                _ms(known.response_processing_time, 1000.0),
                _either(known.elb_status_code, known.status_code),
                _either(known.target_status_code, known.backend_status_code),
                _either(known.received_bytes, known.bytes_uploaded),
                _either(known.sent_bytes, known.bytes_read),
                known.request,
                *constants,
            )


def _behind(known: _Known) -> tuple[Any, Any]:
    """The host and port that the load balancer sent the request to."""
    if known.target_ip is not None:
        return known.target_ip, known.target_port
    if known.backend_ip is not None:
        return known.backend_ip, known.backend_port
    if known.destination_ip is not None:
        return known.destination_ip, known.destination_port
    return known.server_ip, known.server_port


def _either(value: Any, other: Any) -> Any:
    return other if value is None else value


def _pair(host: Any, port: Any) -> str | None:
    """As load balancers write it."""
    if host is None:
        return None
    told = f"[{host}]" if ":" in str(host) else host
    return f"{told}:{port}" if port is not None else str(told)


def _time_taken(known: _Known) -> float | None:
    """Until the target began to answer; for a connection without requests, how long it was open."""
    seconds = _either(known.target_processing_time, known.backend_processing_time)
    if seconds is not None:
        return _ms(seconds, 1000.0)
    return _ms(_either(_either(known.time_response_ms, known.connection_time), known.time_total_ms), 1.0)


def _ms(value: Any, factor: float) -> float | None:
    """Always a float, so that what guesses types from the first record guesses right; to the microsecond, as logs are."""
    return round(value * factor, 3) if isinstance(value, (float, int)) else None


class _Message:
    """Writes the shape `message`."""

    def __init__(self, constants: Constants) -> None:
        before: dict[str, str] = msgspec.to_builtins(constants)
        type_ = before.pop("Type", "")
        self._before = _open(before)
        self._behind = {"type": type_} if type_ else {}
        self._encode = msgspec.json.Encoder().encode

    def __call__(self, item: Item, batch: Batch) -> bytes:
        raw = batch.records.raw()
        data, begin = memoryview(raw.data), 0
        source = msgspec.json.encode({**self._behind, "Source": _source(item.identity)})
        source = b"," + source[1:].removesuffix(b"}}}") + b',"Offset":'
        pieces: list[bytes] = []
        for end, offset in zip(raw.ends, raw.offsets, strict=True):
            line = self._encode(str(data[begin:end], "utf-8", "replace"))
            pieces += (self._before, line, source, b"%d}}}\n" % offset)
            begin = end
        return b"".join(pieces)


def _open(before: dict[str, str]) -> bytes:
    """A JSON object up to the value of its field `message`."""
    return msgspec.json.encode({**before, "message": ""}).removesuffix(b'""}')


def _source(identity: Identity) -> dict[str, dict[str, str]]:
    if identity.kind == "s3":
        return {"S3": {"Bucket": identity.container, "Key": identity.key, "ETag": identity.etag}}
    return {identity.kind.title(): {"Name": identity.name}}
