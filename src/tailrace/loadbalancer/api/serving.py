"""The API as a process: opened from the settings, ended by a signal.

SIGTERM and SIGINT end it: what is under way is answered. SIGHUP reads accounts, secrets and certificate again.
"""

from __future__ import annotations

import signal
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from types import FrameType
from typing import Any, Final

from tailrace.accesslogging import Serving
from tailrace.clock import Clock
from tailrace.clouds import Vault
from tailrace.clouds.amazon import is_host, is_region
from tailrace.errors import UsageError
from tailrace.loadbalancer.api.accounts import accounts
from tailrace.loadbalancer.api.asking import Desk
from tailrace.loadbalancer.api.buckets import Buckets
from tailrace.loadbalancer.api.current import Current
from tailrace.loadbalancer.api.database import Database
from tailrace.loadbalancer.api.directory import Directory
from tailrace.loadbalancer.api.forwarding import Forwarding
from tailrace.loadbalancer.api.keeping import Keeping
from tailrace.loadbalancer.api.listening import Answering, Limits, Listener
from tailrace.loadbalancer.api.service import Journal, Service
from tailrace.serving import place_of

_REGION: Final = "us-east-1"
"""What clients sign for that are told of no region."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What it is given. `client`: makes clients of the cloud, with this service's own keys. `say`: tells people a sentence."""

    client: Callable[[str], Any]
    environ: Mapping[str, str]
    clock: Clock
    say: Callable[[str], None]
    journal: Journal
    region: str = ""


@contextmanager
def opened(settings: Serving, given: Given, limits: Limits | None = None) -> Iterator[tuple[str, Callable[[], None]]]:
    """The API, answering: where, and what reads its files again. Raises UsageError, Fatal."""
    place = place_of(
        settings.listen, settings.certificate, "lb.serve.listen", "set lb.serve.certificate and lb.serve.key"
    )
    tls = _tls(settings)
    if not settings.accounts:
        msg = "lb.serve.accounts: name the file of users and load balancers, or give --accounts FILE"
        raise UsageError(msg)
    path = Path(settings.accounts)
    region = given.region or _REGION
    current = Current(path, lambda: accounts(path, region, Vault(given.client, given.environ).read), given.say)
    with ExitStack() as stack:
        database = stack.enter_context(closing(Database.open(Path(settings.database))))
        buckets = stack.enter_context(closing(Buckets(given.client, given.clock, given.say)))
        cloud = None
        if settings.forward_to:
            _check_own(settings.forward_to, current().region)
            cloud = Forwarding(
                url=settings.forward_to,
                signature=settings.forward_signature,
                region=current().region,
                clock=given.clock,
            )
        directory = Directory(accounts=current, database=database, cloud=cloud)
        desk = Desk(directory=directory, keeping=Keeping(database=database, buckets=buckets), cloud=cloud)
        service = Service(accounts=current, database=database, desk=desk, clock=given.clock, journal=given.journal)
        answering = Answering(service.answer, service.refused)
        limits = limits or Limits(connections=settings.connections)
        listener = stack.enter_context(closing(Listener(place, answering, given.clock, limits, tls)))

        def again() -> None:
            current.again()
            if tls:
                _load(tls, settings)

        yield f"{'https' if tls else 'http'}://{listener.address}/", again


def serve(settings: Serving, given: Given) -> None:
    """Answer until a signal ends it. Raises UsageError, Fatal."""
    stop, anew = Event(), Event()

    def ends(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    def reads(_number: int, _frame: FrameType | None) -> None:
        anew.set()

    handlers = {signal.SIGTERM: ends, signal.SIGINT: ends, signal.SIGHUP: reads}
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        with opened(settings, given) as (where, again):
            given.say(f"the load balancing API answers on {where}")
            while not stop.wait(_LOOK_S):
                if anew.is_set():
                    anew.clear()
                    _reread(again, given.say)
            given.say("ending: what is under way is answered")
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


_LOOK_S: Final = 0.5


def _reread(again: Callable[[], None], say: Callable[[str], None]) -> None:
    try:
        again()
    except UsageError as error:
        say(f"warning: {error}; what was read before still counts")


def _check_own(url: str, region: str) -> None:
    """Nothing of a private cloud goes to AWS. Raises UsageError."""
    if is_host(url) and not is_region(region):
        message = f"lb.serve.forward_to: {url} is AWS's, but {region} is no region of AWS; name the endpoint of that cloud, or AWS's region"
        raise UsageError(message)


def _tls(settings: Serving) -> ssl.SSLContext | None:
    if bool(settings.certificate) != bool(settings.key):
        msg = "lb.serve.certificate and lb.serve.key belong together: set both, or none"
        raise UsageError(msg)
    if not settings.certificate:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    _load(context, settings)
    return context


def _load(context: ssl.SSLContext, settings: Serving) -> None:
    try:
        context.load_cert_chain(settings.certificate, settings.key, password="")
    except OSError as error:
        told = error.strerror or "they do not fit together, or are no PEM files"
        message = f"lb.serve.certificate {settings.certificate} and lb.serve.key {settings.key} cannot be used: {told}"
        raise UsageError(message) from error
