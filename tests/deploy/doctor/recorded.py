"""An account of AWS that answers from memory: what is sent and what is answered must be as botocore's models of the services say."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import boto3
from botocore.validate import ParamValidator

Answer = Mapping[str, Any] | Callable[[Mapping[str, Any]], Any]
_HIDDEN = {"ResponseMetadata", "Error"}


def refused(code: str, status: int = 400, text: str = "no") -> dict[str, Any]:
    """The answer of a service that will not."""
    return {"Error": {"Code": code, "Message": text}, "ResponseMetadata": {"HTTPStatusCode": status}}


@dataclass
class Recorded:
    """Answers by call. `asked`: the calls that were made; `denied`: those that are refused for want of a permission."""

    answers: dict[str, Answer]
    region: str = "eu-west-1"
    denied: set[str] = field(default_factory=set)
    asked: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def client(self, service: str) -> Any:
        """A real client, whose calls go nowhere."""
        made = boto3.client(
            service, region_name=self.region, aws_access_key_id="AKIDEXAMPLE", aws_secret_access_key="example"
        )
        made.meta.events.register_first("provide-client-params.*", self._seen)
        made.meta.events.register_first("before-call.*", lambda model, **_: self._answer(service, model))
        return made

    def _seen(self, params: dict[str, Any], model: Any, **_: Any) -> None:
        self._last = dict(params)

    def _answer(self, service: str, model: Any) -> tuple[Any, dict[str, Any]]:
        call = f"{service}:{model.name}"
        self.asked.setdefault(call, []).append(self._last)
        if call in self.denied:
            told: Any = refused("UnauthorizedOperation" if service == "ec2" else "AccessDenied", 403)
        else:
            assert call in self.answers, f"nothing is recorded of {call}({self._last})"
            told = self.answers[call]
            told = told(self._last) if callable(told) else told
        if "Error" not in told:
            said = {key: value for key, value in told.items() if key not in _HIDDEN}
            if model.output_shape is None:
                assert not said
            else:
                report = ParamValidator().validate(said, model.output_shape)
                assert not report.has_errors(), f"{call}: {report.generate_report()}"
        status = told.get("ResponseMetadata", {}).get("HTTPStatusCode", 200)
        return SimpleNamespace(status_code=status, headers={}), {"ResponseMetadata": {"HTTPStatusCode": status}, **told}
