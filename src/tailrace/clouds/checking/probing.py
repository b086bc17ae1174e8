"""What answers at an endpoint, before anybody signs anything: reachable, trusted, and with which clock."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Final
from urllib.parse import urlsplit

from tailrace.clock import Clock

SKEW_S: Final = 300.0
"""Servers refuse signatures whose time differs by more: 5 minutes for most of AWS, 15 for S3."""
_SOON_DAYS: Final = 14
"""A certificate that ends sooner is told of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """`failure`: why nothing answers; else empty. `tls`: what is to be told of the certificate. `trusted`: whether it would be, were it checked.

    `skew`: by how many seconds the server's clock is ahead of this machine's; None if it tells no time.
    """

    failure: str = ""
    tls: str = ""
    trusted: bool = True
    skew: float | None = None


def probe(url: str, verify: str, clock: Clock, patience: float = 5.0) -> Probe:
    """Ask for the time of an endpoint by a request without a signature. `verify`: true, false, or a file of authorities.

    Raises nothing for whatever answers, or does not, within `patience` seconds for each step.
    """
    parts = urlsplit(url)
    if parts.scheme != "https":
        return _asked(
            lambda: HTTPConnection(str(parts.hostname), parts.port or 80, timeout=patience), parts.path, clock
        )
    try:
        context = _context(verify)
    except (OSError, ssl.SSLError) as error:
        return Probe(failure=f"the authorities in {verify} cannot be read ({_why(error)})", trusted=False)
    port = parts.port or 443
    checked = _asked(
        lambda: HTTPSConnection(str(parts.hostname), port, timeout=patience, context=context), parts.path, clock
    )
    if verify != "false" or checked.failure:
        return checked
    strict = ssl.create_default_context()
    again = _asked(
        lambda: HTTPSConnection(str(parts.hostname), port, timeout=patience, context=strict), parts.path, clock
    )
    return Probe(tls="not checked" if again.trusted else "not checked, and not trusted", skew=checked.skew)


def _context(verify: str) -> ssl.SSLContext:
    if verify in ("true", "false"):
        context = ssl.create_default_context()
        if verify == "false":
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return context
    return ssl.create_default_context(cafile=verify)


def _asked(connection: Callable[[], HTTPConnection], path: str, clock: Clock) -> Probe:
    asked = connection()
    try:
        asked.connect()
        tls = _certificate(asked.sock, clock)
        before = clock.now()
        asked.request("HEAD", path or "/")
        told = asked.getresponse().getheader("Date", "")
        return Probe(tls=tls, skew=_skew(told, (before + clock.now()) / 2))
    except ssl.SSLError as error:
        return Probe(failure=f"its certificate is not trusted: {_why(error)}", tls="not trusted", trusted=False)
    except HTTPException as error:
        return Probe(failure=f"what answers speaks no HTTP ({type(error).__name__})")
    except (OSError, UnicodeError) as error:
        return Probe(failure=f"it cannot be reached: {_why(error)}")
    finally:
        asked.close()


def _certificate(sock: object, clock: Clock) -> str:
    """Until when a certificate that was checked is good."""
    if not isinstance(sock, ssl.SSLSocket):
        return ""
    end = (sock.getpeercert() or {}).get("notAfter")
    if not isinstance(end, str):
        return ""
    until = ssl.cert_time_to_seconds(end)
    day = datetime.fromtimestamp(until, UTC).strftime("%Y-%m-%d")
    left = (until - clock.now()) / 86400
    return f"until {day}" if left > _SOON_DAYS else f"only until {day}"


def _skew(told: str, now: float) -> float | None:
    try:
        at = parsedate_to_datetime(told)
    except ValueError:
        return None
    # The header tells whole seconds.
    difference = at.replace(tzinfo=at.tzinfo or UTC).timestamp() + 0.5 - now
    return 0.0 if abs(difference) < 1 else round(difference, 1)


def _why(error: BaseException) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message
    if isinstance(error, ssl.SSLError):
        return (error.reason or "no TLS there").replace("_", " ").lower()
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return getattr(error, "strerror", None) or type(error).__name__
