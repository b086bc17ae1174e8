//! From the bytes of an item to records and rejects, line by line. What is promised stands in the reference twin's
//! parser; this one works on whole chunks and keeps records as spans.

use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::block::{Block, Bytes, Line, Row, Segment, View};
use crate::fast::{self, Cpu, End, Hot, Mask, Out, Scalar, Scanner};
use crate::filter::{Filter, Verdict};
use crate::ids::Ids;
use crate::keys::Schema;
use crate::memo::Memo;
use crate::ndjson::{Form, Writer};
use crate::pool;
use crate::reading::{Reader, Reason};
use crate::spec::{Layout, LayoutAt, Plan};
use crate::words;

/// So much of a rejected line is kept.
const KEPT_OF_REJECT: usize = 64 << 10;
/// A record over several lines is joined up to these limits.
const JOINED_BYTES: usize = 64 << 10;
const JOINED_LINES: u64 = 100;

/// What a parser is told of one item.
pub struct Item {
    /// The name of the format that the item's key promises, or nothing.
    pub kind: String,
    /// µs since 1970, shortly after the last line.
    pub reference: i64,
    /// Where in the item the first byte stands.
    pub offset: u64,
}

/// Bytes that are no record.
#[derive(Debug)]
#[allow(missing_docs)]
pub struct Reject {
    pub offset: u64,
    pub lines: u64,
    pub reason: Reason,
    pub payload: Vec<u8>,
    pub length: u64,
    pub sha256: [u8; 32],
}

/// The account of some lines.
#[derive(Default, Clone, Debug)]
#[allow(missing_docs)]
pub struct Counts {
    pub lines: u64,
    pub records: u64,
    pub record_lines: u64,
    pub rejects: u64,
    pub reject_lines: u64,
    pub control: u64,
    pub blank: u64,
    pub invalid: u64,
    pub unknown: u64,
    pub mismatched: u64,
    pub cut: u64,
}

/// What the bytes of one call have become.
#[derive(Default)]
pub struct Batch {
    /// The records, unless they are written at once.
    pub block: Block,
    /// The text of the records that are written at once: memory, and how much of it is the text.
    pub text: (Vec<u8>, usize),
    /// If only records that pass are written: a byte for each of all, whether it is.
    pub mask: Vec<u8>,
    /// How many of all are kept out by conditions, or would be.
    pub filtered: usize,
    /// The rejects between them.
    pub rejects: Vec<Reject>,
    /// The account of both.
    pub counts: Counts,
    /// Up to where in the item everything is in this batch or an earlier one.
    pub end: u64,
}

impl Batch {
    /// Note what becomes of a record.
    fn note(&mut self, verdict: Verdict) {
        self.mask.push(verdict.passes.into());
        self.filtered += usize::from(verdict.is_filtered);
    }
}

/// A record whose quote is still open.
struct Open {
    layout: LayoutAt,
    text: Vec<u8>,
    offset: u64,
    lines: u64,
}

/// A line that has become too long: only its beginning is kept.
struct Long {
    payload: Vec<u8>,
    length: u64,
    digest: Sha256,
}

/// Writes records as soon as they are read, while all about them is in the nearest cache.
pub struct Rendering {
    schema: Arc<Schema>,
    ids: Option<Arc<Ids>>,
    memo: Memo,
    filter: Option<Arc<Filter>>,
    /// The filter asks for more than fields as they stand in their line.
    needs_closer_look: bool,
}

impl Rendering {
    /// Records written with these names; with `ids` each begins with its id.
    #[must_use]
    pub fn new(schema: Arc<Schema>, ids: Option<Arc<Ids>>) -> Self {
        Self { schema, ids, memo: Memo::default(), filter: None, needs_closer_look: false }
    }

    /// Only records that pass.
    #[must_use]
    pub fn filtered(self, filter: Option<Arc<Filter>>) -> Self {
        let needs_closer_look = filter.as_ref().is_some_and(|filter| !filter.is_direct());
        Self { filter, needs_closer_look, ..self }
    }

