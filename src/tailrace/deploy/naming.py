"""The names of everything that a deployment makes: `{component}-{environment}-…`, and nowhere else.

Region and account are CloudFormation's pseudo-parameters for the template, and the real ones for calls.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from tailrace import keys
from tailrace.errors import UsageError

ALIAS: Final = "live"
"""The alias of the function that everything calls."""
LATEST: Final = "$LATEST"
"""How Lambda calls the version that can still be changed."""
HANDLER: Final = "tailrace.hosts.awslambda.handler"
"""What Lambda calls in the package."""
SMOKE: Final = keys.SMOKE
"""How the name of a control object begins."""
_LONGEST: Final = 28
"""Of component and environment together: the longest bucket name then has 63 characters."""
_ENVIRONMENT: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,18}[a-z0-9])?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """The names of a deployment. Raises UsageError if component and environment make none."""

    component: str
    environment: str
    partition: str = "${AWS::Partition}"
    region: str = "${AWS::Region}"
    account: str = "${AWS::AccountId}"

    def __post_init__(self) -> None:
        if not _ENVIRONMENT.fullmatch(self.environment) or len(self.stack) > _LONGEST:
            message = (
                f"the environment {self.environment!r} makes no names: lower-case letters, digits and hyphens,"
                f" with the component {self.component} at most {_LONGEST - 1} characters"
            )
            raise UsageError(message)

    @property
    def stack(self) -> str:
        """The stack; also the beginning of every other name."""
        return f"{self.component}-{self.environment}"

    @property
    def function(self) -> str:
        """The function."""
        return f"{self.stack}-processor"

    @property
    def function_log(self) -> str:
        """The log group of the function's own output."""
        return f"/aws/lambda/{self.function}"

    @property
    def role(self) -> str:
        """The role of the function. It carries the region, for roles belong to the whole account."""
        return f"{self.stack}-processor-{self.region}"

    @property
    def logs_bucket(self) -> str:
        """The bucket of logs, where one is made."""
        return f"{self.stack}-logs-{self.account}-{self.region}"

    @property
    def artifacts_bucket(self) -> str:
        """The bucket of packages and of what is remembered."""
        return f"{self.stack}-code-{self.account}-{self.region}"

    @property
    def queue(self) -> str:
        """The queue of events, and of objects to be continued."""
        return f"{self.stack}-events"

    @property
    def dead_letter_queue(self) -> str:
        """Where messages go that were not delivered."""
        return f"{self.stack}-events-dead"

    @property
    def dead_letters(self) -> str:
        """The prefix of dead letters in the artifacts bucket, where the settings name no other place."""
        return f"dead-letters/{self.stack}"

    @property
    def receipts(self) -> str:
        """The table of receipts."""
        return f"{self.stack}-receipts"

    @property
    def rule(self) -> str:
        """EventBridge's rule, and the notification's id."""
        return f"{self.stack}-objects"

    @property
    def security_group(self) -> str:
        """The security group of the function in its VPC."""
        return f"{self.stack}-processor"

    def alarm(self, what: str) -> str:
        """An alarm."""
        return f"{self.stack}-{what}"

    def arn(self, service: str, resource: str) -> str:
        """The ARN of a resource of this account in this region."""
        return f"arn:{self.partition}:{service}:{self.region}:{self.account}:{resource}"

    def global_arn(self, service: str, resource: str) -> str:
        """The ARN of a resource that has no region: of IAM, with the account; of S3, with neither."""
        return f"arn:{self.partition}:{service}::{'' if service == 's3' else self.account}:{resource}"
