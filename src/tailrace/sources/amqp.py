"""Objects that a store announces through an AMQP broker, as Ceph's gateway does.

The queue is durable and bound to the exchange of the store's topic; a message is acknowledged when every object that it
announces is delivered. What cannot be delivered comes again after a pause; what is no event, or has come too often, is moved
to a dead-letter queue and never dropped.
https://docs.ceph.com/en/latest/radosgw/notifications/
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from queue import Empty
from typing import Annotated, Final
from urllib.parse import unquote, urlsplit

import msgspec

from tailrace.errors import UsageError
from tailrace.events import NotUnderstood, announced
from tailrace.kinds import SourceKind, Surroundings
from tailrace.model import Item
from tailrace.notices import Notices
from tailrace.permissions import ANNOUNCED
from tailrace.quantities import Duration, Secret
from tailrace.sources._amqp_link import Delivery, Link, Place
from tailrace.sources._hand import Hand, waiting
from tailrace.sources._objects import Objects, reading_announced
from tailrace.transport import Endpoint, Tls

_SCHEMES: Final = {"amqp": 5672, "amqps": 5671}
_POLL_S: Final = 0.2


class AmqpSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a queue is read."""

    username: str = "guest"
    """As whom to read."""
    password: Secret = Secret("guest")
    """The user's password, or where it is: env:NAME, file:PATH, ssm:NAME, secretsmanager:ID#KEY."""
    ca: str = ""
    """PEM file of the authorities that are trusted for TLS (amqps://); those of the system if not given."""
    certificate: str = ""
    """PEM file of the certificate that is shown to the broker, if it asks for one."""
    key: str = ""
    """PEM file of its key, without a password, if that is not in the same file."""
    verify: bool = True
    """Whether the broker's certificate is verified. Without it anybody may be the broker."""
    in_hand: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 16
    """So many messages are in hand at most: taken from the queue, and not done with yet."""
    pause: Duration = Duration(30)
    """What could not be delivered comes again after so long: not longer each time, for it is in hand until then."""
    max_receives: Annotated[int, msgspec.Meta(ge=1)] = 20
    """A message that has failed so often is moved to the dead-letter queue."""
    dead_letter_queue: str = ""
    """Where messages go that are no events of an object store, or fail again and again; QUEUE.dead if not given."""
    requester_pays: bool = False
    """Read also from buckets whose readers pay, and pay for it."""


class Amqp:
    """The objects that the messages of a queue announce."""

    def __init__(self, place: Place, own: AmqpSettings, given: Surroundings) -> None:
        self._place, self._own, self._given = place, own, given
        self._client = given.client("s3")
        self._objects = Objects(self._client, given.clock, requester_pays=own.requester_pays)
        self._notices = Notices(given.notice, given.clock)
        self._link = Link(place, own.in_hand, self._notices)
        self._hand = Hand[Delivery]()
        self._failures = Counter[bytes]()

    def items(self) -> Iterator[Item]:
        """The objects, as they are announced, until the stop. Raises Fatal if the queue cannot be read."""
        self._link.open()
        while not self._given.stop.is_set():
            try:
                delivery = self._link.inbox.get(timeout=_POLL_S)
            except Empty:
                continue
            yield from self._announced(delivery)

    def _announced(self, delivery: Delivery) -> Sequence[Item]:
        try:
            items = [self._objects.announced(each) for each in announced(delivery.body)]
        except NotUnderstood as error:
            self._notices.tell(
                "not understood", f"a message of {self._place.url}: {error}; it is moved to {self._dead_letter_queue}"
            )
            self._link.bury(delivery, self._dead_letter_queue, "not understood")
            return ()
        if not items:
            self._link.ack(delivery)
        self._hand.take(delivery, items)
        return items

    @property
    def _dead_letter_queue(self) -> str:
        return self._own.dead_letter_queue or f"{self._place.queue}.dead"

    def ack(self, item: Item) -> None:
        """The object is delivered; with the last one of its message, that is done with."""
        self._settle(item, None)

    def nack(self, item: Item, error: Exception) -> None:
        """The object is not delivered: its message comes again, or is moved if that has been so too often."""
        self._settle(item, error)

    def _settle(self, item: Item, error: Exception | None) -> None:
        settled = self._hand.settle(item, error)
        if settled is None:
            return
        name = blake2b(settled.handle.body, digest_size=16).digest()
        if settled.error is None:
            self._failures.pop(name, None)
            self._link.ack(settled.handle)
            return
        self._failures[name] += 1
        if self._failures[name] < self._own.max_receives:
            self._link.give_back(settled.handle, self._own.pause)
        else:
            del self._failures[name]
            self._notices.tell(
                "failed too often",
                f"a message of {self._place.url} has failed {self._own.max_receives} times ({settled.error});"
                f" it is moved to {self._dead_letter_queue}",
            )
            self._link.bury(settled.handle, self._dead_letter_queue, "failed too often")

    def check(self) -> str:
        """Whether the queue is there, and how many messages wait. None is taken."""
        return f"the queue is there; {waiting(f'{self._link.look():,}')}"

    def close(self) -> None:
        """Give back what is not done with, and close the connections."""
        self._link.close()
        self._client.close()


def place_of(url: str, own: AmqpSettings, password: str) -> Place:
    """Where a URL leads, and how TLS is spoken there. Raises UsageError."""
    parts = urlsplit(url)
    wanted = f"write amqp://HOST:PORT/QUEUE or amqp://HOST:PORT/VHOST/QUEUE, not {parts.scheme}://…"
    if parts.username or parts.password:
        message = (
            "a password in a URL can be seen by others: set username and password in a [sources.NAME] with this url"
        )
        raise UsageError(message)
    vhost, _, queue = parts.path.removeprefix("/").rpartition("/")
    try:
        port = parts.port
    except ValueError as error:
        raise UsageError(wanted) from error
    if not parts.hostname or not queue or parts.query or parts.fragment:
        raise UsageError(wanted)
    endpoint = Endpoint(parts.scheme, parts.hostname, port or _SCHEMES[parts.scheme])
    tls = Tls(ca=own.ca, certificate=own.certificate, key=own.key, verify=own.verify)
    return Place(
        url=url,
        endpoint=endpoint,
        context=tls.context_for(endpoint),
        vhost=unquote(vhost) or "/",
        queue=unquote(queue),
        user=own.username,
        password=password,
    )


def _source(words: Sequence[str], own: AmqpSettings, given: Surroundings) -> Amqp:
    (url,) = words
    return Amqp(place_of(url, own, given.vault.read(own.password)), own, given)


SOURCE = SourceKind(
    form="amqp://HOST:PORT/VHOST/QUEUE",
    about="objects that a store such as Ceph announces through an AMQP broker",
    claims=lambda word: word.partition("://")[0] in _SCHEMES,
    settings=AmqpSettings,
    open=_source,
    takes_away=True,
    needs=lambda _word, _own: reading_announced(ANNOUNCED),
)