    #[inline(always)]
    fn writer<'a, C: Cpu>(&'a mut self, cpu: C, plan: &'a Plan, out: &'a mut Out) -> Writer<'a, C> {
        let Self { schema, ids, memo, .. } = self;
        Writer { cpu, form: Form { plan, schema, ids: ids.as_deref() }, out, memo }
    }
}

/// Reads one item: its bytes in order, in pieces of any size.
pub struct Parser {
    plan: Arc<Plan>,
    item: Item,
    rest: Vec<u8>,
    offset: u64,
    long: Option<Long>,
    open: Option<Open>,
    scanner: Option<Scanner>,
    rendering: Option<Rendering>,
}

impl Parser {
    /// A parser that has seen no bytes yet. With `rendering` its batches hold the text of the records, and not them.
    #[must_use]
    pub fn new(plan: Arc<Plan>, item: Item, rendering: Option<Rendering>) -> Self {
        let offset = item.offset;
        Self { plan, item, rest: Vec::new(), offset, long: None, open: None, scanner: None, rendering }
    }

    /// Take the next bytes; the batch holds what can be told by now.
    pub fn feed(&mut self, data: Box<dyn Bytes>) -> Batch {
        let plan = Arc::clone(&self.plan);
        let mut work = Work::new(self, &plan);
        let bytes = (*data).as_ref();
        let begun = !work.parser.rest.is_empty() || work.parser.long.is_some();
        let start = match memchr::memchr(b'\n', bytes) {
            None => {
                work.parser.keep(bytes);
                return work.finish();
            }
            Some(first) if begun => {
                work.line_end(&bytes[..first], 1);
                first + 1
            }
            Some(_) => 0,
        };
        let end = memchr::memrchr(b'\n', bytes).map_or(start, |last| last + 1).max(start);
        let special = fast::at_best(Chunk { work: &mut work, bytes, start, end });
        work.parser.keep(&bytes[end..]);
        if let Some((segment, special)) = special {
            work.batch.block.segments[segment] = Segment { bytes: data, special };
        }
        work.finish()
    }

    /// Tell that no more bytes come. With `truncated` they broke off: what is left of a line is no line then.
    pub fn finish(&mut self, truncated: bool) -> Batch {
        let plan = Arc::clone(&self.plan);
        let mut work = Work::new(self, &plan);
        if truncated {
            work.close_open(Reason::UnclosedQuote);
            let (payload, length, sha256) = work.parser.partial();
            let offset = work.parser.offset;
            work.batch.rejects.push(Reject { offset, lines: 0, reason: Reason::Truncated, payload, length, sha256 });
            work.parser.offset += length;
        } else {
            if !work.parser.rest.is_empty() || work.parser.long.is_some() {
                work.line_end(b"", 0);
            }
            work.close_open(Reason::UnclosedQuote);
        }
        work.finish()
    }

    /// Keep the beginning of a line until its end comes.
    fn keep(&mut self, piece: &[u8]) {
        if let Some(long) = &mut self.long {
            long.digest.update(piece);
            long.length += piece.len() as u64;
            return;
        }
        self.rest.extend_from_slice(piece);
        if self.rest.len() > self.plan.max_line {
            let mut payload = std::mem::take(&mut self.rest);
            let (length, digest) = (payload.len() as u64, Sha256::new_with_prefix(&payload));
            payload.truncate(KEPT_OF_REJECT);
            payload.shrink_to_fit();
            self.long = Some(Long { payload, length, digest });
        }
    }

    /// What is kept of an unfinished line, its length, and its SHA-256.
    fn partial(&mut self) -> Kept {
        if let Some(long) = self.long.take() {
            return (long.payload, long.length, long.digest.finalize().into());
        }
        kept(std::mem::take(&mut self.rest))
    }
}

/// The first bytes of a text, its length, and its SHA-256.
type Kept = (Vec<u8>, u64, [u8; 32]);

fn kept(mut payload: Vec<u8>) -> Kept {
    let (length, sha256) = (payload.len() as u64, Sha256::digest(&payload).into());
    payload.truncate(KEPT_OF_REJECT);
    (payload, length, sha256)
}

