"""The connection to an AMQP 0-9-1 broker: a thread of its own does all that the connection does.

The library's connection is no thread's but the one's that made it, and it must be looked after at all times, or the broker
takes it for dead; workers may take hours over a message.
https://pika.readthedocs.io/en/stable/modules/adapters/blocking.html
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from queue import Queue
from threading import Event, Thread
from typing import Any, Final

from tailrace.errors import Fatal, MissingExtra
from tailrace.notices import Notices
from tailrace.transport import Endpoint, told, told_of_tls

_TURN_S: Final = 0.2
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 30.0
_HEARTBEAT_S: Final = 60
_CONNECT_S: Final = 10
_NOT_FOUND, _REFUSED = 404, 403
"""Reply codes of AMQP."""
_OPENSSL: Final = re.compile(r"\[SSL: (\w+)\]")


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message as it came: `link` counts the connections, because a tag means nothing on another one."""

    link: int
    tag: int
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the queue is, and as whom to go there."""

    url: str
    endpoint: Endpoint
    context: ssl.SSLContext | None
    vhost: str
    queue: str
    user: str
    password: str = field(repr=False)


class Link:
    """Takes messages from a queue into `inbox`, never more than `in_hand` that are not done with. Connects again when broken."""

    def __init__(self, place: Place, in_hand: int, notices: Notices) -> None:
        self._place, self._in_hand, self._notices = place, in_hand, notices
        self.inbox = Queue[Delivery]()
        self._number = 0
        self._connection: Any = None
        self._channel: Any = None
        self._over = Event()
        self._thread = Thread(target=self._look_after, daemon=True)

    def open(self) -> None:
        """Connect, and begin to take. Raises Fatal and MissingExtra."""
        self._connect()
        self._thread.start()

    def ack(self, delivery: Delivery) -> None:
        """The message is done with."""
        self._ask(delivery, lambda: self._channel.basic_ack(delivery.tag))

    def give_back(self, delivery: Delivery, pause: float) -> None:
        """The message shall come again, after a pause in seconds."""
        back = partial(self._ask, delivery, lambda: self._channel.basic_nack(delivery.tag, requeue=True))
        self._ask(delivery, lambda: self._connection.call_later(pause, back))

    def bury(self, delivery: Delivery, queue: str, reason: str) -> None:
        """Move the message to another queue, made if it is not there: stored first, then done with here."""
        self._ask(delivery, partial(self._move, delivery, queue, reason))

    def _ask(self, delivery: Delivery, call: Callable[[], object]) -> None:
        """Have the thread do it, if the message came over the present connection; else the broker has it again already."""

        def now() -> None:
            if delivery.link == self._number:
                call()

        from pika.exceptions import AMQPError  # noqa: PLC0415 - an optional library

        try:
            self._connection.add_callback_threadsafe(now)
        except AMQPError:
            return  # broken: the broker gives it out again

    def _move(self, delivery: Delivery, queue: str, reason: str) -> None:
        from pika import BasicProperties  # noqa: PLC0415 - an optional library

        channel = self._connection.channel()
        channel.confirm_delivery()
        channel.queue_declare(queue, durable=True)
        properties = BasicProperties(delivery_mode=2, headers={"tailrace-reason": reason})
        channel.basic_publish("", queue, delivery.body, properties, mandatory=True)
        channel.close()
        self._channel.basic_ack(delivery.tag)

    def look(self) -> int:
        """How many messages wait in the queue; asked over a connection of its own, which takes none. Raises Fatal and MissingExtra."""
        connection, channel = self._connected()
        try:
            return int(channel.queue_declare(self._place.queue, passive=True).method.message_count)
        finally:
            _end(connection)

    def _connect(self) -> None:
        """Connect, and begin to take. Raises Fatal and MissingExtra; then no connection is left."""
        self._connection, self._channel = self._connected()
        from pika.exceptions import AMQPError  # noqa: PLC0415 - an optional library

        try:
            self._channel.basic_qos(prefetch_count=self._in_hand)
            self._number += 1
            self._channel.basic_consume(self._place.queue, self._taken)
        except (AMQPError, OSError) as error:
            _end(self._connection)
            raise _told(error, self._place) from error

    def _connected(self) -> tuple[Any, Any]:
        """A new connection with a channel, where the queue is. Raises Fatal and MissingExtra."""
        try:
            import pika  # noqa: PLC0415 - an optional library
        except ImportError as error:
            raise MissingExtra("a queue of AMQP", "amqp") from error
        connection = None
        try:
            connection = pika.BlockingConnection(_parameters(pika, self._place))
            channel = connection.channel()
            channel.queue_declare(self._place.queue, passive=True)
        except (pika.exceptions.AMQPError, OSError) as error:
            if connection:
                _end(connection)
            raise _told(error, self._place) from error
        return connection, channel

    def _taken(self, _channel: Any, method: Any, _properties: Any, body: bytes) -> None:
        self.inbox.put(Delivery(self._number, method.delivery_tag, body))

    def _look_after(self) -> None:
        from pika.exceptions import AMQPError  # noqa: PLC0415 - an optional library

        pause = _FIRST_PAUSE_S
        while not self._over.is_set():
            try:
                self._connection.process_data_events(time_limit=_TURN_S)
                pause = _FIRST_PAUSE_S
            except (AMQPError, OSError):
                pause = self._mend(pause)

    def _mend(self, pause: float) -> float:
        """Connect again; the next pause."""
        self._notices.tell("broke", f"the connection to {self._place.url} broke; connecting again")
        self._number += 1  # what came over it is the broker's again
        while not self._over.wait(pause):
            try:
                self._connect()
            except Fatal as error:
                self._notices.tell("connecting", str(error))
                pause = min(pause * 2, _LONGEST_PAUSE_S)
            else:
                break
        return pause

    def close(self) -> None:
        """Give back what is not done with, and disconnect. May be called twice."""
        self._over.set()
        if self._thread.is_alive():
            self._thread.join(_CONNECT_S)
        if self._connection is not None:
            _end(self._connection)


def _end(connection: Any) -> None:
    """Do what was asked for last, and disconnect. Raises nothing: what is broken is all the broker's again."""
    from pika.exceptions import AMQPError  # noqa: PLC0415 - an optional library

    if connection.is_open:
        with suppress(AMQPError, OSError):
            connection.process_data_events(time_limit=0)
        with suppress(AMQPError, OSError):
            connection.close()


