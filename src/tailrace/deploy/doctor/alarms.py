"""The alarms of the deployment."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from tailrace.deploy.doctor.checking import REMOVED, Check, gone
from tailrace.deploy.doctor.finding import Finding, aws, ok, unknown, wrong
from tailrace.deploy.doctor.looking import Looking
from tailrace.deploy.template.alarms import alarms
from tailrace.deploy.wanted import Wanted

_ALARMS: Final = "alarms"


def _look(wanted: Wanted, looking: Looking) -> Sequence[Mapping[str, Any]]:
    prefix = wanted.names.alarm("")
    return looking.every("cloudwatch:DescribeAlarms", "MetricAlarms", AlarmNamePrefix=prefix)


def raised(wanted: Wanted, found: Sequence[Mapping[str, Any]]) -> Iterator[Finding]:
    """Whether all alarms are there, and none is raised."""
    expected = [str(each["Properties"]["AlarmName"]) for each in alarms(wanted).values()]
    there = {each["AlarmName"]: each for each in found}
    if absent := [name for name in expected if name not in there]:
        yield wrong(_ALARMS, f"there is no alarm {', '.join(absent)}{REMOVED}", gone(wanted))
    quiet = 0
    for name in expected:
        if there.get(name, {}).get("StateValue") == "ALARM":
            text = f"{name} is raised: {there[name].get('AlarmDescription', '')}"
            yield wrong(_ALARMS, text, aws("logs", "tail", wanted.names.function_log, "--since", "1h"))
        elif name in there and not there[name].get("ActionsEnabled", True):
            text = f"{name} is there, but tells nobody"
            yield unknown(_ALARMS, text, aws("cloudwatch", "enable-alarm-actions", "--alarm-names", name))
        elif name in there:
            quiet += 1
    if quiet:
        yield ok(_ALARMS, f"{quiet} of {len(expected)} alarms are quiet")


CHECKS: Final = (Check(subject=_ALARMS, look=_look, judge=raised),)
