"""Where a server is and how it is trusted, as settings tell."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, TypeVar
from urllib.parse import urlsplit

from tailrace.errors import UsageError

T = TypeVar("T")
_SECURE: Final = {"http": "https", "tcp": "tls", "amqp": "amqps"}
"""Which scheme says the same over TLS."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A server, as told in a URL; `path` as it stands there."""

    scheme: str
    host: str
    port: int
    path: str = ""

    def __str__(self) -> str:
        """As it stands in messages."""
        return f"{self.scheme}://{self.host_in_url}:{self.port}"

    @property
    def host_in_url(self) -> str:
        """The host, an IPv6 address in brackets."""
        return f"[{self.host}]" if ":" in self.host else self.host


def endpoint_of(url: str, schemes: Mapping[str, int]) -> Endpoint:
    """The server that a URL names. `schemes`: which there are, with their ports; 0 where a port must be given.

    Raises UsageError; credentials in the URL are refused, for a URL is shown everywhere.
    """
    if "@" in url:
        raise UsageError(_wanted(schemes, "a URL may hold no user and password; give them as settings of the sink"))
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").encode("idna").decode() if "[" not in parts.netloc else parts.hostname or ""
        port = parts.port
    except (ValueError, UnicodeError):
        raise UsageError(_wanted(schemes, "this is no URL")) from None
    if parts.scheme not in schemes or not host:
        raise UsageError(_wanted(schemes, f"not {url!r}"))
    if parts.query or parts.fragment:
        message = f"{parts.scheme}://{parts.netloc}{parts.path}: a URL with ? or # behind it cannot be used here"
        raise UsageError(message)
    if not (port or schemes[parts.scheme]):
        message = f"{url}: name the port, as in {parts.scheme}://{parts.netloc}:5000"
        raise UsageError(message)
    return Endpoint(parts.scheme, host, port or schemes[parts.scheme], parts.path)


def _wanted(schemes: Mapping[str, int], told: str) -> str:
    return f"expected {' or '.join(f'{scheme}://HOST:PORT' for scheme in schemes)}; {told}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """How servers are trusted over TLS, and how they know us. All are paths of PEM files.

    `ca`: the authorities, those of the system if empty. `certificate` and `key`: our own; the key may be in the
    certificate's file. `verify`: False trusts everybody.
    """

    ca: str = ""
    certificate: str = ""
    key: str = ""
    verify: bool = True

    def context_for(self, endpoint: Endpoint) -> ssl.SSLContext | None:
        """What connections to a server are made with, if they are over TLS. Raises UsageError as `context`, and if all this is for nothing."""
        if endpoint.scheme in _SECURE.values():
            return self.context()
        if self != Tls():
            secure = _SECURE[endpoint.scheme]
            message = f"{endpoint}: settings of TLS are given for a server without it; write its URL with {secure}://"
            raise UsageError(message)
        return None

    def context(self) -> ssl.SSLContext:
        """What connections are made with: TLS 1.2 and later. Raises UsageError for files that cannot be used."""
        if self.key and not self.certificate:
            raise UsageError("a key for TLS was given without its certificate; set `certificate` too")
        context = _loaded(self.ca, "the authorities of TLS", lambda: ssl.create_default_context(cafile=self.ca or None))
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if not self.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if self.certificate:
            names = " and ".join(filter(None, (self.certificate, self.key)))
            # Without a password given here OpenSSL asks the terminal for one.
            load = lambda: context.load_cert_chain(self.certificate, self.key or None, password=lambda: b"")  # noqa: E731
            _loaded(names, "the certificate for TLS and its key", load)
        return context


def _loaded(path: str, what: str, load: Callable[[], T]) -> T:
    try:
        return load()
    except ssl.SSLError as error:
        message = f"{what}, {path}: this is not in PEM, does not fit together, or needs a password; give others"
        raise UsageError(message) from error
    except OSError as error:
        message = f"{what}, {path}: {error.strerror or 'cannot be read'}"
        raise UsageError(message) from error