def _parameters(pika: Any, at: Place) -> Any:
    return pika.ConnectionParameters(
        host=at.endpoint.host,
        port=at.endpoint.port,
        virtual_host=at.vhost,
        credentials=pika.PlainCredentials(at.user, at.password),
        ssl_options=pika.SSLOptions(at.context, at.endpoint.host) if at.context else None,
        heartbeat=_HEARTBEAT_S,
        socket_timeout=_CONNECT_S,
        stack_timeout=_CONNECT_S,
        blocked_connection_timeout=_HEARTBEAT_S,
        connection_attempts=1,
    )


def _told(error: Exception, at: Place) -> Fatal:
    """What to tell, without the library's words: they may hold what the broker said of the password."""
    code, kind = getattr(error, "reply_code", 0), type(error).__name__
    if at.context and (failure := _told_of_tls(error, at.endpoint)):
        return failure
    if code == _NOT_FOUND:
        return Fatal(f"there is no queue {at.queue} at {at.url}; declare it and bind it to the exchange of the events")
    if code == _REFUSED or "AccessDenied" in kind:
        return Fatal(f"{at.user} may not read from {at.url}; give that user the permission, or set another username")
    if "Authentication" in kind:
        return Fatal(f"{at.url} does not accept the user {at.user}; check username and password")
    return Fatal(f"{at.url} cannot be reached ({kind}); check host, port and network")


def _told_of_tls(error: Exception, endpoint: Endpoint) -> Fatal | None:
    """What to tell if TLS is what failed, or may be."""
    if isinstance(error, ssl.SSLError):
        return Fatal(str(told(error, endpoint, "cannot be reached")))
    if reason := _OPENSSL.search(str(error)):  # the library passes on what it heard after the handshake as text only
        return Fatal(str(told_of_tls(reason[1], endpoint)))
    if type(error).__name__ == "IncompatibleProtocolError":
        # The end came before any word of AMQP: with TLS 1.3 we are refused after the handshake, and the reason may get lost.
        return Fatal(
            f"{endpoint} broke off as soon as TLS was agreed; set `certificate` and `key` to a certificate it trusts, and"
            " check that AMQP 0-9-1 is spoken at this port"
        )
    return None