/// The whole lines in `start..end` of a chunk.
struct Chunk<'w, 'a> {
    work: &'w mut Work<'a>,
    bytes: &'w [u8],
    start: usize,
    end: usize,
}

impl Hot for Chunk<'_, '_> {
    type Output = Option<(usize, Mask)>;

    #[inline(always)]
    fn run<C: Cpu>(self, cpu: C) -> Self::Output {
        self.work.chunk(cpu, self.bytes, self.start, self.end)
    }
}

/// The next lines of a chunk.
struct Next<'w> {
    scanner: &'w mut Scanner,
    bytes: &'w [u8],
    start: usize,
    special: &'w mut Mask,
}

impl Hot for Next<'_> {
    type Output = Option<usize>;

    #[inline(always)]
    fn run<C: Cpu>(self, cpu: C) -> Self::Output {
        self.scanner.next(cpu, self.bytes, self.start, self.special)
    }
}

/// One call of the parser.
struct Work<'a> {
    parser: &'a mut Parser,
    reader: Reader<'a>,
    batch: Batch,
    out: Out,
    kind: Option<usize>,
}

impl<'a> Work<'a> {
    fn new(parser: &'a mut Parser, plan: &'a Plan) -> Self {
        let kind = plan.formats.iter().position(|format| format.name == parser.item.kind);
        let reader = Reader::new(plan, kind, parser.item.reference);
        let out = Out::new(if parser.rendering.is_some() { pool::text() } else { Vec::new() });
        Self { parser, reader, batch: Batch::default(), out, kind }
    }

    fn finish(mut self) -> Batch {
        self.batch.end = self.parser.open.as_ref().map_or(self.parser.offset, |open| open.offset);
        self.batch.text = self.out.into_parts();
        self.batch
    }

    /// The whole lines in `start..end` of a chunk. Gives the segment's number and its mask if it holds records.
    #[inline(always)]
    fn chunk<C: Cpu>(&mut self, cpu: C, bytes: &[u8], start: usize, end: usize) -> Option<(usize, Mask)> {
        if start == end {
            return None;
        }
        if end > End::FURTHEST {
            bytes[start..end - 1].split(|&byte| byte == b'\n').for_each(|line| self.line_end(line, 1));
            return None;
        }
        let mut scanner = self.parser.scanner.take().unwrap_or_default();
        let mut special = Mask::within(pool::mask(), end);
        let segment = self.batch.block.segments.len();
        self.batch.block.segments.push(Segment { bytes: Box::new(Vec::new()), special: Mask::default() });
        let rows = self.batch.block.rows.len();
        let mut at = start;
        scanner.begin(start);
        while let Some(count) =
            cpu.run(Next { scanner: &mut scanner, bytes: &bytes[..end], start, special: &mut special })
        {
            for found in (0..count).filter_map(|number| scanner.line(number)) {
                let (cut, special) = (scanner.cut(found), special.bits());
                let line = Line { bytes, start: at, end: found.end, cut, special };
                if found.end - at > self.parser.plan.max_line {
                    self.too_long(kept(line.text().to_vec()));
                } else if !self.is_written(cpu, &line) {
                    self.line(cpu, line, segment as u32);
                }
                self.parser.offset += (found.end - at + 1) as u64;
                at = found.end + 1;
            }
        }
        self.parser.scanner = Some(scanner);
        let used = self.batch.block.rows[rows..].iter().any(|row| row.segment as usize == segment);
        used.then_some((segment, special))
    }

