"""The table of receipts, unless the settings name another one."""

from __future__ import annotations

from typing import Final

from tailrace.deploy.template.expressions import Resources, argued, tags
from tailrace.deploy.wanted import Wanted

TABLE: Final = "ReceiptsTable"
_ARGUED: Final = {"CKV_AWS_119": "receipts hold names of objects and figures; DynamoDB encrypts them with its own key"}


def is_made(wanted: Wanted) -> bool:
    """Whether the table belongs to the deployment."""
    return wanted.settings.state == f"dynamodb:{wanted.names.receipts}"


def table(wanted: Wanted) -> Resources:
    """The table as `tailrace.state.dynamodb` uses it."""
    if not is_made(wanted):
        return {}
    made = {
        "Type": "AWS::DynamoDB::Table",
        # Receipts say what of the announced objects was delivered; a deployment that is gone is told of none any more, and a
        # new one only of new objects. Logs that stay in their bucket can be replayed.
        "DeletionPolicy": "Delete",
        "UpdateReplacePolicy": "Delete",
        "Metadata": argued(**_ARGUED),
        "Properties": {
            "TableName": wanted.names.receipts,
            "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")],
            "KeySchema": [
                {"AttributeName": "pk", "KeyType": "HASH"},
                {"AttributeName": "sk", "KeyType": "RANGE"},
            ],
            "TimeToLiveSpecification": {"AttributeName": "expires", "Enabled": True},
            "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True},
            "SSESpecification": {"SSEEnabled": False},
            "Tags": tags(wanted.tags),
        },
    }
    return {TABLE: made}
