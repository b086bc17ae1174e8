"""Answers of something else than the service that was asked: botocore's parsers trip over what they do not find in them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final

from tailrace.clouds.failures import ForeignAnswerError

_TRIPPED: Final = (AttributeError, KeyError, TypeError, ValueError)


def guard(core: Any) -> None:
    """Let all clients of a session raise ForeignAnswerError where botocore would fail with an error of its own code."""
    factory = core.get_component("response_parser_factory")
    create = factory.create_parser

    def guarded(protocol: str) -> Any:
        parser = create(protocol)
        parser.parse = partial(_parsed, parser.parse)
        return parser

    factory.create_parser = guarded


def _parsed(parse: Callable[[Any, Any], Any], response: Any, shape: Any) -> Any:
    try:
        return parse(response, shape)
    except _TRIPPED as error:
        message = f"the answer cannot be read ({type(error).__name__})"
        raise ForeignAnswerError(message) from error
