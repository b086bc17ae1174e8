"""Names of buckets and objects: AWS's layout, the recipe for Eucalyptus, and templates of the user's own."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import blake2b
from string import Formatter
from typing import Final

from tailrace.accesslogging import AccessLogging
from tailrace.errors import UsageError
from tailrace.keys import ACCOUNT, REGION
from tailrace.loadbalancer.legality import legal, legal_key
from tailrace.loadbalancer.model import Balancer, Form, Naming, Slot
from tailrace.privatecloud import Kind

AWS: Final = "aws"
EUCALYPTUS: Final = "eucalyptus"
_RECIPE_BUCKET: Final = "access_logs-{lb}_{address}_{instance}"
_RECIPE_KEY: Final = "elb-access-%d%m%Y-%H%M%S"
_SETTINGS: Final = {
    "lb": "lb.name", "account": "lb.account", "region": "region or [clouds.NAME] region", "address": "lb.address",
    "instance": "lb.instance",
}  # fmt: skip
"""Which setting tells a part of a name."""
_PARTS: Final = tuple(_SETTINGS)
_NOWHERE: Final = "0.0.0.0"  # noqa: S104 - no address to listen at: what stands for none in names, as Eucalyptus has it
_NAME = re.compile(r"[A-Za-z0-9-]{1,255}")
_ACCOUNT = re.compile(ACCOUNT)
_REGION = re.compile(REGION)
_ADDRESS = re.compile(r"[0-9A-Fa-f.:]{1,64}")
_DAY: Final = 86_400


def identifier(balancer: Balancer) -> str:
    """The 16 hex digits behind an application load balancer's name: its own, or some that are always the same for it."""
    told = f"{balancer.account}/{balancer.region}/{balancer.name}"
    return balancer.id or blake2b(told.encode(), digest_size=8).hexdigest()


def resource(balancer: Balancer) -> str:
    """An application load balancer as its log names it: `app/NAME/ID`."""
    return f"app/{balancer.name}/{identifier(balancer)}"


def named(balancer: Balancer) -> Balancer:
    """The load balancer, if its name can stand in AWS's lines and names of objects. Raises UsageError."""
    if not _NAME.fullmatch(balancer.name):
        instead = re.sub(r"[^A-Za-z0-9-]+", "-", balancer.name).strip("-")
        remedy = f"set lb.name{f' = {instead!r}' if instead else ''}"
        message = f"load balancer {balancer.name!r}: AWS's logs allow letters, digits and hyphens in its name; {remedy}"
        raise UsageError(message)
    return balancer


@dataclass(frozen=True, slots=True)
class Aws:
    """The layout of AWS: `AWSLogs/ACCOUNT/elasticloadbalancing/REGION/YYYY/MM/DD/…`, below a prefix.

    `kind`: how the base name begins, so that nobody takes HAProxy's own lines for AWS's.
    """

    bucket_template: str
    prefix: str
    suffix: str
    store: Kind
    application: bool = False
    kind: str = ""

    def bucket(self, balancer: Balancer) -> str:
        """The bucket of a load balancer."""
        return legal(_bucket(self.bucket_template, balancer), self.store)

    def key(self, balancer: Balancer, slot: Slot, random: str) -> str:
        """The object of a slot: its day and time are the end of it, in UTC."""
        name, account, region = named(balancer).name, balancer.account, balancer.region
        _check("account", account, _ACCOUNT)
        _check("region", region, _REGION)
        end = _time(slot)
        service = "elasticloadbalancing"
        elb = f"app.{name}.{identifier(balancer)}" if self.application else name
        node = _check("address", balancer.address or _NOWHERE, _ADDRESS)
        folder = f"{_folder(self.prefix)}AWSLogs/{account}/{service}/{region}/{end:%Y/%m/%d}"
        base = f"{self.kind}{account}_{service}_{region}_{elb}_{end:%Y%m%dT%H%MZ}_{node}_{random}{self.suffix}"
        return legal_key(f"{folder}/{base}")


@dataclass(frozen=True, slots=True)
class Template:
    """Names by a template: `{lb}` and the like, and strftime's fields for the end of the slot in UTC."""

    bucket_template: str
    template: str
    prefix: str
    suffix: str
    store: Kind

    def bucket(self, balancer: Balancer) -> str:
        """The bucket of a load balancer."""
        return legal(_bucket(self.bucket_template, balancer), self.store)

    def key(self, balancer: Balancer, slot: Slot, random: str) -> str:
        """The object of a slot."""
        values = {**_values(balancer), "random": random}
        end = _time(slot)
        name = "".join(
            _strftime(end, text) + (values[field] if field else "") for text, field in _pieces("layout", self.template)
        )
        packed = self.suffix.endswith(".gz") and not name.endswith(".gz")
        return legal_key(f"{_folder(self.prefix)}{name}{'.gz' if packed else ''}")


