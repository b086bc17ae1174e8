"""Prefix lists, looked up on moto."""

from __future__ import annotations

from templating import ENDPOINTS, VPC, Place, asked, made

from cloud import REGION, client_of, cloud
from tailrace.deploy.template.lists import prefix_lists


def test_the_lists_of_the_region_are_given_to_the_template() -> None:
    with cloud() as endpoint:
        network = client_of("ec2", endpoint)
        found = prefix_lists(asked(*ENDPOINTS), lambda _service: network)
        there = {
            each["PrefixListName"]: each["PrefixListId"]
            for each in network.describe_managed_prefix_lists()["PrefixLists"]
        }
        network.close()
    assert found == {
        "S3PrefixList": there[f"com.amazonaws.{REGION}.s3"],
        "DynamoDBPrefixList": there[f"com.amazonaws.{REGION}.dynamodb"],
    }
    template = made(*ENDPOINTS)
    assert found.keys() <= template["Parameters"].keys()
    group = Place(template, REGION, **found).value(template["Resources"]["ProcessorSecurityGroup"]["Properties"])
    assert [each.get("CidrIp") for each in group["SecurityGroupEgress"]] == [None] * 3


def test_nothing_is_asked_without_endpoints() -> None:
    for assignments in ((), (*VPC, "deploy.vpc.endpoints=false")):
        assert prefix_lists(asked(*assignments), None) == {}  # type: ignore[arg-type]
