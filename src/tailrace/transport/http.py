"""HTTP/1.1 on one kept connection, with `Expect: 100-continue`, which neither http.client nor urllib3 can.

https://www.rfc-editor.org/rfc/rfc9110#name-expect, https://www.rfc-editor.org/rfc/rfc9112
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import TYPE_CHECKING, Final

from tailrace import __version__
from tailrace.errors import MissingExtra, Retryable, UsageError
from tailrace.transport.answers import Answer
from tailrace.transport.channel import Channel
from tailrace.transport.endpoints import Tls, endpoint_of
from tailrace.transport.failures import told

if TYPE_CHECKING:
    import h11

    from tailrace.transport._exchange import Exchange

_PORTS: Final = {"http": 80, "https": 443}
_HEAD_LIMIT: Final = 64 << 10
_BODY_LIMIT: Final = 16 << 20
_REPEATABLE: Final = ("GET", "HEAD")
_EXPECTATION_FAILED: Final = 417
_UNHEEDED: Final = 3
"""A server that has not asked for a body so many times, and never did, does not know `Expect`."""


class Connection:
    """Requests to one server, one after the other, over one connection that is kept as long as both sides want it.

    One thread uses it. `where`: the server, as it stands in messages.
    """

    def __init__(
        self, url: str, tls: Tls | None = None, timeout: float = 60.0, *,
        limit: int = _BODY_LIMIT, monotonic: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        """Does not connect yet. `url`: scheme, host and port; a path in it is not used.

        `timeout`: for connecting, for each wait while sending, and for the whole answer. `limit`: of an answer's body.
        Raises MissingExtra without h11, and UsageError for a URL or files of `tls` that cannot be used.
        """
        self._h11 = _library()
        self._endpoint = endpoint_of(url, _PORTS)
        self._context = (tls or Tls()).context_for(self._endpoint)
        self._timeout, self._limit, self._monotonic = timeout, limit, monotonic
        self.where = str(self._endpoint)
        self._channel: Channel | None = None
        self._http: h11.Connection | None = None
        self._unheeded = 0

    def request(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes = b"", *, expect: bool = False
    ) -> Answer:  # fmt: skip
        """Send a request and return its answer, whatever its status; redirects are not followed.

        `headers`: besides Host, Content-Length and User-Agent. `expect`: the body is sent when the server has asked for it;
        if it answers instead, it is not sent. Raises Retryable if there is no answer: then the request may have been acted
        on, for only one that cannot have been is repeated here. Raises Fatal if either side does not trust the other.
        """
        expect = expect and len(body) > 0 and self._unheeded < _UNHEEDED
        request = self._composed(method, target, headers, len(body), expect=expect)
        reused = self._reusable()
        answer = self._tried(request, body, repeat=reused, expect=expect)
        if answer is None:
            answer = self._tried(request, body, repeat=False, expect=expect)
        assert answer is not None
        if expect and answer.status == _EXPECTATION_FAILED:
            self._unheeded = _UNHEEDED
            return self.request(method, target, headers, body)
        return answer

    def connect(self) -> None:
        """Connect, if that is not done. Raises Retryable or Fatal."""
        self._exchange()

    def close(self) -> None:
        """Close the connection; the next request opens another one. May be called twice."""
        if self._channel:
            self._channel.close()
        self._channel = self._http = None

    def _composed(
        self, method: str, target: str, headers: Mapping[str, str], length: int, *, expect: bool
    ) -> h11.Request:
        endpoint = self._endpoint
        port = "" if endpoint.port == _PORTS[endpoint.scheme] else f":{endpoint.port}"
        own = {"Host": endpoint.host_in_url + port, "User-Agent": f"tailrace/{__version__}"}
        if length or method not in _REPEATABLE:
            own["Content-Length"] = str(length)
        if expect:
            own["Expect"] = "100-continue"
        try:
            composed: h11.Request = self._h11.Request(
                method=method, target=target, headers=[*own.items(), *headers.items()]
            )
        except (self._h11.LocalProtocolError, UnicodeError):
            # The header may be a secret, which the error would show.
            message = (
                f"a request to {self.where} cannot be written: a header or the path holds what HTTP does not allow"
            )
            raise UsageError(message) from None
        return composed

    def _reusable(self) -> bool:
        """Whether the open connection can carry another request. What the other side closed meanwhile cannot."""
        if self._channel and self._http:
            try:
                if not self._channel.hears():
                    return True
            except OSError:
                pass
            self.close()
        return False

    def _tried(self, request: h11.Request, body: bytes, *, repeat: bool, expect: bool) -> Answer | None:
        """The answer; None if the kept connection broke before the server can have acted, and `repeat` is allowed."""
        exchange = self._exchange()
        try:
            answer = exchange.run(request, body, expect=expect)
        except ConnectionError as error:
            self.close()
            if repeat and not exchange.heard and (not exchange.taken or request.method.decode() in _REPEATABLE):
                return None
            raise told(error, self._endpoint, _doing(exchange)) from error
        except OSError as error:
            self.close()
            raise told(error, self._endpoint, _doing(exchange)) from error
        except self._h11.RemoteProtocolError as error:
            self.close()
            message = f"{self.where} broke off its answer, or answered what is no HTTP/1.1"
            raise Retryable(message) from error
        except BaseException:
            self.close()
            raise
        self._settle(exchange)
        return answer

    def _exchange(self) -> Exchange:
        """For the next request, on the open connection or on a new one. Raises Retryable or Fatal."""
        from tailrace.transport._exchange import Exchange  # noqa: PLC0415 - beside the library that it needs

        if self._channel is None:
            try:
                self._channel = Channel(self._endpoint, self._context, self._timeout)
            except OSError as error:
                raise told(error, self._endpoint, "cannot be reached") from error
            self._http = self._h11.Connection(self._h11.CLIENT, max_incomplete_event_size=_HEAD_LIMIT)
        assert self._http
        return Exchange(self._channel, self._http, self._timeout, self._limit, self._monotonic)

    def _settle(self, exchange: Exchange) -> None:
        """Keep the connection if both sides are done, neither wants to close it, and nothing came behind the answer."""
        if exchange.asked is not None:
            self._unheeded = 0 if exchange.asked else self._unheeded + 1
        http, done = exchange.http, self._h11.DONE
        if (http.our_state, http.their_state, http.trailing_data[0]) == (done, done, b""):
            http.start_next_cycle()
        else:
            self.close()


def _doing(exchange: Exchange) -> str:
    return "did not answer" if exchange.taken else "did not take a request"


def _library() -> ModuleType:
    try:
        import h11  # noqa: PLC0415 - an optional library
    except ImportError as error:
        what = "what is spoken to over HTTP"
        raise MissingExtra(what, "http") from error
    return h11
