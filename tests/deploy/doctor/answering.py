"""An account of AWS that answers from memory: what is sent and what is answered must be as botocore's models of the services say."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from types import SimpleNamespace
from typing import Any

import boto3
from botocore.validate import ParamValidator

Answer = Mapping[str, Any] | Callable[[Mapping[str, Any]], Any]
_HIDDEN = {"ResponseMetadata", "Error"}


def refused(code: str, status: int = 400, text: str = "no") -> dict[str, Any]:
    """The answer of a service that will not."""
    return {"Error": {"Code": code, "Message": text}, "ResponseMetadata": {"HTTPStatusCode": status}}


_last: list[Recorded] = []
"""Who answers: of a test the last that was asked for a client."""


@cache
def _client(service: str, region: str) -> Any:
    """Clients take long to make."""
    made = boto3.client(service, region_name=region, aws_access_key_id="AKIDEXAMPLE", aws_secret_access_key="example")
    made.meta.events.register_first("provide-client-params.*", lambda params, **_: _last[0].seen(params))
    made.meta.events.register_first("before-call.*", lambda model, **_: _last[0].answer(service, model))
    return made


@dataclass
class Recorded:
    """Answers by call. `asked`: the calls that were made; `denied`: those that are refused for want of a permission."""

    answers: dict[str, Answer]
    region: str = "eu-west-1"
    denied: set[str] = field(default_factory=set)
    asked: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def client(self, service: str) -> Any:
        """A real client, whose calls go nowhere."""
        _last[:] = [self]
        return _client(service, self.region)

    def seen(self, params: dict[str, Any]) -> None:
        self._params = dict(params)

    def answer(self, service: str, model: Any) -> tuple[Any, dict[str, Any]]:
        call = f"{service}:{model.name}"
        self.asked.setdefault(call, []).append(self._params)
        if call in self.denied:
            told: Any = refused("UnauthorizedOperation" if service == "ec2" else "AccessDenied", 403)
        else:
            assert call in self.answers, f"nothing is recorded of {call}({self._params})"
            told = self.answers[call]
            told = told(self._params) if callable(told) else told
        if "Error" not in told:
            said = {key: value for key, value in told.items() if key not in _HIDDEN}
            if model.output_shape is None:
                assert not said
            else:
                report = ParamValidator().validate(said, model.output_shape)
                assert not report.has_errors(), f"{call}: {report.generate_report()}"
        status = told.get("ResponseMetadata", {}).get("HTTPStatusCode", 200)
        return SimpleNamespace(status_code=status, headers={}, raw=None), {
            "ResponseMetadata": {"HTTPStatusCode": status},
            **told,
        }
