"""The ways in which fuzzed bytes are read: every format named and told apart, log-format strings, zones, limits."""

from __future__ import annotations

from tailrace.formats._haproxy import compile_log_format
from tailrace.formats.haproxy_eucalyptus_http import RECIPE as HTTP_RECIPE
from tailrace.formats.haproxy_eucalyptus_tcp import RECIPE as TCP_RECIPE
from tailrace.kernel.layout import Format
from tailrace.kernel.plan import ItemPlan, Plan
from tailrace.kernel.zones import zone
from tailrace.model import Condition, View
from tailrace.registry import formats

Way = tuple[Plan, ItemPlan]

IDENTITY = b"fuzz"
REFERENCE_US = 1_795_262_400_000_000
"""2026-11-21, shortly after the samples of HAProxy were written."""

LOG_FORMATS = (
    HTTP_RECIPE,
    TCP_RECIPE,
    "%{+json}o %(client)ci %(port)cp %(when)tr %(status)ST %(line)r %(headers)hr",
    "%{+E,+Q}o %ci:%cp [%tr] %ft %b/%s %TR/%Tw %ST %B %[capture.req.hdr(0)] %hr %r end",
    "%H %pid %Ts.%ms %ID %HM %HP?%HQ %HV|%[var(txn.a)]|%sslv %sslc",
    "%ci - [%trl] %{+Q}r %CC %CS %tsc %hrl %hsl",
    "%r",
    "%[src] %% %f",
    "%{+Q}hr %HM %HP%HQ\t%ST %{+Q}hsl %{+Q,+E}r %{+E}HU",
)


VIEWS = (
    View(),
    View(exclude=((Condition("user_agent", "~", "a.b"),),), rename=(("client_ip", 'an "ip"'),), constants=(("n", "1"),)),
    View(include=((Condition("elb_status_code", ">=", "300"), Condition("client_ip", "present")), (Condition("status_code", "!=", "200"),))),
    View(redact=(("client_ip", "network"), ("request_url", "query"), ("user_agent", "hash"), ("syslog_host", "mask")), key=b"k"),
    View(redact=(("client_ip", "remove"), ("request", "query"), ("captured_request_headers", "hash"), ("elb", "mask"))),
    View(redact=(("target", "hash"), ("target_ip", "mask"), ("user_agent_raw", "mask"), ("request_method", "remove"),
                 ("captured_request_cookie", "mask"), ("target_status_code_list", "mask"), ("client_port", "mask"))),
)  # fmt: skip
"""What is seen of the records, by the number in an input's flags."""


def log_format(text: str) -> Format:
    """The format that `--log-format TEXT` names."""
    return Format(
        name="haproxy_custom", title="", about="", source="", layouts=(compile_log_format(text),),
        framing="syslog", example="", vendor="haproxy",
    )  # fmt: skip


def ways() -> list[Way]:
    """Every way, in an order that only ever grows at its end within a run."""
    known = tuple(formats().values())
    every = Plan(formats=known)
    found = [(every, _item(kind)) for kind in ("", "alb", "clb", "nlb", "haproxy_http", "nothing_known")]
    found += [(Plan(formats=(one,), explicit=True), _item()) for one in known]
    found += [(Plan(formats=(log_format(text),), explicit=True), _item()) for text in LOG_FORMATS]
    found += [
        (Plan(formats=known, zone=zone("Europe/Zurich"), captures=(1, 1)), _item()),
        (Plan(formats=known, zone=zone("America/New_York"), captures=(0, 2)), _item(offset=1 << 33)),
        (Plan(formats=known, max_line=300), _item("clb")),
        (Plan(formats=known, max_line=20), ItemPlan(reference_us=-1, identity=IDENTITY)),
    ]
    return found


def _item(kind: str = "", offset: int = 0) -> ItemPlan:
    return ItemPlan(kind=kind, reference_us=REFERENCE_US, identity=IDENTITY, offset=offset)
