"""Whether the endpoints of a cloud answer, are trusted, agree about the time, and accept the keys."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from tailrace.clock import Clock
from tailrace.clouds import failures
from tailrace.clouds.checking.probing import SKEW_S, Probe, probe
from tailrace.clouds.cloud import Cloud, Endpoint, Told
from tailrace.errors import TailraceError

_AT_ONCE: Final = 12
_USUAL: Final = ("autoscaling", "cloudformation", "cloudwatch", "ec2", "elb", "iam", "s3", "sts", "swf")
_STORES: Final = {"ceph": ("s3", "sts"), "swift": ("s3",)}
"""What object stores have at an endpoint that is said to be that of every service."""


class _Call(NamedTuple):
    operation: str
    arguments: Mapping[str, Any] = {}


HARMLESS: Final[Mapping[str, _Call]] = {
    "autoscaling": _Call("describe_auto_scaling_groups", {"MaxRecords": 1}),
    "cloudformation": _Call("describe_stacks"),
    "cloudwatch": _Call("list_metrics"),
    "dynamodb": _Call("list_tables", {"Limit": 1}),
    "ec2": _Call("describe_availability_zones"),
    "elb": _Call("describe_load_balancers"),
    "elbv2": _Call("describe_load_balancers"),
    "iam": _Call("get_user"),
    "lambda": _Call("list_functions", {"MaxItems": 1}),
    "logs": _Call("describe_log_groups", {"limit": 1}),
    "s3": _Call("list_buckets"),
    "sns": _Call("list_topics"),
    "sqs": _Call("list_queues"),
    "sts": _Call("get_caller_identity"),
    "swf": _Call("list_domains", {"registrationStatus": "REGISTERED"}),
}
"""A call for each service that changes nothing and that everybody may make."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What was found at the endpoint of a service. `good`: nothing of it stops anybody; `remedy`: what to do if it does."""

    service: str
    url: str
    reachable: bool
    tls: str
    skew: float | None
    credentials: str
    good: bool
    remedy: str = ""


def check(cloud: Cloud, client: Callable[[str], Any], clock: Clock) -> Iterator[Checked]:
    """Look at every endpoint of a cloud, many at a time; in the order of the services' names.

    At an endpoint of every service, and at AWS, the usual ones are looked at.

    `client`: makes the client of a service. Raises nothing for whatever is wrong there.
    """
    everywhere = _STORES.get(cloud.kind.value, _USUAL) if cloud.shared or not cloud.elsewhere else ()
    services = sorted({*cloud.endpoints, *everywhere})
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        yield from pool.map(lambda service: _checked(service, cloud, client, clock), services)


def _checked(service: str, cloud: Cloud, client: Callable[[str], Any], clock: Clock) -> Checked:
    try:
        endpoint = cloud.endpoints.get(service) or cloud.shared or _of_boto3(service, client)
    except TailraceError as error:
        why = str(error)
        return Checked(
            service=service, url="", reachable=False, tls="", skew=None, credentials="no client", good=False, remedy=why
        )
    found = probe(endpoint.url.value, cloud.verify.value, clock)
    told, why = ("", found.failure) if found.failure else _credentials(service, client)
    return Checked(
        service=service,
        url=endpoint.url.value,
        reachable=not found.failure,
        tls=found.tls,
        skew=found.skew,
        credentials=told,
        good=not (why or _late(found)),
        remedy=_remedy(why, found, endpoint),
    )


def _of_boto3(service: str, client: Callable[[str], Any]) -> Endpoint:
    """Where boto3 knows AWS to be."""
    return Endpoint(Told(failures.endpoint_of(client(service)), "boto3"), Told("v4", "boto3"))


def _late(found: Probe) -> bool:
    return abs(found.skew or 0) > SKEW_S


def _remedy(why: str, found: Probe, endpoint: Endpoint) -> str:
    if found.failure:
        return f"{endpoint.url.value}: {why}; it is told by {endpoint.url.origin}"
    if _late(found):
        return f"{endpoint.url.value}: its clock differs by {found.skew:+.0f} s from this machine's; set the one that is wrong"
    return why


def _credentials(service: str, client: Callable[[str], Any]) -> tuple[str, str]:
    """How the keys fare, in a word, and what is wrong; empty if nothing is."""
    call = HARMLESS.get(service)
    if call is None:
        return "not tried", ""
    try:
        made = client(service)
    except TailraceError as error:
        return "no client", str(error)
    try:
        getattr(made, call.operation)(**call.arguments)
    except TailraceError as error:  # the keys are those of a role, which its STS does not give
        return "refused", str(error)
    except failures.raised() as error:
        return _refused(error, service, made)
    return "accepted", ""


def _refused(error: Exception, service: str, client: Any) -> tuple[str, str]:
    code = failures.code_of(error)
    if failures.denied(error):
        return "accepted, not allowed to look", ""
    lasting = failures.fatal(error, service, client)
    if failures.foreign(error):
        return "another service", str(lasting)
    if lasting:
        return f"refused ({code})", str(lasting)
    if code in failures.UNSPOKEN or failures.status_of(error) in (404, 405, 501):
        return f"not known ({code})", ""
    return (
        f"failed ({code})",
        f"{failures.endpoint_of(client)}: {service} failed with {code}; ask it again, or those who run it",
    )
