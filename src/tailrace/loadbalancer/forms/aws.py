"""Form `aws`: lines exactly as AWS's load balancers write them, converted from HAProxy's."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import BinaryIO, Final

import msgspec
from isal import isal_zlib

from tailrace.kernel.load import Parser
from tailrace.kernel.plan import ItemPlan, Plan
from tailrace.loadbalancer.forms import _lines
from tailrace.loadbalancer.forms._logged import Logged, begin_us
from tailrace.loadbalancer.forms.reading import KEPT_BYTES, KEPT_REJECTS, controls, reject, whole_lines
from tailrace.loadbalancer.model import Balancer, Slot, Written
from tailrace.model import Batch, Reason, Reject

ParserClass = Callable[[Plan, ItemPlan], Parser]
_DECODER: Final = msgspec.json.Decoder(Logged)
_GZIP: Final = 31
"""As zlib calls gzip's container: its header holds no time, so that the same lines are the same bytes again."""
_LEVEL: Final = 2


class Aws:
    """A form of AWS's load balancers."""

    def __init__(self, line: _lines.Writer, reading: tuple[ParserClass, Plan], *, tcp: bool, packed: bool) -> None:
        self.suffix = ".log.gz" if packed else ".log"
        self.content_type = "application/x-gzip" if packed else "text/plain"
        self._line, self._tcp, self._packed = line, tcp, packed
        self._parser, self._plan = reading

    def write(self, lines: BinaryIO, out: BinaryIO, slot: Slot) -> Written:
        """Turn a slot's lines, as HAProxy sent them, into an object's content."""
        parser = self._parser(self._plan, ItemPlan(reference_us=int(slot.end * 1_000_000)))
        packer = isal_zlib.compressobj(_LEVEL, isal_zlib.DEFLATED, _GZIP) if self._packed else None
        account, begin = _Account(), 0
        for chunk in whole_lines(lines):
            batch = parser.feed(chunk)
            text = self._convert(batch, account)
            out.write(packer.compress(text) if packer else text)
            if batch.counts.control:
                account.reject(controls(chunk, begin, batch))
            begin += len(chunk)
        # Nothing is left in the parser but its last words on a line that is too long.
        out.write(self._convert(parser.finish(), account))
        if packer:
            out.write(packer.flush())
        return account.written()

    def _convert(self, batch: Batch, account: _Account) -> bytes:
        """The lines of a batch, and what is none of them told to the account."""
        written: list[str] = []
        others: list[tuple[int, Reason]] = []
        for number, logged in enumerate(_DECODER.decode_lines(batch.records.ndjson())):
            begin = begin_us(logged)
            why = self._refusal(logged, begin)
            if why or begin is None:
                others.append((number, why or "bad_time"))
            else:
                written.append(self._line(logged, begin))
        account.add(batch, len(written), others)
        return "".join(written).encode()

    def _refusal(self, logged: Logged, begin: int | None) -> Reason | None:
        """Why a record of HAProxy's log makes no line."""
        if logged.is_notice or not (self._tcp or logged.is_http):
            return "no_match"
        if begin is None:
            return "bad_time"
        if logged.truncated and logged.status_code is None and logged.time_total_ms is None:
            return "truncated"
        return None


@dataclass(slots=True)
class _Account:
    lines: int = 0
    records: int = 0
    rejected: int = 0
    rejects: list[Reject] = field(default_factory=list)
    kept: int = 0

    def add(self, batch: Batch, records: int, others: list[tuple[int, Reason]]) -> None:
        """Count the lines of a batch."""
        counts = batch.counts
        self.lines += counts.record_lines + counts.reject_lines + counts.control
        self.records += records
        self.reject(batch.rejects)
        if others:
            raw = batch.records.raw()
            data = bytes(raw.data)
            begins = (0, *raw.ends)
            self.reject(reject(raw.offsets[at], why, data[begins[at] : raw.ends[at]]) for at, why in others)

    def reject(self, found: Iterable[Reject]) -> None:
        """Count what is no request, and keep the first of it."""
        for one in found:
            self.rejected += one.lines
            if len(self.rejects) < KEPT_REJECTS and self.kept + len(one.payload) <= KEPT_BYTES:
                self.rejects.append(one)
                self.kept += len(one.payload)

    def written(self) -> Written:
        """What became of the lines."""
        return Written(self.lines, self.records, self.rejected, self.rejects)


def classic(balancer: Balancer, parser: ParserClass, plan: Plan) -> Aws:
    """Objects of a Classic Load Balancer: plain text, requests and connections in TCP mode."""
    return Aws(_lines.classic(balancer), (parser, plan), tcp=True, packed=False)


def application(balancer: Balancer, parser: ParserClass, plan: Plan) -> Aws:
    """Objects of an Application Load Balancer: compressed, requests only, as these know no connections in TCP mode."""
    return Aws(_lines.application(balancer), (parser, plan), tcp=False, packed=True)
