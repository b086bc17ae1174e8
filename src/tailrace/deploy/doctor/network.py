"""The function in a VPC: which ways out its subnets have, and what its security groups let through.

Lambda gives network interfaces no public addresses, so an internet gateway alone is no way out.

https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc-internet.html
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_network
from typing import Any, Final

from tailrace.deploy.doctor.checking import Check, again
from tailrace.deploy.doctor.finding import Finding, aws, ok, unknown, wrong
from tailrace.deploy.doctor.looking import Looking
from tailrace.deploy.listing import NO_RESOURCE
from tailrace.deploy.policies import by_code
from tailrace.deploy.template.own import ports
from tailrace.deploy.wanted import Wanted

Told = Mapping[str, Any]
_ROUTES: Final = "routes"
_GROUPS: Final = "security groups"
_GATEWAYS: Final = ("s3", "dynamodb")
_INTERFACES: Final = ("logs", "secretsmanager", "sqs", "ssm")
_HTTPS: Final = 443
_ANY: Final = "0.0.0.0/0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Subnets, route tables and endpoints of the VPC, and the groups of the function and of the endpoints.

    `environment`: the variables of the function; `deployed`: there is one.
    """

    subnets: Sequence[Told]
    tables: Sequence[Told] = ()
    endpoints: Sequence[Told] = ()
    groups: Sequence[Told] = ()
    of_endpoints: Sequence[Told] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    deployed: bool = True


def _look(wanted: Wanted, looking: Looking) -> Found | None:
    if not wanted.own.vpc.subnets:
        return None
    inside = [{"Name": "vpc-id", "Values": [wanted.own.vpc.id]}]
    absent = "InvalidSubnetID.NotFound"
    subnets = looking("ec2:DescribeSubnets", absent, SubnetIds=list(wanted.own.vpc.subnets)) or {}
    endpoints = looking.every("ec2:DescribeVpcEndpoints", "VpcEndpoints", Filters=inside)
    name = wanted.names.function
    told = looking("lambda:GetFunctionConfiguration", *NO_RESOURCE, FunctionName=name) or {}
    theirs = {each["GroupId"] for endpoint in endpoints for each in endpoint.get("Groups", ())}
    return Found(
        subnets=subnets.get("Subnets", ()),
        tables=looking.every("ec2:DescribeRouteTables", "RouteTables", Filters=inside),
        endpoints=[each for each in endpoints if each.get("State", "available").lower() == "available"],
        groups=_groups(looking, told.get("VpcConfig", {}).get("SecurityGroupIds", ())),
        of_endpoints=_groups(looking, sorted(theirs)),
        environment=told.get("Environment", {}).get("Variables", {}),
        deployed=bool(told),
    )


def _groups(looking: Looking, ids: Sequence[str]) -> Sequence[Told]:
    if not ids:
        return ()
    told = looking("ec2:DescribeSecurityGroups", "InvalidGroup.NotFound", GroupIds=list(ids)) or {}
    found: Sequence[Told] = told.get("SecurityGroups", ())
    return found


def services(wanted: Wanted) -> Sequence[str]:
    """The services of AWS that the function calls."""
    return sorted({need.call.partition(":")[0] for need in by_code(wanted)} & {*_GATEWAYS, *_INTERFACES})


# --- routes ---


def routed(wanted: Wanted, found: Found | None) -> Iterator[Finding]:
    """Whether every subnet has a way to every service that the function calls, and to servers outside."""
    if found is None:
        yield ok(_ROUTES, "the function is in no VPC")
        return
    faults = [*_missing(wanted, found), *(fault for each in found.subnets for fault in _of_subnet(wanted, found, each))]
    yield from faults
    if not faults:
        told = ", ".join(services(wanted))
        yield ok(_ROUTES, f"{' '.join(each['SubnetId'] for each in found.subnets)} have a way to {told}")


def _missing(wanted: Wanted, found: Found) -> Iterator[Finding]:
    there = {each["SubnetId"] for each in found.subnets}
    for each in wanted.own.vpc.subnets:
        if each not in there:
            remedy = aws("ec2", "describe-subnets", "--filters", f"Name=vpc-id,Values={wanted.own.vpc.id}")
            yield wrong(_ROUTES, f"there is no subnet {each}", remedy)
    for told in found.subnets:
        if told["VpcId"] != wanted.own.vpc.id:
            text = f"the subnet {told['SubnetId']} is in {told['VpcId']}, not in {wanted.own.vpc.id}"
            yield wrong(_ROUTES, text, f"{again(wanted)} --set deploy.vpc.id={told['VpcId']}")


