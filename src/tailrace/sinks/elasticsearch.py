"""Elasticsearch and OpenSearch, also serverless: bulk requests into an index or a data stream.

A record is created under its own id. So what is sent again after an answer was lost is recognised: the server says that
it is there, and it counts as `already`. Where the server takes no ids (collections of time series in OpenSearch
Serverless), and behind a data stream's rollover, only the receipt prevents that a record is there twice.

Refusals: `mapping` (a field does not fit the index), `too_large` (the record alone is larger than the server takes), and
`refused` (all else that will not change); the detail is the server's kind of error.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from hashlib import blake2b
from typing import Annotated, Literal
from urllib.parse import urlsplit

import msgspec

from tailrace.clock import Clock
from tailrace.errors import UsageError
from tailrace.kernel.layout import Format
from tailrace.kinds import SinkKind, Surroundings
from tailrace.model import Batch, Flushed, Item, Rendering
from tailrace.permissions import Need, collection, domain
from tailrace.quantities import Duration, Secret, Size
from tailrace.sinks._bulk import Writing, letters
from tailrace.sinks._gate import Gate
from tailrace.sinks._index_name import IndexName
from tailrace.sinks._index_template import fields_of, letter_fields
from tailrace.sinks._outbox import Common, Manner, Outbox
from tailrace.sinks._search_server import Credentials, SearchServer, authorization, place_of
from tailrace.sinks._search_setup import TemplateSetup, Wanted
from tailrace.transport import Connection, Tls

_ANSWER = 16 << 20
"""An answer may have so many bytes at least: it may tell of every record why it was refused."""


class ElasticsearchSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How records get to a search server."""

    schema: Literal["auto", "aws", "ecs", "otel"] = "auto"
    """Names of the fields; auto takes ecs for data streams, and the run's schema for indices."""
    data_stream: bool | Literal["auto"] = "auto"
    """Whether the name is a data stream's; auto: if it reads `logs-…-…`. Then every record has `@timestamp`: one whose time is
    not known gets that of its object."""
    ids: bool | Literal["auto"] = "auto"
    """Whether records are created under their own ids, so that none is there twice; auto goes on without where the server refuses
    ids. A data stream's rollover begins anew: there only receipts prevent doubles."""
    batch_bytes: Size = Size(4 << 20)
    """Size of bulk requests, before compression; it is halved where the server says that it is too large."""
    gzip: bool = True
    """Whether requests are compressed."""
    concurrency: Annotated[int, msgspec.Meta(ge=1, le=256)] = 8
    """How many requests may be under way at a time, of all workers; halved when the server has enough, and grown again."""
    dead_letter_index: str = ""
    """An index or data stream to which refused records go too, with the reason, beside the run's dead letters."""
    username: str = ""
    """User for basic authentication."""
    password: Secret = Secret("")
    """The user's password, or where it is: env:NAME, file:PATH, ssm:NAME, secretsmanager:ID#KEY."""
    api_key: Secret = Secret("")
    """API key of Elasticsearch, as `encoded` or as ID:KEY, or where it is."""
    aws: Literal["no", "es", "aoss"] = "no"
    """Sign requests for AWS: es for domains of OpenSearch Service, aoss for OpenSearch Serverless."""
    ca: str = ""
    """PEM file of the authorities that are trusted for TLS; those of the system if not given."""
    certificate: str = ""
    """PEM file of the certificate that is shown to the server, if it asks for one."""
    key: str = ""
    """PEM file of its key, without a password, if that is not in the same file."""
    verify: bool = True
    """Whether the server's certificate is verified. Without it anybody may be the server."""
    timeout: Duration = Duration(60)
    """For how long an answer is waited for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What follows from the settings for the records: whether they go to a data stream, and the names of their fields."""

    index: IndexName
    data_stream: bool
    schema: str

    @classmethod
    def of(cls, index: str, own: ElasticsearchSettings, schema: str) -> Shape:
        """`schema`: the run's. Raises UsageError for a name that cannot be."""
        name = IndexName.parse(index)
        streamed = name.is_data_stream if own.data_stream == "auto" else own.data_stream
        chosen = own.schema if own.schema != "auto" else "ecs" if streamed else schema
        return cls(index=name, data_stream=streamed, schema=chosen)

    @property
    def writing(self) -> Writing:
        """How records are written."""
        return Writing(self.schema, self.index, stamped=self.data_stream)

    @property
    def digest(self) -> str:
        """Stands for what changes the bytes of a record."""
        return blake2b(f"{self.schema} {self.data_stream}".encode(), digest_size=4).hexdigest()


@dataclass(frozen=True, slots=True)
class Boxes:
    """What one worker sends: records, letters about refused ones, both over one connection."""

    records: Outbox
    letters: Outbox
    server: SearchServer

    @classmethod
    def over(cls, server: SearchServer, common: Common, manner: Manner) -> Boxes:
        """Empty ones."""
        return cls(Outbox(server, common, manner), Outbox(server, common, replace(manner, path="_bulk")), server)


