//! Records as NDJSON: one object a line, without nulls.

use std::ops::Range;

use crate::block::{Block, Row, Span, TimeSource, View};
use crate::cells::find;
use crate::escapes::{Read, decode, has_escape, reading};
use crate::fast::{Cpu, Hot, Key, Out, WINDOW, at_best};
use crate::ids::Ids;
use crate::keys::{FormatKeys, LayoutKeys, Pair, Schema, What, json};
use crate::memo::{Memo, Wanted};
use crate::pool;
use crate::spec::{Escape, Plan, Role};
use crate::values;

/// How records are written.
#[derive(Clone, Copy)]
pub struct Form<'a> {
    /// What they are made of.
    pub plan: &'a Plan,
    /// The names, and what else stands around values.
    pub schema: &'a Schema,
    /// With these each begins with its id.
    pub ids: Option<&'a Ids>,
}

/// Write all records of a block. Gives memory, and how much of it is the text.
#[must_use]
pub fn write(block: &Block, form: Form<'_>) -> (Vec<u8>, usize) {
    at_best(All { block, form })
}

/// All records of a block.
struct All<'a> {
    block: &'a Block,
    form: Form<'a>,
}

impl Hot for All<'_> {
    type Output = (Vec<u8>, usize);

    #[inline(always)]
    fn run<C: Cpu>(self, cpu: C) -> Self::Output {
        let Self { block, form } = self;
        let (mut out, mut memo) = (Out::new(pool::text()), Memo::default());
        let mut writer = Writer { cpu, form, out: &mut out, memo: &mut memo };
        let mut last = None;
        for row in &block.rows {
            let view = match last {
                Some((segment, view)) if segment == row.segment => view,
                _ => block.view(row),
            };
            last = Some((row.segment, view));
            writer.record(row, view, block);
        }
        out.into_parts()
    }
}

/// A JSON string that is written.
struct Decoded<'w, 'a, C> {
    writer: &'w mut Writer<'a, C>,
    source: &'w [u8],
    span: Span,
    escape: Escape,
}

impl<K: Cpu> Hot for Decoded<'_, '_, K> {
    type Output = ();

    #[inline(always)]
    fn run<C: Cpu>(self, cpu: C) {
        let Self { writer, source, span, escape } = self;
        let reading = reading(escape);
        let mark = reading.map_or(b'\\', |(mark, _)| mark);
        let (mut at, end) = (span.start(), span.end());
        writer.out.byte(b'"');
        while at < end {
            let window = source[at..].first_chunk().copied().unwrap_or_else(|| {
                let mut window = [0; WINDOW];
                window[..end - at].copy_from_slice(&source[at..end]);
                window
            });
            let plain = (cpu.odd(&window, mark).trailing_zeros() as usize).min(end - at);
            writer.out.window(&window, plain);
            at += plain;
            if plain < WINDOW && at < end {
                at += writer.odd(&source[at..end], reading);
            }
        }
        writer.out.byte(b'"');
    }
}

/// Writes records.
pub struct Writer<'a, C> {
    /// What the processor can do.
    pub cpu: C,
    /// How records are written.
    pub form: Form<'a>,
    /// The text so far.
    pub out: &'a mut Out,
    /// What was written for other records.
    pub memo: &'a mut Memo,
}