def _of_subnet(wanted: Wanted, found: Found, subnet: Told) -> Iterator[Finding]:
    table = table_of(found.tables, subnet["SubnetId"])
    way = _way_out(table)
    if way == "out":
        return
    name, id_ = subnet["SubnetId"], table.get("RouteTableId", "")
    for service in services(wanted):
        if not _reached(wanted, found, table, service):
            yield _unreached(wanted, service, f"{name} ({id_}) has no way to {service}", (way, id_))
    if sinks := ports(wanted):
        told = " ".join(f"{sink}:{port}" for port, sink in sinks.items())
        networks = [each for each in wanted.own.vpc.sink_cidrs if not _inside(table, each)]
        if networks and way:
            yield unknown(_ROUTES, f"whether {name} has a way to {told} depends on what is behind {way}", _showing(id_))
        elif networks:
            text = f"{name} ({id_}) has no route to {' '.join(networks)}, where {told} is"
            yield wrong(_ROUTES, text, _nat(id_, networks[0]))


def table_of(tables: Sequence[Told], subnet: str) -> Told:
    """The route table of a subnet: its own, or the VPC's main one."""
    main: Told = {}
    for table in tables:
        for each in table.get("Associations", ()):
            if each.get("SubnetId") == subnet:
                return table
            if each.get("Main"):
                main = table
    return main


def _way_out(table: Told) -> str:
    """`out` by a NAT; the name of something else that all else goes through; empty if there is no way."""
    for route in table.get("Routes", ()):
        if route.get("DestinationCidrBlock") != _ANY or route.get("State") == "blackhole":
            continue
        if route.get("NatGatewayId") or route.get("InstanceId") or route.get("NetworkInterfaceId"):
            return "out"
        gateway = str(route.get("GatewayId", ""))
        if gateway.startswith("igw-"):
            return ""
        return str(gateway or route.get("TransitGatewayId") or route.get("VpcPeeringConnectionId") or "")
    return ""


def _inside(table: Told, network: str) -> bool:
    """Whether there is a route of its own to a network."""
    wished = ip_network(network, strict=False)
    for route in table.get("Routes", ()):
        there = route.get("DestinationCidrBlock", "")
        if there and there != _ANY and route.get("State") != "blackhole":
            known = ip_network(there, strict=False)
            if known.version == wished.version and wished.subnet_of(known):  # type: ignore[arg-type]
                return True
    return False


def _reached(wanted: Wanted, found: Found, table: Told, service: str) -> bool:
    name, vpc = f".{wanted.names.region}.{service}", wanted.own.vpc
    if vpc.endpoints and not found.deployed:  # then these are made yet
        return service not in _GATEWAYS or table.get("RouteTableId") in vpc.route_tables
    for each in found.endpoints:
        if not each["ServiceName"].endswith(name):
            continue
        if each.get("VpcEndpointType") == "Gateway" and table.get("RouteTableId") in each.get("RouteTableIds", ()):
            return True
        named = any(url and url in str(each.get("DnsEntries", "")) for url in _urls(found))
        if each.get("VpcEndpointType") == "Interface" and (each.get("PrivateDnsEnabled") or named):
            return True
    return False


def _urls(found: Found) -> Sequence[str]:
    """The hosts that the function's variables name for services."""
    told = (value for key, value in found.environment.items() if key.startswith("AWS_ENDPOINT_URL"))
    return [value.partition("://")[2].rstrip("/") for value in told]


def _unreached(wanted: Wanted, service: str, text: str, way: tuple[str, str]) -> Finding:
    through, table = way
    if through:
        return unknown(_ROUTES, f"{text} that can be seen from here: all else goes through {through}", _showing(table))
    vpc = wanted.own.vpc
    name = f"com.amazonaws.{wanted.names.region}.{service}"
    made = ("ec2", "create-vpc-endpoint", "--vpc-id", vpc.id, "--service-name", name)
    if vpc.endpoints:
        told = shlex.quote(f"deploy.vpc.route_tables={' '.join(dict.fromkeys([*vpc.route_tables, table]))}")
        return wrong(_ROUTES, text, f"{again(wanted)} --set {told}")
    if service in _GATEWAYS:
        return wrong(_ROUTES, text, aws(*made, "--vpc-endpoint-type", "Gateway", "--route-table-ids", table))
    interface = ("--vpc-endpoint-type", "Interface", "--private-dns-enabled", "--subnet-ids", *vpc.subnets)
    return wrong(_ROUTES, text, aws(*made, *interface))