    /// Write the record that a line is, if records are written, and nothing about it is unusual.
    #[inline(always)]
    fn is_written<C: Cpu>(&mut self, cpu: C, line: &Line<'_>) -> bool {
        let Some(rendering) = &mut self.parser.rendering else { return false };
        let may_be_control = matches!(line.bytes.get(line.start), Some(b'#' | b'E') | None);
        if line.start == line.end || may_be_control || line.bytes[line.end - 1] == b'\r' || self.parser.open.is_some() {
            return false;
        }
        if rendering.needs_closer_look {
            return false;
        }
        let filter = rendering.filter.clone();
        let begun = self.out.len();
        let mut writer = rendering.writer(cpu, &self.parser.plan, &mut self.out);
        let Some(format) = self.reader.write(line, self.parser.offset, &mut writer) else { return false };
        if let Some(filter) = filter {
            self.judge(&filter, line, format, begun);
        }
        self.count(format, 1);
        true
    }

    /// Keep what was written of a line only if its record passes.
    #[inline(never)]
    fn judge(&mut self, filter: &Filter, line: &Line<'_>, format: usize, begun: usize) {
        let at = LayoutAt { format, layout: 0 };
        let verdict = filter.direct_verdict(at, View::of(*line, &[]), self.reader.fields(line));
        if !verdict.passes {
            self.out.truncate(begun);
        }
        self.batch.note(verdict);
    }

    /// Account for the line that ends with `piece`, and began in earlier bytes.
    fn line_end(&mut self, piece: &[u8], newline: u64) {
        self.parser.keep(piece);
        let length = if self.parser.long.is_some() {
            let partial = self.parser.partial();
            let length = partial.1;
            self.too_long(partial);
            length
        } else {
            let line = std::mem::take(&mut self.parser.rest);
            let length = line.len() as u64;
            self.copied(line);
            length
        };
        self.parser.offset += length + newline;
    }

    /// Account for a line of which so much is kept.
    fn too_long(&mut self, (payload, length, sha256): Kept) {
        self.close_open(Reason::UnclosedQuote);
        let (offset, reason) = (self.parser.offset, Reason::LineTooLong);
        self.reject(Reject { offset, lines: 1, reason, payload, length, sha256 });
    }

    /// A line in bytes of its own.
    fn copied(&mut self, text: Vec<u8>) {
        let segment = self.batch.block.segments.len();
        self.batch.block.segments.push(Segment { bytes: Box::new(Vec::new()), special: Mask::default() });
        let special = Mask::special(&text);
        self.any_line(Line::whole(&text, &special), segment as u32);
        self.batch.block.segments[segment] = Segment { bytes: Box::new(text), special };
    }

    #[inline(never)]
    fn any_line(&mut self, raw: Line<'_>, segment: u32) {
        self.line(Scalar, raw, segment);
    }

    #[inline(always)]
    fn line<C: Cpu>(&mut self, cpu: C, raw: Line<'_>, segment: u32) {
        let mut line = raw;
        if raw.text().last() == Some(&b'\r') {
            line = Line { end: raw.end - 1, cut: None, ..raw };
        }
        let text = line.text();
        if self.parser.open.is_some() && self.joined(text) {
            return;
        }
        let is_control = |text: &[u8]| match text[0] {
            b'#' => true,
            b'E' => text.starts_with(b"Enable ") && memchr::memmem::find(text, b" for ELB: ").is_some(),
            _ => false,
        };
        if text.is_empty() {
            self.batch.counts.lines += 1;
            self.batch.counts.blank += 1;
        } else if is_control(text) {
            self.control(line, segment);
        } else {
            self.single(cpu, line, raw, segment);
        }
    }

    /// A line that begins as control lines do. A header of a client may begin `HAProxy`'s lines.
    #[inline(never)]
    fn control(&mut self, line: Line<'_>, segment: u32) {
        let plan = &self.parser.plan;
        if plan.explicit
            && plan.formats[0].syslog.is_some()
            && let Ok(mut row) = self.reader.read(Scalar, line, segment, &mut self.batch.block)
        {
            row.offset = self.parser.offset;
            self.record(Scalar, row, line);
            return;
        }
        self.batch.counts.lines += 1;
        self.batch.counts.control += 1;
    }