class ElasticsearchSink:
    """Writes the records of one item at a time to a search server."""

    keeps_receipts = True
    rendering: Rendering | None = None

    def __init__(self, name: str, writing: Writing, boxes: Boxes, dead_letter_index: str, clock: Clock) -> None:
        self.name = name
        self._writing, self._index, self._clock = writing, dead_letter_index, clock
        self._records, self._letters, self._server = boxes.records, boxes.letters, boxes.server
        self._told = 0
        self._item: Item | None = None

    def write(self, item: Item, batch: Batch, part: int) -> None:  # noqa: ARG002 - as every sink
        """Take the records of a batch. Raises Retryable or Fatal if those before cannot be sent."""
        self._records.send(rest=False)
        if len(batch.records):
            self._item = item
            self._records.add(self._writing.chunk(item, batch.records, self._clock.now()))

    def flush(self) -> Flushed:
        """Send everything, and tell what became of it. Raises Retryable or Fatal."""
        self._records.send()
        self._tell()
        flushed = Flushed(already=self._records.already, refusals=self._records.refusals)
        self.abandon()
        return flushed

    def _tell(self) -> None:
        """Put refused records into their index. What is refused there too is in the run's dead letters all the same."""
        untold = self._records.refusals[self._told :]
        if untold and self._index and self._item:
            self._letters.add(letters(self._index, self.name, self._item, untold, self._clock.now()))
            self._told += len(untold)
        self._letters.send()

    def abandon(self) -> None:
        """Forget what was written since the last flush; what has reached the server is recognised when it comes again."""
        self._records.forget()
        self._letters.forget()
        self._told, self._item = 0, None

    def check(self) -> str:
        """Whether the server is there and knows who asks; what may be written is seen with the first record."""
        return self._records.check()

    def close(self) -> None:
        """Close the connection. May be called twice."""
        self.abandon()
        self._server.close()


def server_of(address: str, own: ElasticsearchSettings, given: Surroundings) -> Callable[[], SearchServer]:
    """Makes a connection to the server that an address names. Raises UsageError."""
    place = place_of(address)
    aws = "" if own.aws == "no" else own.aws
    told = Credentials(username=own.username, password=own.password, api_key=own.api_key, aws=aws)
    authorized = authorization(told, given)
    tls = Tls(ca=own.ca, certificate=own.certificate, key=own.key, verify=own.verify)
    limit = max(_ANSWER, 8 * own.batch_bytes)

    def made() -> SearchServer:
        return SearchServer(place, Connection(place.server, tls, own.timeout, limit=limit), authorized, given.clock)

    return made


def _opened(address: str, own: ElasticsearchSettings, given: Surroundings) -> Callable[[], ElasticsearchSink]:
    place = place_of(address)
    shape = Shape.of(place.index, own, given.settings.schema)
    if own.dead_letter_index and not IndexName.parse(own.dead_letter_index).fixed:
        raise UsageError("dead_letter_index is one index for all: write it without placeholders")
    server = server_of(address, own, given)
    common = Common(
        gate=Gate(own.concurrency),
        size=max(1, own.batch_bytes),
        ids=own.ids is not False,
        must_have_ids=own.ids is True,
        notice=given.notice,
    )
    path = _path(shape.index, place.index)
    manner = Manner(path=path, gzip=own.gzip, filtered=own.aws != "aoss", patience=own.timeout)
    name = f"elasticsearch:{place.url}#{shape.digest}"

    def made() -> ElasticsearchSink:
        boxes = Boxes.over(server(), common, manner)
        return ElasticsearchSink(name, shape.writing, boxes, own.dead_letter_index, given.clock)

    return made


def _path(index: IndexName, text: str) -> str:
    """Where requests go: what they may write is narrower if there is one index only."""
    return f"{text}/_bulk" if index.fixed else "_bulk"


def _needs(address: str, own: ElasticsearchSettings) -> Sequence[Need]:
    place = place_of(address)
    host = urlsplit(place.server).hostname or ""
    if own.aws == "aoss":
        return [Need("aoss:POST", collection(host))]
    if own.aws == "no":
        return []
    paths = [_path(IndexName.parse(place.index), place.index), *(["_bulk"] if own.dead_letter_index else [])]
    return [Need("es:POST", domain(host, f"{place.prefix}/{path}")) for path in paths]


def _setup(address: str, own: ElasticsearchSettings, given: Surroundings, formats: Sequence[Format]) -> TemplateSetup:
    shape = Shape.of(place_of(address).index, own, given.settings.schema)
    types = partial(fields_of, formats, shape.schema, stamped=shape.data_stream)
    wanted = [Wanted(shape.index, shape.data_stream, types)]
    if own.dead_letter_index:
        index = IndexName.parse(own.dead_letter_index)
        wanted.append(Wanted(index, index.is_data_stream, letter_fields))
    return TemplateSetup(server_of(address, own, given)(), wanted, serverless=own.aws == "aoss")


SINK = SinkKind(
    form="elasticsearch:http://HOST:9200/INDEX",
    about="Elasticsearch or OpenSearch: an index or data stream; its name may hold {format}, {date} and {load_balancer}",
    settings=ElasticsearchSettings,
    open=_opened,
    setup=_setup,
    needs=_needs,
)
