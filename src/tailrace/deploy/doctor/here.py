"""This machine: what is installed, its clock, and whether a cloud answers to its credentials."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from email.utils import parsedate_to_datetime
from importlib import metadata
from typing import Any, Final

from tailrace.clouds import failures
from tailrace.clouds.partitions import partition_of
from tailrace.deploy.doctor.finding import Finding, aws, ok, unknown, wrong
from tailrace.errors import TailraceError

_SKEW_S: Final = 300
"""SigV4 is refused when a clock is so far off.
https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html#ErrorCodeList"""
_CLOCK_CODES: Final = {"RequestTimeTooSkewed", "RequestExpired", "RequestInTheFuture"}
_REQUIRED: Final = re.compile(
    r"([A-Za-z0-9._-]+)(?:\[[^]]*\])?\s*([<>=!~]*)\s*([0-9.]*).*?extra\s*==\s*['\"](\w+)['\"]"
)
_NO_REGION: Final = "-global"
"""How botocore's names end for what is the same in all regions."""
_SETTING: Final = "export AWS_REGION=eu-west-1"
_NEEDED: Final = "aws"
"""The extra without which nothing can be asked of a cloud."""


# --- what is installed ---


@dataclass(frozen=True, slots=True)
class Library:
    """A library of an extra: the versions that will do, and the one that is installed; empty if none is."""

    name: str
    extra: str
    how: str
    least: str
    installed: str

    @property
    def fits(self) -> bool:
        """Whether the installed one will do."""
        if self.how == "==":
            return self.installed == self.least
        return not self.least or _numbers(self.installed) >= _numbers(self.least)


def libraries(requires: Sequence[str]) -> Sequence[Library]:
    """Those of all extras, as the distribution requires them."""
    found = []
    for told in requires:
        if match := _REQUIRED.match(told):
            name, how, least, extra = match.groups()
            found.append(Library(name, extra, how, least, _installed(name)))
    return found


def required() -> Sequence[str]:
    """What the installed distribution requires; nothing, if it is not installed but run from its sources."""
    try:
        return metadata.requires("tailrace") or ()
    except metadata.PackageNotFoundError:
        return ()


def _installed(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(each) for each in re.findall(r"\d+", version)[:3])


def extras(found: Sequence[Library]) -> Iterator[Finding]:
    """Which optional libraries are there, and whether these are new enough."""
    for each in found:
        if each.installed and not each.fits:
            text = f"{each.name} {each.installed} is installed, and Tailrace needs {each.how}{each.least}"
            yield wrong("libraries", text, f"pip install --upgrade 'tailrace[{each.extra}]'")
        elif each.extra == _NEEDED and not each.installed:
            yield wrong("libraries", f"{each.name} is not installed, so no cloud can be asked", _pip([each.extra]))
    if not found:
        yield unknown("libraries", "tailrace is not installed as a distribution, so what it requires is not known")
        return
    names = list(dict.fromkeys(each.extra for each in found))
    whole = [name for name in names if all(each.installed for each in found if each.extra == name)]
    told = ", ".join(f"{each.name} {each.installed}" for each in found if each.extra == _NEEDED and each.installed)
    rest = [name for name in names if name not in whole]
    text = f"{told + '; ' if told else ''}extras {' '.join(whole) or 'none'}{f', not {chr(32).join(rest)}' if rest else ''}"
    yield ok("libraries", text, _pip([each for each in rest if each != _NEEDED]))


def _pip(extras_: Sequence[str]) -> str:
    return f"pip install 'tailrace[{','.join(extras_)}]'" if extras_ else ""


# --- the cloud's answer ---


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a cloud said when it was asked who asks. `date`: its clock, as it told it; `code` and `fault` if it refused.

    `region`: empty if none is known, which this one call may not need.
    """

    endpoint: str
    region: str
    who: Mapping[str, Any] = field(default_factory=dict)
    date: str = ""
    code: str = ""
    fault: str = ""


def asked(client: Any, call: str) -> Answer:
    """Ask who asks; changes nothing, and raises nothing."""
    from botocore import xform_name  # noqa: PLC0415 - an optional library

    silent = Answer(endpoint=failures.endpoint_of(client), region=_region_of(client))
    try:
        told = getattr(client, xform_name(call.partition(":")[2]))()
    except failures.raised() as error:
        lasting = failures.fatal(error, call, client)
        code = failures.code_of(error)
        text = str(lasting) if lasting else f"{call} is not answered by {silent.endpoint} ({code})"
        return replace(silent, date=_date(getattr(error, "response", None)), code=code, fault=text)
    return replace(silent, who=told, date=_date(told))


def _region_of(client: Any) -> str:
    told = str(client.meta.region_name or "")
    return "" if told.endswith(_NO_REGION) else told


def _date(told: Any) -> str:
    metadata_ = told.get("ResponseMetadata", {}) if isinstance(told, dict) else {}
    return str(metadata_.get("HTTPHeaders", {}).get("date", ""))


def reachable(answer: Answer) -> Finding:
    """Whether something answers there."""
    if answer.date or not answer.code or answer.code.isdecimal():
        return ok("endpoint", f"{answer.endpoint} answers")
    if "Credential" in answer.code or "Token" in answer.code:
        return unknown("endpoint", f"{answer.endpoint} was not asked, for want of credentials")
    return wrong("endpoint", answer.fault, f"curl -sSI {answer.endpoint}")


def accepted(answer: Answer, profile: str, *, timely: bool = True) -> Finding:
    """Whether it knows who asks. `timely`: the clock is not known to be wrong; with a wrong one every signature is refused."""
    if not answer.code:
        who = answer.who.get("Arn")
        return ok("credentials", f"they are those of {who}" if who else "they are accepted")
    if not answer.date and "Credential" not in answer.code and "Token" not in answer.code:
        return unknown("credentials", "nobody answered whom they could be shown to")
    named = ["--profile", profile] if profile else []
    if answer.code in _CLOCK_CODES or (not timely and answer.date):
        return unknown("credentials", "they are not looked at while the clock is wrong")
    if "SSO" in answer.code or "Expired" in answer.code:
        return wrong("credentials", answer.fault, aws("sso", "login", *named))
    return wrong("credentials", answer.fault, aws("configure", *named))


def clock(answer: Answer, now: float) -> Finding:
    """Whether this machine's clock is that of the cloud."""
    try:
        there = parsedate_to_datetime(answer.date).timestamp()
    except (ValueError, TypeError):
        return unknown("clock", f"{answer.endpoint} did not tell its time")
    skew = now - there
    told = f"{abs(skew):,.0f} s {'ahead of' if skew > 0 else 'behind'} {answer.endpoint}"
    if abs(skew) > _SKEW_S:
        text = f"this machine's clock is {told}: signatures are refused beyond five minutes"
        return wrong("clock", text, "sudo timedatectl set-ntp true")
    return ok("clock", f"this machine's clock is {told}" if abs(skew) >= 1 else "this machine's clock is right")


def region(answer: Answer, *, private: bool, needed: bool = True) -> Finding:
    """Whether the region is one of AWS, where that is asked. `needed`: nothing can be done without one."""
    if private:
        return ok("region", f"{answer.region}, of a private cloud")
    if not answer.region:
        how = "set AWS_REGION, or region in the settings or in the profile"
        if needed:
            return wrong("region", f"none is known: {how}", _SETTING)
        return ok("region", f"none is known, which does for S3; for all else {how}", _SETTING)
    try:
        partition = partition_of(answer.region)
    except TailraceError as error:
        return wrong("region", str(error), _SETTING)
    return ok("region", f"{answer.region} ({partition})")
