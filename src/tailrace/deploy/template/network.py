"""The function in a VPC: where it may connect to, and the endpoints through which it reaches AWS.

Whatever else lives in the VPC is left as it is: interface endpoints take no private names, so that only the function uses them,
and the endpoints of S3 and DynamoDB, which are in route tables of others too, limit the function's role only.

https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html
https://docs.aws.amazon.com/vpc/latest/privatelink/aws-services-privatelink-support.html
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from tailrace.deploy.policies import by_code, document
from tailrace.deploy.template.expressions import Resources, att, filled, ref, sub, tags
from tailrace.deploy.template.own import ports
from tailrace.deploy.template.parameters import DYNAMODB_LIST, KNOWN, S3_LIST
from tailrace.deploy.template.role import ROLE
from tailrace.deploy.wanted import Wanted
from tailrace.errors import UsageError

GROUP: Final = "ProcessorSecurityGroup"
IN_CHINA: Final = "IsInChina"
_MEMBERS: Final = "EndpointSecurityGroup"
_ENTRANCE: Final = "EndpointEntranceSecurityGroup"
"""Endpoints are in two groups: one that the function may connect to, and one that lets the function in. Each of a pair that
name one another would wait for the other."""
_HTTPS: Final = 443
_ANY: Final = "0.0.0.0/0"
_INTERFACES: Final = {
    "logs": "CLOUDWATCH_LOGS",
    "secretsmanager": "SECRETS_MANAGER",
    "sqs": "SQS",
    "ssm": "SSM",
}
"""Services with interface endpoints, and how variables call them that tell clients where they are."""
_NOWHERE: Final = {"IpProtocol": "tcp", "FromPort": 1, "ToPort": 1, "CidrIp": "127.0.0.1/32", "Description": "nowhere"}
"""A group without rules of its own would let everything out."""
_OTHERWISE_IN_CHINA: Final = ("sqs",)
"""Their endpoints' names begin with cn. there."""


def network(wanted: Wanted) -> Resources:
    """The security group of the function, and endpoints if they are wanted; nothing without subnets. Raises UsageError."""
    if not wanted.own.vpc.subnets:
        return {}
    group = _group(wanted, "processor", "What the function may connect to", list(_egress(wanted)))
    # It is removed before the role then: when Lambda has given back the function's network interfaces, for which it needs the role.
    made = {GROUP: {**group, "DependsOn": [ROLE]}}
    return {**made, **_endpoints(wanted)} if wanted.own.vpc.endpoints else made


def vpc_config(wanted: Wanted) -> dict[str, Any]:
    """The function's place in it."""
    return {"SubnetIds": list(wanted.own.vpc.subnets), "SecurityGroupIds": [att(GROUP, "GroupId")]}


def conditions(wanted: Wanted) -> dict[str, Any]:
    """What the endpoints depend on."""
    there = wanted.own.vpc.subnets and wanted.own.vpc.endpoints and {*_OTHERWISE_IN_CHINA} & {*_services(wanted)}
    return {IN_CHINA: {"Fn::Equals": [ref("AWS::Partition"), "aws-cn"]}} if there else {}


def endpoint_variables(wanted: Wanted) -> dict[str, Any]:
    """Where the clients of the function find the interface endpoints."""
    if not wanted.own.vpc.subnets or not wanted.own.vpc.endpoints:
        return {}
    return {f"AWS_ENDPOINT_URL_{_INTERFACES[each]}": _url(each) for each in _services(wanted)}


def _url(service: str) -> Any:
    """The first name that the endpoint has: it tells them as ZONE:NAME. One that tells none is reached where the service is."""
    public = sub(f"{service}.${{AWS::Region}}.${{AWS::URLSuffix}}")
    entries = {"Fn::Join": [":", [{"Fn::Join": [",", att(_id(service), "DnsEntries")]}, public]]}
    name = {"Fn::Select": [0, {"Fn::Split": [",", {"Fn::Select": [1, {"Fn::Split": [":", entries]}]}]}]}
    return {"Fn::Sub": ["https://${Name}", {"Name": name}]}


def _services(wanted: Wanted) -> list[str]:
    """Services that the function's code calls, of those that have interface endpoints."""
    return sorted({need.call.partition(":")[0] for need in by_code(wanted)} & _INTERFACES.keys())


def _id(service: str) -> str:
    return f"{service.capitalize()}Endpoint"


def _egress(wanted: Wanted) -> Iterator[dict[str, Any]]:
    if wanted.own.vpc.endpoints:
        if _services(wanted):
            yield _out(_HTTPS, "the endpoints", DestinationSecurityGroupId=att(_MEMBERS, "GroupId"))
        yield from (_to_list(name, service) for name, service in ((S3_LIST, "S3"), (DYNAMODB_LIST, "DynamoDB")))
    else:
        yield _out(_HTTPS, "services of AWS, by endpoints that are there or NAT", CidrIp=_ANY)
    sinks = ports(wanted)
    if sinks and not wanted.own.vpc.sink_cidrs:
        message = (
            f"deploy.vpc.sink_cidrs: the function sends to {' and '.join(sorted(set(sinks.values())))}; name the networks"
            " of these servers (10.1.0.0/16), or the security group lets nothing out to them"
        )
        raise UsageError(message)
    for port, sink in sinks.items():
        for network_ in wanted.own.vpc.sink_cidrs:
            yield _out(port, sink, CidrIp=network_)


