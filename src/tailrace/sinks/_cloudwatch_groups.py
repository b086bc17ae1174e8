"""Log groups and streams that are not there: made where that is wished, also after somebody deleted them."""

from __future__ import annotations

from threading import Lock
from typing import Any, Final

from tailrace.clouds import failures
from tailrace.errors import Fatal
from tailrace.sinks._cloudwatch_places import Place
from tailrace.sinks._cloudwatch_wire import told

RETENTIONS: Final = (
    1,
    3,
    5,
    7,
    14,
    30,
    60,
    90,
    120,
    150,
    180,
    365,
    400,
    545,
    731,
    1096,
    1827,
    2192,
    2557,
    2922,
    3288,
    3653,
)
"""For how many days a group may keep its events. https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html"""
_THERE: Final = "ResourceAlreadyExistsException"
_MISSING: Final = "ResourceNotFoundException"


class Groups:
    """Makes streams, and groups if `create`, kept for `retention` days (0: for ever). Threads may share it."""

    def __init__(self, client: Any, *, create: bool, retention: int) -> None:
        self._client, self._create, self._retention = client, create, retention
        self._endless: set[str] = set()
        self._lock = Lock()

    def make(self, place: Place) -> None:
        """Make what is missing of a place; what is there by now is fine. Raises Fatal where the group may not be made, Retryable."""
        with self._lock:
            self._retain(place.group)  # a stream is made last, so that a failure before it is noticed again
            if self._made_stream(place):
                return
            if not self._create:
                raise Fatal(_absent(place.group, failures.endpoint_of(self._client)))
            if self._call("create_log_group", place.group) != _THERE and self._retention:
                self._endless.add(place.group)
            self._retain(place.group)
            self._made_stream(place)

    def _made_stream(self, place: Place) -> bool:
        return self._call("create_log_stream", place.group, logStreamName=place.stream) != _MISSING

    def _retain(self, group: str) -> None:
        if group in self._endless:
            self._call("put_retention_policy", group, retentionInDays=self._retention)
            self._endless.discard(group)

    def _call(self, operation: str, group: str, **arguments: Any) -> str:
        """Empty, or the code that tells that it is there already or that the group is missing."""
        try:
            getattr(self._client, operation)(logGroupName=group, **arguments)
        except failures.raised() as error:
            code = failures.code_of(error)
            if code not in (_THERE, _MISSING):
                raise told(error, f"{operation} on the log group {group}", self._client) from error
            return code
        return ""

    def look(self, group: str) -> str:
        """What there is of a group, in a few words. Raises TailraceError with the remedy."""
        try:
            found = self._client.describe_log_groups(logGroupNamePrefix=group)["logGroups"]
        except failures.raised() as error:
            if failures.code_of(error).startswith("AccessDenied"):
                return f"{failures.endpoint_of(self._client)} answers; these credentials may not look for the log group {group}"
            raise told(error, f"the log group {group}", self._client) from error
        if any(each["logGroupName"] == group for each in found):
            return f"the log group {group} is there"
        if not self._create:
            raise Fatal(_absent(group, failures.endpoint_of(self._client)))
        return f"the log group {group} is not there yet and will be made"


def _absent(group: str, endpoint: str) -> str:
    return f"there is no log group {group} at {endpoint}; create it, or let it be created by --set create_group=true"
