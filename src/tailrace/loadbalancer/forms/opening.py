"""The form that settings ask for."""

from __future__ import annotations

from tailrace.accesslogging import AccessLogging
from tailrace.kernel.plan import Plan
from tailrace.loadbalancer.forms import aws
from tailrace.loadbalancer.forms.haproxy import Haproxy
from tailrace.loadbalancer.forms.reading import plan
from tailrace.loadbalancer.model import Balancer, Form
from tailrace.loadbalancer.naming import named


def form(settings: AccessLogging, balancer: Balancer, parser: aws.ParserClass, how: Plan | None = None) -> Form:
    """What the objects of a load balancer hold. `how`: from `reading.plan`, if lines have a log-format or a zone of their own.

    Raises UsageError for a name that cannot stand in AWS's lines.
    """
    if settings.form == "haproxy":
        return Haproxy()
    kind = aws.classic if settings.type == "classic" else aws.application
    return kind(named(balancer), parser, how or plan())
