"""The accounts from which load balancers of older regions write their logs.

Regions that were opened since August 2022 have none: there, as everywhere, ELB's service principal writes. The map has every
region, because CloudFormation looks into it even where a condition leaves out what it finds.

https://docs.aws.amazon.com/elasticloadbalancing/latest/application/enable-access-logging.html
"""

from __future__ import annotations

from typing import Any, Final

from tailrace.deploy.deliverers import ACCOUNTS, YOUNGER
from tailrace.deploy.template.expressions import ref
from tailrace.deploy.wanted import Wanted

MAP: Final = "RegionalLogAccounts"
HAS_ACCOUNT: Final = "RegionHasLogAccount"
NONE: Final = "none"


def mappings(wanted: Wanted) -> dict[str, Any]:
    """The account of every region; also of the one that is deployed to, if that is known and younger than this list."""
    regions = {*ACCOUNTS, *YOUNGER, *([] if "$" in wanted.names.region else [wanted.names.region])}
    return {MAP: {region: {"Account": ACCOUNTS.get(region, NONE)} for region in sorted(regions)}}


def account() -> dict[str, Any]:
    """The account of the region."""
    return {"Fn::FindInMap": [MAP, ref("AWS::Region"), "Account"]}


def conditions() -> dict[str, Any]:
    """Whether the region has one."""
    return {HAS_ACCOUNT: {"Fn::Not": [{"Fn::Equals": [account(), NONE]}]}}