def _to_list(name: str, service: str) -> dict[str, Any]:
    """To a service's addresses, if the prefix list is given that has them; else to any."""
    known, nothing = KNOWN.format(name), ref("AWS::NoValue")
    given, any_ = {"Fn::If": [known, ref(name), nothing]}, {"Fn::If": [known, nothing, _ANY]}
    return _out(_HTTPS, service, DestinationPrefixListId=given, CidrIp=any_)


def _out(port: int, what: str, **to: Any) -> dict[str, Any]:
    return {"IpProtocol": "tcp", "FromPort": port, "ToPort": port, "Description": f"to {what}", **to}


def _group(wanted: Wanted, what: str, about: str, egress: list[dict[str, Any]]) -> dict[str, Any]:
    name = f"{wanted.names.stack}-{what}"
    return {
        "Type": "AWS::EC2::SecurityGroup",
        "Properties": {
            "GroupName": name,
            "GroupDescription": about,
            "VpcId": wanted.own.vpc.id,
            "SecurityGroupEgress": egress,
            "Tags": tags(wanted.tags, Name=name),
        },
    }


def _endpoints(wanted: Wanted) -> Resources:
    made = {_id(each): _gateway(wanted, each) for each in ("s3", "dynamodb")}
    if not (services := _services(wanted)):
        return made
    entrance = _group(wanted, "endpoints-entrance", "Who may connect to the endpoints", [_NOWHERE])
    return {
        **made,
        _MEMBERS: _group(
            wanted, "endpoints", "What endpoints are in, so that the function may connect to them", [_NOWHERE]
        ),
        _ENTRANCE: {**entrance, "Properties": {**entrance["Properties"], "SecurityGroupIngress": [_from_function()]}},
        **{_id(each): _interface(wanted, each) for each in services},
    }


def _from_function() -> dict[str, Any]:
    told = {"IpProtocol": "tcp", "FromPort": _HTTPS, "ToPort": _HTTPS, "Description": "from the function"}
    return {**told, "SourceSecurityGroupId": att(GROUP, "GroupId")}


def _gateway(wanted: Wanted, service: str) -> dict[str, Any]:
    """With a policy for the function's role; everybody else in these subnets does what they did before."""
    others = {
        "Sid": "OthersAsBefore",
        "Effect": "Allow",
        "Principal": "*",
        "Action": f"{service}:*",
        "Resource": "*",
        "Condition": filled({"ArnNotEquals": {"aws:PrincipalArn": _role(wanted)}}),
    }
    return _endpoint(
        wanted,
        service,
        [others, *_allowed(wanted, service)],
        VpcEndpointType="Gateway",
        RouteTableIds=list(wanted.own.vpc.route_tables),
    )


def _interface(wanted: Wanted, service: str) -> dict[str, Any]:
    return _endpoint(
        wanted,
        service,
        list(_allowed(wanted, service)),
        VpcEndpointType="Interface",
        SubnetIds=list(wanted.own.vpc.subnets),
        SecurityGroupIds=[att(_MEMBERS, "GroupId"), att(_ENTRANCE, "GroupId")],
        PrivateDnsEnabled=False,
    )


def _endpoint(wanted: Wanted, service: str, statements: list[Any], **own: Any) -> dict[str, Any]:
    named = tags(wanted.tags, Name=f"{wanted.names.stack}-{service}")
    policy = {"Version": "2012-10-17", "Statement": statements}
    told = {"VpcId": wanted.own.vpc.id, "ServiceName": _name(service), "PolicyDocument": policy, **own, "Tags": named}
    return {"Type": "AWS::EC2::VPCEndpoint", "Properties": told}


def _name(service: str) -> Any:
    usual = sub(f"com.amazonaws.${{AWS::Region}}.{service}")
    if service not in _OTHERWISE_IN_CHINA:
        return usual
    return {"Fn::If": [IN_CHINA, sub(f"cn.com.amazonaws.${{AWS::Region}}.{service}"), usual]}


def _allowed(wanted: Wanted, service: str) -> Iterator[Any]:
    """What the function's role may do there: as its own policy says."""
    ours = {"aws:PrincipalArn": _role(wanted)}
    for each in document(by_code(wanted))["Statement"]:
        if each["Action"][0].startswith(f"{service}:"):
            where = {
                **each.get("Condition", {}),
                "ArnEquals": {**each.get("Condition", {}).get("ArnEquals", {}), **ours},
            }
            yield filled({**each, "Principal": "*", "Condition": where})


def _role(wanted: Wanted) -> str:
    return wanted.names.global_arn("iam", f"role/{wanted.names.role}")