def _nat(table: str, network: str) -> str:
    return aws("ec2", "create-route", "--route-table-id", table, "--destination-cidr-block", network, "--nat-gateway-id", "NAT")  # fmt: skip


def _showing(table: str) -> str:
    return aws("ec2", "describe-route-tables", "--route-table-ids", table)


# --- security groups ---


def let_out(wanted: Wanted, found: Found | None) -> Iterator[Finding]:
    """Whether the function's groups let out what it sends, and those of the endpoints let it in."""
    if found is None:
        return
    if not found.groups:
        yield wrong(_GROUPS, "the function is in no VPC, though deploy.vpc asks for one", again(wanted))
        return
    ids = [each["GroupId"] for each in found.groups]
    faults = [*_egress(wanted, found, ids), *_ingress(found, ids)]
    yield from faults
    if not faults:
        yield ok(_GROUPS, f"{' '.join(ids)} let out what the function sends")


def _egress(wanted: Wanted, found: Found, ids: Sequence[str]) -> Iterator[Finding]:
    needed = {_HTTPS: "AWS", **ports(wanted)}
    for port, what in needed.items():
        if not any(_passes(rule, port) for group in found.groups for rule in group.get("IpPermissionsEgress", ())):
            rule = f"IpProtocol=tcp,FromPort={port},ToPort={port},IpRanges=[{{CidrIp={_ANY}}}]"
            remedy = aws("ec2", "authorize-security-group-egress", "--group-id", ids[0], "--ip-permissions", rule)
            yield wrong(_GROUPS, f"{' '.join(ids)} let nothing out to port {port} ({what})", remedy)


def _ingress(found: Found, ids: Sequence[str]) -> Iterator[Finding]:
    groups = {each["GroupId"]: each for each in found.of_endpoints}
    for endpoint in found.endpoints:
        theirs = [groups[each["GroupId"]] for each in endpoint.get("Groups", ()) if each["GroupId"] in groups]
        rules = [rule for group in theirs for rule in group.get("IpPermissions", ())]
        if theirs and not any(_passes(rule, _HTTPS) and _from(rule, ids) for rule in rules):
            first = theirs[0]["GroupId"]
            remedy = aws("ec2", "authorize-security-group-ingress", "--group-id", first, "--protocol", "tcp",
                         "--port", str(_HTTPS), "--source-group", ids[0])  # fmt: skip
            text = f"the endpoint {endpoint['VpcEndpointId']} of {endpoint['ServiceName']} lets the function not in ({first})"
            yield wrong(_GROUPS, text, remedy)


def _passes(rule: Told, port: int) -> bool:
    protocol = str(rule.get("IpProtocol"))
    if protocol == "-1":
        return _is_to_something(rule)
    within = rule.get("FromPort", 0) <= port <= rule.get("ToPort", 65_535)
    return protocol in ("tcp", "6") and within and _is_to_something(rule)


def _is_to_something(rule: Told) -> bool:
    """Whether it is for more than this machine itself, which is how a group is written that lets nothing through."""
    networks = [each.get("CidrIp", "") for each in rule.get("IpRanges", ())]
    others = [*rule.get("Ipv6Ranges", ()), *rule.get("PrefixListIds", ()), *rule.get("UserIdGroupPairs", ())]
    return bool(others) or any(not each.startswith("127.") for each in networks)


def _from(rule: Told, ids: Sequence[str]) -> bool:
    """Whether it may be for the function: by its group, or by any network."""
    return bool(rule.get("IpRanges")) or any(each.get("GroupId") in ids for each in rule.get("UserIdGroupPairs", ()))


CHECKS: Final = (
    Check(subject=_ROUTES, look=_look, judge=routed, of="nothing"),
    Check(subject=_GROUPS, look=_look, judge=let_out),
)