impl<C: Cpu> Writer<'_, C> {
    /// Write a record of a block, whose bytes are in the view.
    #[inline(always)]
    pub fn record(&mut self, row: &Row, view: View<'_>, block: &Block) {
        let keys = &self.form.schema.formats[row.layout.format];
        let layout = &keys.layouts[row.layout.layout];
        self.begin(keys, row.offset, row.text.len());
        let slots = block.slots(row, layout.slots);
        match row.odd {
            Some(odd) => self.copied(view, slots, odd, layout),
            None => self.looked_at(row, view, slots, layout),
        }
        if row.truncated || row.invalid.0 < row.invalid.1 || row.extra.0 < row.extra.1 {
            self.rest(row, view, block);
        }
        self.end();
    }

    /// Begin the object of a record so many bytes long.
    #[inline(always)]
    pub(crate) fn begin(&mut self, keys: &FormatKeys, offset: u64, len: usize) {
        self.out.reserve(keys.width + 3 * len);
        match (self.form.ids, &keys.short_head) {
            (None, Some(head)) => self.out.before(head),
            (None, None) => self.out.slice(&keys.head),
            (Some(ids), _) => {
                self.id(ids, offset);
                self.out.slice(&keys.head[1..]);
            }
        }
    }

    /// End the object.
    #[inline(always)]
    pub(crate) fn end(&mut self) {
        let tail = &self.form.schema.tail;
        match tail.len() {
            2 => self.out.two(*b"}\n"),
            _ => self.out.slice(tail),
        }
    }

    /// The values of a record whose fields were told by position, and which of them need more than copying.
    #[inline(always)]
    fn copied(&mut self, view: View<'_>, slots: &[Span], odd: u64, layout: &LayoutKeys) {
        let mut at = 0;
        if odd | layout.always == 0 {
            let written = self.out.pairs::<true>(&layout.plain, 0, view.bytes, slots, 0);
            if written == layout.plain.len() {
                return;
            }
            at = layout.place_of_plain(written);
        }
        loop {
            at = self.out.pairs::<false>(&layout.keys, at, view.bytes, slots, odd | layout.always);
            let (Some(key), Some(pair)) = (layout.keys.get(at), layout.pairs.get(at)) else { return };
            at += 1;
            let span = slots[pair.slot];
            if span.is_present() {
                self.stopped(view, span, (key, pair), odd, layout);
            }
        }
    }

    /// A value at which simple copying has stopped.
    #[inline(always)]
    fn stopped(&mut self, view: View<'_>, span: Span, (key, pair): (&Key, &Pair), odd: u64, layout: &LayoutKeys) {
        let is_odd = odd & pair.bit() != 0;
        match pair.what {
            What::Time if span.in_arena() => self.value(view, span, pair, layout),
            What::Time if view.bytes[span.end() - 1] != b'Z' => {
                self.out.pair(key, view.bytes, span);
                self.out.add_zone();
            }
            What::Copied | What::Single if !is_odd => self.out.pair(key, view.bytes, span),
            What::Time => self.out.pair(key, view.bytes, span),
            What::Raw if !is_odd => {}
            _ => self.value(view, span, pair, layout),
        }
    }

    /// The values of any record.
    #[inline(never)]
    fn looked_at(&mut self, row: &Row, view: View<'_>, slots: &[Span], layout: &LayoutKeys) {
        let time = 1.min(layout.pairs.len());
        self.values(view, slots, 0..time, layout);
        if row.time_source != TimeSource::Own {
            self.time_source(row);
        }
        self.values(view, slots, time..layout.pairs.len(), layout);
    }

    fn id(&mut self, ids: &Ids, offset: u64) {
        self.out.byte(b'{');
        self.out.slice(&self.form.schema.id);
        self.out.slice(&ids.hex(offset));
        self.out.slice(b"\",");
    }

    #[cold]
    fn time_source(&mut self, row: &Row) {
        self.out.slice(&self.form.schema.time_source);
        self.out.slice(if row.time_source == TimeSource::Syslog { b"\"syslog\"" } else { b"\"none\"" });
    }

    /// What belongs to no column.
    #[inline(never)]
    fn rest(&mut self, row: &Row, view: View<'_>, block: &Block) {
        if row.truncated {
            self.out.slice(&self.form.schema.truncated);
            self.out.slice(b"true");
        }
        if row.invalid.0 < row.invalid.1 {
            self.out.slice(&self.form.schema.invalid);
            self.out.slice(invalid_json(block, view, self.form.plan, row).as_bytes());
        }
        if row.extra.0 < row.extra.1 {
            self.out.slice(&self.form.schema.extra);
            let words = &block.extra[row.extra.0..row.extra.1];
            self.texts(words.iter().map(|&word| values::decoded(view, word, Escape::None)));
        }
    }

    fn values(&mut self, view: View<'_>, slots: &[Span], numbers: Range<usize>, layout: &LayoutKeys) {
        for number in numbers {
            let (Some(key), Some(pair)) = (layout.keys.get(number), layout.pairs.get(number)) else { return };
            let span = slots[pair.slot];
            if !span.is_present() {
                continue;
            }
            let is_copied = match pair.what {
                What::Copied => true,
                What::Time => view.source(span)[span.end() - 1] == b'Z',
                What::Raw if view.is_plain(span, pair.writing.escape) => continue,
                _ => false,
            };
            if is_copied && view.is_plain(span, pair.writing.escape) {
                self.out.pair(key, view.bytes, span);
            } else {
                self.value(view, span, pair, layout);
            }
        }
    }

    /// A value that is more than a copy: as it was written before, or anew.
    #[inline(never)]
    pub(crate) fn value(&mut self, view: View<'_>, span: Span, pair: &Pair, layout: &LayoutKeys) {
        let wanted = Wanted::new(pair.number, view.text(span)).filter(|_| pair.is_repeated());
        self.remembered(wanted, |writer| writer.anew(view, span, pair, layout));
    }

    /// Write what was written before for a text, or anew.
    #[inline(always)]
    pub(crate) fn remembered(&mut self, wanted: Option<Wanted<'_>>, anew: impl FnOnce(&mut Self)) {
        if let Some(written) = wanted.and_then(|wanted| self.memo.get(wanted)) {
            return self.out.slice(written);
        }
        let begun = self.out.len();
        anew(self);
        if let Some(wanted) = wanted {
            self.memo.put(wanted, self.out.behind(begun));
        }
    }

    pub(crate) fn anew(&mut self, view: View<'_>, span: Span, pair: &Pair, layout: &LayoutKeys) {
        let (text, escape) = (view.text(span), pair.writing.escape);
        if pair.writing.role == Role::Raw && !has_escape(text, escape) {
            return;
        }
        self.out.slice(&pair.name);
        match pair.writing.role {
            Role::Number => self.out.slice(text),
            Role::Time => {
                self.out.byte(b'"');
                self.out.slice(text);
                self.out.slice(if text.last() == Some(&b'Z') { b"\"" } else { b"Z\"" });
            }
            Role::Text if pair.prefix.is_empty() => self.decoded(view.source(span), span, escape),
            Role::Text => {
                let decoded = decode(text, escape);
                let decoded = values::lossy(&decoded);
                self.text(decoded.strip_prefix(pair.prefix.as_str()).unwrap_or(&decoded));
            }
            Role::Plain | Role::Raw | Role::Unused => self.decoded(view.source(span), span, Escape::None),
            Role::Texts if !text.is_empty() && view.is_plain(span, escape) => {
                self.plain_texts(text, layout.separators[pair.writing.separator].as_bytes());
            }
            role => self.list(role, text, escape, &layout.separators[pair.writing.separator]),
        }
    }

    /// A list of texts that need no more than copying.
    fn plain_texts(&mut self, text: &[u8], separator: &[u8]) {
        self.out.slice(b"[\"");
        let mut from = 0;
        while let Some(len) = find(&text[from..], separator) {
            self.out.slice(&text[from..from + len]);
            self.out.slice(b"\",\"");
            from += len + separator.len();
        }
        self.out.slice(&text[from..]);
        self.out.slice(b"\"]");
    }

    /// A JSON string for a text, decoded; bytes that are no UTF-8 are replaced.
    fn decoded(&mut self, source: &[u8], span: Span, escape: Escape) {
        self.cpu.run(Decoded { writer: self, source, span, escape });
    }

    /// What stands at the beginning of a text and is more than a copy: an escape, a byte that JSON wants escaped, or a
    /// run of bytes beyond ASCII, some of which may be escaped. Gives how long it is.
    fn odd(&mut self, text: &[u8], reading: Option<(u8, Read)>) -> usize {
        let next = |at: usize| match (text.get(at), reading) {
            (Some(&byte), Some((mark, read))) if byte == mark || byte == b'\\' && mark == b'#' => {
                read(&text[at..]).or(Some((byte, 1)))
            }
            (byte, _) => byte.map(|&byte| (byte, 1)),
        };
        let (byte, width) = next(0).unwrap_or((0, 1));
        if byte < 0x80 {
            self.out.ascii(byte);
            return width;
        }
        let mut run = [0; RUN];
        let (mut len, mut at) = (0, 0);
        while let Some((byte, width)) = next(at)
            && byte >= 0x80
        {
            if len == RUN {
                // A run longer than this is rare: it is decoded as a whole.
                return self.long_run(text, reading);
            }
            run[len] = byte;
            (len, at) = (len + 1, at + width);
        }
        self.out.slice(values::lossy(&run[..len]).as_bytes());
        at
    }

    #[cold]
    fn long_run(&mut self, text: &[u8], reading: Option<(u8, Read)>) -> usize {
        let (mut run, mut at) = (Vec::new(), 0);
        while at < text.len() {
            let (byte, width) = match reading {
                Some((mark, read)) if text[at] == mark => read(&text[at..]).unwrap_or((mark, 1)),
                _ => (text[at], 1),
            };
            if byte < 0x80 {
                break;
            }
            run.push(byte);
            at += width;
        }
        self.out.slice(values::lossy(&run).as_bytes());
        at
    }

    fn text(&mut self, text: &str) {
        self.out.byte(b'"');
        self.escaped(text);
        self.out.byte(b'"');
    }

    fn list(&mut self, role: Role, text: &[u8], escape: Escape, separator: &str) {
        match role {
            Role::Texts if text.is_empty() => self.out.slice(b"[]"),
            Role::Offers => self.texts(values::offers(text, separator).iter()),
            Role::Numbers => {
                let mut mark: &[u8] = if text.is_empty() { b"[" } else { b"" };
                for number in values::numbers(text, separator) {
                    self.out.slice(if mark.is_empty() { b"[" } else { mark });
                    self.out.slice(number.as_deref().unwrap_or(b"null"));
                    mark = b",";
                }
                self.out.slice(if mark == b"[" { b"[]" } else { b"]" });
            }
            _ => self.texts(values::texts(text, separator, escape)),
        }
    }

    #[inline(never)]
    fn texts(&mut self, items: impl Iterator<Item = impl AsRef<str>>) {
        let mut mark = b'[';
        for item in items {
            self.out.byte(mark);
            self.out.byte(b'"');
            self.escaped(item.as_ref());
            self.out.byte(b'"');
            mark = b',';
        }
        self.out.byte(b']');
    }

    /// The inside of a JSON string.
    fn escaped(&mut self, text: &str) {
        let bytes = text.as_bytes();
        let mut written = 0;
        for (at, &byte) in bytes.iter().enumerate() {
            if NEEDS_ESCAPE[usize::from(byte)] {
                self.out.part(bytes, written, at - written);
                self.out.ascii(byte);
                written = at + 1;
            }
        }
        self.out.part(bytes, written, bytes.len() - written);
    }
}

/// A run of bytes beyond ASCII is gathered up to this length without memory of its own.
const RUN: usize = 64;

/// Bytes that stand in a JSON string only behind a backslash.
const NEEDS_ESCAPE: [bool; 256] = {
    let mut needs = [false; 256];
    let mut byte = 0;
    while byte < 0x20 {
        needs[byte] = true;
        byte += 1;
    }
    needs[b'"' as usize] = true;
    needs[b'\\' as usize] = true;
    needs
};

/// The texts that did not fit, by column, as a JSON object.
#[must_use]
pub fn invalid_json(block: &Block, view: View<'_>, plan: &Plan, row: &Row) -> String {
    let columns = &plan.formats[row.layout.format].columns;
    let pairs = block.invalid[row.invalid.0..row.invalid.1].iter().map(|&(column, span)| {
        format!("{}:{}", json(&columns[column].names[0]), json(&values::decoded(view, span, Escape::None)))
    });
    format!("{{{}}}", pairs.collect::<Vec<_>>().join(","))
}
