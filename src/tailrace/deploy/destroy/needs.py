"""What `tailrace destroy` calls by itself; what CloudFormation calls in its name, for the stack's resources, is beside this."""

from __future__ import annotations

from collections.abc import Sequence

from tailrace.deploy import notifications
from tailrace.deploy.balancers import switching
from tailrace.deploy.balancers.attributes import calls
from tailrace.deploy.cloud import PLACE_NEEDS
from tailrace.deploy.destroy import buckets, interfaces, leftovers, packages, stack
from tailrace.deploy.wanted import Wanted
from tailrace.permissions import Need, needs_on


def destroy_needs(wanted: Wanted) -> Sequence[Need]:
    """All of it."""
    names = wanted.names
    logs = names.global_arn("s3", names.logs_bucket)
    queues = [names.arn("sqs", each) for each in (names.queue, names.dead_letter_queue)]
    found = [
        *PLACE_NEEDS,
        *stack.needs(names.arn("cloudformation", f"stack/{names.stack}/*")),
        *(Need(call, "*") for call in calls() if "Describe" in call),
        *switching.modifying(wanted),
        *notifications.needs(wanted),
        *needs_on(logs, "s3:GetBucketNotificationConfiguration", "s3:PutBucketNotificationConfiguration"),
        *buckets.needs(logs),
        *packages.needs(wanted),
        *interfaces.needs(names.arn("lambda", f"function:{names.function}")),
        *(Need("sqs:GetQueueAttributes", each) for each in queues),
        *leftovers.needs(wanted),
    ]
    return list({(need.call, need.resource): need for need in found}.values())
