"""The template of a deployment for CloudFormation, made of its settings: one small file for each part of it."""

from __future__ import annotations

from typing import Any

from tailrace.deploy.template import accounts, network, parameters
from tailrace.deploy.template.alarms import alarms
from tailrace.deploy.template.bucket import bucket
from tailrace.deploy.template.function import function
from tailrace.deploy.template.notification import calls, notification
from tailrace.deploy.template.outputs import outputs
from tailrace.deploy.template.queue import queues
from tailrace.deploy.template.role import role
from tailrace.deploy.template.table import table
from tailrace.deploy.template.writing import as_json, as_yaml
from tailrace.deploy.wanted import Wanted

__all__ = ["as_json", "as_yaml", "template"]


def template(wanted: Wanted) -> dict[str, Any]:
    """The template. Raises UsageError if the settings cannot be those of a function."""
    made_here = not wanted.own.bucket
    conditions = {
        **(accounts.conditions() if made_here else {}),
        **parameters.conditions(wanted),
        **network.conditions(wanted),
    }
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": f"Tailrace carries load-balancer logs from S3 to where people look ({wanted.names.stack})",
        "Metadata": _metadata(wanted),
        "Parameters": parameters.parameters(wanted),
        **({"Mappings": accounts.mappings(wanted)} if made_here else {}),
        **({"Conditions": conditions} if conditions else {}),
        "Resources": {
            **bucket(wanted, *notification(wanted)),
            **queues(wanted),
            **table(wanted),
            **role(wanted),
            **network.network(wanted),
            **function(wanted),
            **calls(wanted),
            **alarms(wanted),
        },
        "Outputs": outputs(wanted),
    }


def _metadata(wanted: Wanted) -> dict[str, Any]:
    told = {"Component": wanted.own.component, "Environment": wanted.environment, "Trigger": wanted.own.trigger}
    if wanted.own.bucket:
        told["Notification"] = (
            f"The bucket {wanted.own.bucket} is not the stack's: `tailrace deploy {wanted.environment}` adds to its"
            " notifications and leaves others as they are, and `tailrace destroy` takes that away again."
        )
    return {"Tailrace": told}
