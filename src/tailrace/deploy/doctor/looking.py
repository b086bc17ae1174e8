"""Looking at an account: each thing once, and what cannot be seen is told by the permission that is missing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from tailrace.clouds import failures
from tailrace.deploy.actions import CALLS
from tailrace.deploy.cloud import Cloud
from tailrace.deploy.listing import known, listed
from tailrace.errors import TailraceError

_DENIED: Final = {
    "403", "AccessDenied", "AccessDeniedException", "AuthorizationError", "AuthorizationErrorException", "Forbidden",
    "NotAuthorized", "UnauthorizedOperation",
}  # fmt: skip
_LONGEST: Final = 300


class Unseen(TailraceError):
    """Something cannot be looked at. `missing`: the permissions for it, if that is why."""

    def __init__(self, call: str, error: TailraceError) -> None:
        cause = error.__cause__
        denied = isinstance(cause, Exception) and failures.code_of(cause) in _DENIED
        self.missing = (CALLS.get(call) or [call]) if denied else []
        told = f"these credentials may not {' and '.join(self.missing)}" if denied else _first_line(str(error))
        super().__init__(f"not looked at: {told}")


def _first_line(text: str) -> str:
    """The beginning of what a service says; some answer with pages."""
    return text.partition("\n")[0][:_LONGEST]


@dataclass(frozen=True, slots=True)
class Looking:
    """Looks at an account; what was answered once is not asked for again."""

    cloud: Cloud
    _answers: dict[str, Any] = field(default_factory=dict)
    _silent: dict[str, Unseen] = field(default_factory=dict)

    def __call__(self, call: str, *absent: str, **arguments: Any) -> Any:
        """What a call answers; None if it is refused with one of these codes, for there is no such thing. Raises Unseen."""
        return self._once(call, arguments, lambda: known(self.cloud, call, *absent, **arguments))

    def every(self, call: str, key: str, **arguments: Any) -> Sequence[Any]:
        """What all pages of an answer hold under a key. Raises Unseen."""
        found: Sequence[Any] = self._once(call, arguments, lambda: listed(self.cloud, call, key, **arguments))
        return found

    def through(self, call: str, of: str, looked: Callable[[Cloud], Any]) -> Any:
        """What a function finds of something by this call. Raises Unseen."""
        return self._once(call, of, lambda: looked(self.cloud))

    def _once(self, call: str, arguments: Any, asked: Callable[[], Any]) -> Any:
        key, service = f"{call} {arguments}", call.partition(":")[0]
        if key not in self._answers:
            self._answers[key] = self._silent.get(service) or self._answered(call, asked)
        if isinstance(answer := self._answers[key], Unseen):
            raise answer
        return answer

    def _answered(self, call: str, asked: Callable[[], Any]) -> Any:
        """The answer, or why there is none; a service that does not answer is not waited for again."""
        try:
            return asked()
        except TailraceError as error:
            unseen = Unseen(call, error)
            if isinstance(error.__cause__, Exception) and failures.unreachable(error.__cause__):
                self._silent[call.partition(":")[0]] = unseen
            return unseen
