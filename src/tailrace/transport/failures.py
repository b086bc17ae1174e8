"""What the failure of a connection means, told without secrets."""

from __future__ import annotations

import socket
import ssl
from typing import Final

from tailrace.errors import Fatal, Retryable, TailraceError
from tailrace.transport.endpoints import Endpoint

_OURS: Final = ("ALERT_CERTIFICATE", "ALERT_BAD_CERTIFICATE", "ALERT_UNKNOWN_CA", "ALERT_ACCESS_DENIED", "HANDSHAKE_FAILURE",
                "ALERT_UNSUPPORTED_CERTIFICATE")  # fmt: skip
_VERSIONS: Final = ("WRONG_VERSION_NUMBER", "UNSUPPORTED_PROTOCOL", "PROTOCOL_VERSION", "HTTP_REQUEST", "RECORD_LAYER_FAILURE",
                    "PACKET_LENGTH_TOO_LONG")  # fmt: skip


def told(error: OSError, endpoint: Endpoint, doing: str) -> TailraceError:
    """The error to raise. `doing`: what was being done, as in "cannot be reached"."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return Fatal(
            f"the certificate of {endpoint} is not trusted ({error.verify_message}); name the authority that signed it in"
            " the setting `ca`, and the host as the certificate does"
        )
    if isinstance(error, ssl.SSLError) and not isinstance(error, ssl.SSLEOFError):
        return told_of_tls(error.reason or "", endpoint)
    if isinstance(error, socket.gaierror):
        return Retryable(f"{endpoint} {doing}: its name is not known ({error.strerror}); check the host")
    if isinstance(error, TimeoutError):
        return Retryable(f"{endpoint} {doing}: it took too long")
    return Retryable(f"{endpoint} {doing}: {error.strerror or 'the connection was closed'}")


def told_of_tls(reason: str, endpoint: Endpoint) -> TailraceError:
    """The error to raise for what OpenSSL calls by a name."""
    if any(word in reason for word in _OURS):
        return Fatal(
            f"{endpoint} does not take our side of TLS ({reason}); set `certificate` and `key` to a certificate it trusts"
        )
    if any(word in reason for word in _VERSIONS):
        return Fatal(
            f"{endpoint} does not speak TLS 1.2 or later ({reason}); check the port, or write the URL without TLS"
        )
    return Retryable(f"{endpoint} broke off TLS ({reason or 'without a reason'})")
