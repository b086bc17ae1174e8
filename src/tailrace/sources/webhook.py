"""Objects that a store announces by HTTP POST, as Ceph's gateway and MinIO do.

The answer is 200 when every object that the request announces is delivered, so the sender keeps the event until then. An
object that takes longer than the sender waits is announced again and recognised by its receipt. Anything else is 503 (come
again), 400 (no event of an object store), 401, 405, 411 or 413.
https://docs.ceph.com/en/latest/radosgw/notifications/
"""

from __future__ import annotations

import hmac
from base64 import b64decode
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from queue import Empty, Queue
from threading import Event, Semaphore
from typing import Annotated, Final

import msgspec

from tailrace.events import NotUnderstood, announced
from tailrace.kinds import SourceKind, Surroundings
from tailrace.model import Item
from tailrace.notices import Notices
from tailrace.permissions import ANNOUNCED
from tailrace.quantities import Duration, Secret, Size
from tailrace.serving import Handler, Server, place_of
from tailrace.sources._hand import Hand
from tailrace.sources._objects import Objects, reading_announced

_PREFIX: Final = "webhook:"
_POLL_S: Final = 0.2


class WebhookSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How requests are taken."""

    token: Secret = Secret("")
    """The sender must show this as a bearer token, or as the password of basic authentication (any user name)."""
    wait: Duration = Duration(60)
    """A sender is answered 503 if its objects are not delivered by then; it comes again."""
    in_hand: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 16
    """So many requests are in hand at most, each until its objects are delivered; others are answered 503."""
    max_size: Size = Size(1 << 20)
    """A larger request is answered 413."""
    requester_pays: bool = False
    """Read also from buckets whose readers pay, and pay for it."""


@dataclass(slots=True, eq=False)
class _Request:
    """A sender that waits for its answer."""

    done: Event = field(default_factory=Event)
    good: bool = False


class Webhook:
    """The objects that requests announce."""

    def __init__(self, address: str, own: WebhookSettings, given: Surroundings) -> None:
        self._own, self._given = own, given
        self._notices = Notices(given.notice, given.clock)
        self._token = given.vault.read(own.token)
        self._place = place_of(address, self._token, "webhook")
        self._client = given.client("s3")
        self._objects = Objects(self._client, given.clock, requester_pays=own.requester_pays)
        self._inbox = Queue[Item]()
        self._hand = Hand[_Request]()
        self._room = Semaphore(own.in_hand)
        self._server: Server | None = None

    def items(self) -> Iterator[Item]:
        """The objects, as they are announced, until the stop. Raises UsageError if nobody can listen there."""
        self._server = Server(self._place, self._handler(), "webhook")
        while not self._given.stop.is_set():
            try:
                yield self._inbox.get(timeout=_POLL_S)
            except Empty:
                continue

    @property
    def address(self) -> str:
        """Where it listens, once its items are asked for."""
        return self._server.address if self._server else ""

    def _handler(self) -> type[Handler]:
        taken = self._taken

        class Taking(Handler):
            def do_POST(self) -> None:  # noqa: N802 - as the library calls it
                status, text = taken(self)
                self.answer(status, f"{text}\n".encode())

        return Taking

    def _taken(self, request: Handler) -> tuple[HTTPStatus, str]:
        if not self._is_known(request.headers.get("Authorization", "")):
            return HTTPStatus.UNAUTHORIZED, "the token of this webhook is needed"
        try:
            length = int(request.headers.get("Content-Length", ""))
        except ValueError:
            return HTTPStatus.LENGTH_REQUIRED, "a Content-Length is needed"
        if not 0 <= length <= self._own.max_size:
            return HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"at most {self._own.max_size} are taken"
        if not self._room.acquire(blocking=False):
            return HTTPStatus.SERVICE_UNAVAILABLE, "too many requests at a time; come again"
        try:
            return self._delivered(request.rfile.read(length))
        finally:
            self._room.release()

    def _is_known(self, authorization: str) -> bool:
        kind, _, shown = authorization.partition(" ")
        if not self._token:
            return True
        if kind.lower() == "basic":
            shown = _password(shown)
        return hmac.compare_digest(shown.encode("utf-8", "surrogateescape"), self._token.encode())

    def _delivered(self, body: bytes) -> tuple[HTTPStatus, str]:
        try:
            items = [self._objects.announced(each) for each in announced(body)]
        except NotUnderstood as error:
            self._notices.tell("not understood", f"a request to webhook:{self.address}: {error}")
            return HTTPStatus.BAD_REQUEST, "this is no event of an object store"
        if not items:
            return HTTPStatus.OK, "nothing to do"
        waiting = _Request()
        self._hand.take(waiting, items)
        for item in items:
            self._inbox.put(item)
        if waiting.done.wait(self._own.wait) and waiting.good:
            return HTTPStatus.OK, "delivered"
        return HTTPStatus.SERVICE_UNAVAILABLE, "not delivered yet; come again"

    def ack(self, item: Item) -> None:
        """The object is delivered; with the last one of its request, the sender is told."""
        self._settle(item, None)

    def nack(self, item: Item, error: Exception) -> None:
        """The object is not delivered: the sender is told to come again."""
        self._settle(item, error)

    def _settle(self, item: Item, error: Exception | None) -> None:
        if settled := self._hand.settle(item, error):
            settled.handle.good = settled.error is None
            settled.handle.done.set()

    def check(self) -> str:
        """Whether it can listen there. Raises UsageError."""
        server = Server(self._place, Handler, "webhook")
        server.close()
        return f"{server.address} can be listened on"

    def close(self) -> None:
        """Listen no more; whoever still waits is told to come again."""
        for request in self._hand.given_up():
            request.done.set()
        if self._server:
            self._server.close()
        self._client.close()


def _password(credentials: str) -> str:
    """The password of basic authentication; nothing if it is none."""
    try:
        return b64decode(credentials, validate=True).decode().partition(":")[2]
    except ValueError:
        return ""


def _source(words: Sequence[str], own: WebhookSettings, given: Surroundings) -> Webhook:
    (word,) = words
    return Webhook(word.removeprefix(_PREFIX), own, given)


SOURCE = SourceKind(
    form="webhook:HOST:PORT",
    about="objects that a store such as Ceph or MinIO announces by HTTP",
    claims=lambda word: word.startswith(_PREFIX),
    settings=WebhookSettings,
    open=_source,
    takes_away=True,
    needs=lambda _word, _own: reading_announced(ANNOUNCED),
)
