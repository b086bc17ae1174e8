"""Versions of the function, and the alias that everything calls: what is live, and how another version becomes so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tailrace.deploy.cloud import Cloud, Refused
from tailrace.deploy.listing import NO_RESOURCE, known
from tailrace.deploy.naming import ALIAS, LATEST
from tailrace.errors import Fatal, Retryable
from tailrace.permissions import Need, needs_on

_COMPARED: Final = (
    "CodeSha256", "Runtime", "Role", "Handler", "Timeout", "MemorySize", "KMSKeyArn", "Architectures", "PackageType",
)  # fmt: skip
"""What must be the same of two versions that are one, beside what is nested."""
_PAUSE: Final = 2.0
_READY_S: Final = 600.0
"""A function in a VPC is ready when its network interfaces are."""
_CONFLICT: Final = "ResourceConflictException"
_STALE: Final = "PreconditionFailedException"
_DESCRIPTION: Final = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """The function as it is. `code`: the hash of its newest code; `live`: the version that the alias names, which may be $LATEST.

    `same`: the live version has the newest code and configuration. `settings`: TAILRACE_CONFIG of the newest and of the live one.
    """

    code: str
    live: str
    same: bool
    settings: str = ""
    live_settings: str = ""

    @property
    def released(self) -> bool:
        """Whether the newest is what is called, by a version that stays as it is."""
        return self.same and self.live != LATEST


@dataclass(frozen=True, slots=True)
class Releases:
    """The versions of a function."""

    cloud: Cloud
    function: str

    def look(self) -> Function | None:
        """The function; None if there is none. Raises Fatal, Retryable."""
        newest = self._configuration(LATEST)
        if newest is None:
            return None
        live = self.live() or LATEST
        configuration = newest if live == LATEST else self._configuration(live) or {}
        return Function(
            code=newest["CodeSha256"],
            live=live,
            same=_essence(newest) == _essence(configuration),
            settings=_settings(newest),
            live_settings=_settings(configuration),
        )

    def live(self) -> str:
        """The version that is called; empty if there is no alias."""
        return str((self._alias() or {}).get("FunctionVersion", ""))

    def there(self, version: str) -> bool:
        """Whether there is such a version."""
        return self._configuration(version) is not None

    def bring_back(self, bucket: str, key: str) -> None:
        """Give the function the code of its stack again."""
        self.ready()
        self._called("lambda:UpdateFunctionCode", FunctionName=self.function, S3Bucket=bucket, S3Key=key)

    def publish(self, code: str, label: str) -> str:
        """The number of the version of the newest code and configuration; a new one, if it is not the last one's. Raises Fatal.

        `code`: the hash that this code must have.
        """
        self.ready()
        try:
            made = self._called(
                "lambda:PublishVersion", FunctionName=self.function, CodeSha256=code, Description=label[:_DESCRIPTION]
            )
        except Refused as error:
            if error.code in ("CodeVerificationFailedException", "InvalidParameterValueException"):
                message = f"the code of {self.function} was changed by somebody else meanwhile; run this again"
                raise Fatal(message) from error
            raise
        self.ready(made["Version"])
        return str(made["Version"])

    def switch(self, version: str, *, over: str) -> None:
        """Let everything call a version, if it is still `over` that is called. Raises Fatal if it is not."""
        alias = self._alias()
        if alias is None:
            message = f"the function {self.function} has no alias {ALIAS}; deploy it again, which makes it"
            raise Fatal(message)
        if alias["FunctionVersion"] == version:
            return
        if alias["FunctionVersion"] != over:
            raise self._taken()
        revision = {"RevisionId": alias["RevisionId"]} if alias.get("RevisionId") else {}
        try:
            self._called(
                "lambda:UpdateAlias", FunctionName=self.function, Name=ALIAS, FunctionVersion=version, **revision
            )
        except Refused as error:
            if error.code == _STALE and self.live() != version:
                raise self._taken() from error
            if error.code != _STALE:
                raise

    def ready(self, version: str = LATEST) -> None:
        """Wait until a version can be called. Raises Fatal if it will not be."""
        until = self.cloud.clock.monotonic() + _READY_S
        while True:
            found = self._configuration(version) or {}
            states = found.get("State", "Active"), found.get("LastUpdateStatus", "Successful")
            if "Failed" in states:
                why = found.get("StateReason") or found.get("LastUpdateStatusReason") or "no reason is told"
                message = f"the function {self.function} is not ready: {why}"
                raise Fatal(message)
            if states[0] in ("Active", "Inactive") and states[1] == "Successful":
                return
            if self.cloud.clock.monotonic() > until:
                message = f"the function {self.function} is not ready after {_READY_S:.0f} s ({states[0]}, {states[1]}); run this again"
                raise Fatal(message)
            self.cloud.clock.sleep(_PAUSE)

    def _taken(self) -> Fatal:
        return Fatal(
            f"somebody else has moved the alias {ALIAS} of {self.function} meanwhile; look with `tailrace status`, then run"
            " this again"
        )

    def _called(self, call: str, **arguments: Any) -> Any:
        """What a call answers once the function is not being changed any more."""

        def called() -> Any:
            try:
                return self.cloud(call, **arguments)
            except Refused as error:
                if error.code == _CONFLICT:
                    message = f"the function {self.function} is being changed"
                    raise Retryable(message) from error
                raise

        return self.cloud.patiently(called)

    def _configuration(self, version: str) -> Mapping[str, Any] | None:
        qualifier = {} if version == LATEST else {"Qualifier": version}
        return self._absent_or("lambda:GetFunctionConfiguration", **qualifier)

    def _alias(self) -> Mapping[str, Any] | None:
        return self._absent_or("lambda:GetAlias", Name=ALIAS)

    def _absent_or(self, call: str, **arguments: Any) -> Mapping[str, Any] | None:
        found: Mapping[str, Any] | None = known(self.cloud, call, *NO_RESOURCE, FunctionName=self.function, **arguments)
        return found


def _essence(configuration: Mapping[str, Any]) -> Mapping[str, Any]:
    """What makes a version behave as it does."""
    vpc = configuration.get("VpcConfig") or {}
    return {
        **{name: configuration.get(name) for name in _COMPARED},
        "environment": (configuration.get("Environment") or {}).get("Variables", {}),
        "layers": [each["Arn"] for each in configuration.get("Layers") or ()],
        "network": (sorted(vpc.get("SubnetIds") or ()), sorted(vpc.get("SecurityGroupIds") or ())),
        "tracing": (configuration.get("TracingConfig") or {}).get("Mode", "PassThrough"),
        "storage": (configuration.get("EphemeralStorage") or {}).get("Size", 512),
        "dead": (configuration.get("DeadLetterConfig") or {}).get("TargetArn", ""),
        "log": (configuration.get("LoggingConfig") or {}).get("LogGroup", ""),
    }


def _settings(configuration: Mapping[str, Any]) -> str:
    return str((configuration.get("Environment") or {}).get("Variables", {}).get("TAILRACE_CONFIG", ""))


def release_needs(function: str) -> Sequence[Need]:
    """What publishing and switching calls."""
    return [
        *needs_on(
            function, "lambda:UpdateFunctionCode", "lambda:PublishVersion", "lambda:GetAlias", "lambda:UpdateAlias"
        ),
        *needs_on(function, "lambda:GetFunctionConfiguration"),
        Need("lambda:GetFunctionConfiguration", f"{function}:*"),
    ]