def naming(
    settings: AccessLogging,
    balancer: Balancer,
    form: Form,
    store: Kind = "other",
    *,
    told: tuple[str, str] | None = None,
) -> Naming:
    """The names that the settings ask for. `told`: bucket and prefix by the load balancing API, which go before them, as they are.

    Raises UsageError for whatever would be refused by the store, or would let one object overwrite another.
    """
    bucket, prefix = _literal(told) if told else (_template(settings), settings.prefix)
    store = "eucalyptus" if told else store  # The most lenient: the bucket is there already, so it is legal.
    prefix = prefix.strip("/")
    made: Naming
    if settings.layout == AWS:
        if "AWSLogs" in prefix:
            message = f"lb.prefix {prefix!r}: AWSLogs is added by itself; leave it out"
            raise UsageError(message)
        kind = "" if settings.form == "aws" else "haproxy_log_"
        made = Aws(bucket, prefix, form.suffix, store, settings.type == "application", kind)
    elif settings.layout == EUCALYPTUS:
        # Alone in its bucket the recipe's name is as it is; elsewhere another machine's object has the same.
        folder = "" if _tells_machine(bucket) else "{lb}/{instance}/" if balancer.instance else "{lb}/{address}/"
        made = Template(bucket, f"{folder}{_RECIPE_KEY}.log", prefix, form.suffix, store)
    else:
        made = Template(bucket, settings.layout, prefix, form.suffix, store)
        _check_distinct(made, balancer, settings.interval)
    made.bucket(balancer)
    made.key(balancer, Slot(0.0, settings.interval), "00000000")
    return made


def _literal(told: tuple[str, str]) -> tuple[str, str]:
    """Bucket and prefix that the load balancing API tells; the bucket as a template of nothing but its name."""
    bucket, prefix = told
    if not bucket:
        raise UsageError("the load balancing API tells no bucket; switch the access log on again, with one")
    return bucket.replace("{", "{{").replace("}", "}}"), prefix


def _template(settings: AccessLogging) -> str:
    """What the settings say of the bucket. Raises UsageError if they do not."""
    bucket = settings.bucket
    if bucket == EUCALYPTUS or (not bucket and settings.layout == EUCALYPTUS):
        return _RECIPE_BUCKET
    if not bucket:
        raise UsageError(
            "lb.bucket is not set; name the bucket, or the load balancing API that tells it: lb.attributes_url"
        )
    return bucket


def _check_distinct(made: Template, balancer: Balancer, interval: float) -> None:
    """Raises UsageError if two objects could have one name."""
    fields = {field for _, field in _pieces("layout", made.template)}
    if "random" in fields:
        return
    if not _tells_machine(made.template) and not _tells_machine(made.bucket_template):
        message = (
            f"lb.layout {made.template!r}: several machines of a load balancer would overwrite each other's objects; "
            "add {instance}, {address} or {random}"
        )
        raise UsageError(message)
    steps = {
        max(round(step / interval), 1) for step in (interval, 3600, _DAY // 2, _DAY, 7 * _DAY, 31 * _DAY, 366 * _DAY)
    }
    first = made.key(balancer, Slot(0.0, 400 * _DAY), "")
    if any(made.key(balancer, Slot(0.0, 400 * _DAY + step * interval), "") == first for step in steps):
        message = (
            f"lb.layout {made.template!r}: objects of different times would have the same name; "
            "add {random}, or more of %Y %m %d %H %M %S"
        )
        raise UsageError(message)


def _tells_machine(template: str) -> bool:
    return any(field in ("instance", "address", "random") for _, field in _pieces("bucket", template))


def _values(balancer: Balancer) -> dict[str, str]:
    """What the parts of a template stand for; an instance's id is written without its `i-`."""
    return {
        "lb": balancer.name, "account": balancer.account, "region": balancer.region,
        "address": balancer.address or _NOWHERE, "instance": balancer.instance.removeprefix("i-"),
    }  # fmt: skip


def _bucket(template: str, balancer: Balancer) -> str:
    values = _values(balancer)
    pieces = list(_pieces("bucket", template, _PARTS))
    for _, field in pieces:
        if field and not values[field]:
            message = f"lb.bucket {template!r}: the {field} of the load balancer is not known; set {_SETTINGS[field]}"
            raise UsageError(message)
    return "".join(text + (values[field] if field else "") for text, field in pieces)


def _pieces(setting: str, template: str, known: tuple[str, ...] = (*_PARTS, "random")) -> Iterator[tuple[str, str]]:
    """Texts and the fields behind them, in order. Raises UsageError."""
    try:
        pieces = list(Formatter().parse(template))
    except ValueError as error:
        raise _unreadable(setting, template, str(error), known) from error
    for text, field, form, conversion in pieces:
        if field is not None and (field not in known or form or conversion):
            raise _unreadable(setting, template, f"there is no {{{field}}}", known)
        yield text, field or ""


def _unreadable(setting: str, template: str, why: str, known: tuple[str, ...]) -> UsageError:
    parts = " ".join(f"{{{part}}}" for part in known)
    return UsageError(f"lb.{setting} {template!r} cannot be read ({why}); its parts are {parts}")


def _strftime(end: datetime, text: str) -> str:
    return end.strftime(text) if "%" in text else text


def _check(what: str, text: str, pattern: re.Pattern[str]) -> str:
    if not pattern.fullmatch(text):
        told = f"is {text!r}" if text else "is not known"
        message = (
            f"{_SETTINGS[what]}: that of the load balancer {told}, which cannot stand in AWS's names of objects; set it"
        )
        raise UsageError(message)
    return text


def _folder(prefix: str) -> str:
    return f"{prefix}/" if prefix else ""


def _time(slot: Slot) -> datetime:
    return datetime.fromtimestamp(slot.end, UTC)