    #[inline(always)]
    fn single<C: Cpu>(&mut self, cpu: C, line: Line<'_>, raw: Line<'_>, segment: u32) {
        match self.reader.read(cpu, line, segment, &mut self.batch.block) {
            Ok(mut row) => {
                row.offset = self.parser.offset;
                self.record(cpu, row, line);
            }
            Err(failure) => match failure.open_in {
                Some(layout) => {
                    let text = line.text().to_vec();
                    self.parser.open = Some(Open { layout, text, offset: self.parser.offset, lines: 1 });
                }
                None => self.reject_text(raw.text().to_vec(), self.parser.offset, 1, failure.reason),
            },
        }
    }

    /// Whether the line belongs to the open record; if it does not, that record has become a reject.
    #[inline(never)]
    fn joined(&mut self, text: &[u8]) -> bool {
        let Some(open) = &mut self.parser.open else { return false };
        let begins = match self.parser.plan.layout(open.layout) {
            Layout::Columns(layout) => words::begins_as(text, &layout.starts),
            _ => true,
        };
        if begins {
            self.close_open(Reason::UnclosedQuote);
            return false;
        }
        if open.text.len() + 1 + text.len() > JOINED_BYTES || open.lines == JOINED_LINES {
            self.close_open(Reason::RecordTooLong);
            return false;
        }
        open.text.push(b'\n');
        open.text.extend_from_slice(text);
        open.lines += 1;
        self.try_to_close();
        true
    }

    /// Make a record of the open lines if their quote is closed by now.
    #[inline(never)]
    fn try_to_close(&mut self) {
        let Some(open) = self.parser.open.take() else { return };
        let segment = self.batch.block.segments.len();
        let special = Mask::special(&open.text);
        let line = Line::whole(&open.text, &special);
        match self.reader.read_joined(line, open.layout, segment as u32, &mut self.batch.block) {
            Ok(mut row) => {
                (row.offset, row.lines) = (open.offset, open.lines);
                self.record(Scalar, row, line);
                self.batch.block.segments.push(Segment { bytes: Box::new(open.text), special });
            }
            Err(_) => self.parser.open = Some(open),
        }
    }

    fn close_open(&mut self, reason: Reason) {
        if let Some(open) = self.parser.open.take() {
            self.reject_text(open.text, open.offset, open.lines, reason);
        }
    }

    /// Account for a record, and keep or write it.
    #[inline(always)]
    fn record<C: Cpu>(&mut self, cpu: C, row: Row, line: Line<'_>) {
        self.count(row.layout.format, row.lines);
        let counts = &mut self.batch.counts;
        counts.invalid += (row.invalid.1 - row.invalid.0) as u64;
        counts.unknown += u64::from(row.extra.1 > row.extra.0);
        counts.cut += u64::from(row.truncated);
        let block = &mut self.batch.block;
        let Some(rendering) = &mut self.parser.rendering else { return block.rows.push(row) };
        if let Some(filter) = &rendering.filter {
            let verdict = filter.verdict(&row, View::of(line, &block.arena), block);
            self.batch.note(verdict);
            if !verdict.passes {
                return self.batch.block.forget();
            }
        }
        let block = &mut self.batch.block;
        rendering.writer(cpu, &self.parser.plan, &mut self.out).record(&row, View::of(line, &block.arena), block);
        block.forget();
    }

    /// Account for a record.
    #[inline(always)]
    fn count(&mut self, format: usize, lines: u64) {
        let counts = &mut self.batch.counts;
        counts.lines += lines;
        counts.records += 1;
        counts.record_lines += lines;
        let promised = !self.parser.item.kind.is_empty() && !self.parser.plan.explicit;
        counts.mismatched += u64::from(promised && Some(format) != self.kind);
    }

    #[inline(never)]
    fn reject_text(&mut self, text: Vec<u8>, offset: u64, lines: u64, reason: Reason) {
        let (payload, length, sha256) = kept(text);
        self.reject(Reject { offset, lines, reason, payload, length, sha256 });
    }

    fn reject(&mut self, reject: Reject) {
        self.batch.counts.lines += reject.lines;
        self.batch.counts.rejects += 1;
        self.batch.counts.reject_lines += reject.lines;
        self.batch.rejects.push(reject);
    }
}
