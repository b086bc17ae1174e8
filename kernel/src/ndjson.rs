//! Records as NDJSON: one object a line, without nulls.

use std::ops::Range;

use crate::block::{Block, Row, Span, TimeSource, View};
use crate::cells::find;
use crate::escapes::{Read, decode, has_escape, reading};
use crate::fast::{Cpu, Hot, Key, Out, WINDOW, at_best};
use crate::ids::Ids;
use crate::pool;
use crate::spec::{Column, Escape, Format, Plan, Role, Writing, writings};
use crate::values;

/// Everything about a plan that does not change from record to record, for one schema.
pub struct Schema {
    formats: Vec<FormatKeys>,
    id: Vec<u8>,
    time_source: Vec<u8>,
    truncated: Vec<u8>,
    invalid: Vec<u8>,
    extra: Vec<u8>,
}

struct FormatKeys {
    /// `{"format":"alb"`
    head: Vec<u8>,
    layouts: Vec<LayoutKeys>,
    /// How long all keys are together.
    width: usize,
}

/// How the columns of a layout's records are written.
struct LayoutKeys {
    /// For each pair its key, for values that are copied as they stand; none if that cannot be.
    keys: Vec<Key>,
    /// Those that are written if the record is plain.
    plain: Vec<Key>,
    pairs: Vec<Pair>,
    /// A bit for each field some of whose values are never simply copied.
    always: u64,
    separators: Vec<String>,
    /// How many slots a record has.
    slots: usize,
}

struct Pair {
    slot: usize,
    /// The number of its field, where fields are told by position.
    field: u32,
    what: What,
    writing: Writing,
    /// `,"name":`
    name: Vec<u8>,
    /// Taken off the value.
    prefix: String,
}

/// What is done with a value that needs no more than copying.
#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    Copied,
    /// Copied; if it does not end with its zone, that is added.
    Time,
    /// Copied as the only item, if there is but one.
    Single,
    /// Nothing: it is written as another column.
    Raw,
    Other,
}

impl Schema {
    /// The keys of the schema of that number.
    #[must_use]
    pub fn new(plan: &Plan, schema: usize) -> Self {
        let names = &plan.names;
        let formats = plan.formats.iter().map(|format| FormatKeys::new(format, &names.format[schema], schema));
        Self {
            formats: formats.collect(),
            id: format!("{}:\"", json(&names.id)).into_bytes(),
            time_source: key_of(&names.time_source[schema]),
            truncated: key_of(&names.truncated[schema]),
            invalid: key_of(&names.invalid[schema]),
            extra: key_of(&names.extra[schema]),
        }
    }
}

impl FormatKeys {
    fn new(format: &Format, name: &str, schema: usize) -> Self {
        let head = format!("{{{}:{}", json(name), json(&format.name)).into_bytes();
        let layouts = format.layouts.iter().map(|layout| {
            let (writings, separators) = writings(format, layout);
            let pairs =
                writings.into_iter().zip(&format.columns).enumerate().filter_map(|(number, (writing, column))| {
                    let slot = layout.slot_of(number)?;
                    let field = layout.fields().position(|field| field.columns.contains(&number)).unwrap_or(0);
                    Some(Pair::new((slot, field as u32), writing, (column, &separators), schema))
                });
            let (keys, pairs): (Vec<Key>, Vec<Pair>) = pairs.unzip();
            let plain = keys.iter().zip(&pairs).filter(|(_, pair)| pair.what != What::Raw).map(|(key, _)| key.clone());
            let never_copied = pairs.iter().filter(|pair| pair.what == What::Other || pair.field > LAST_BIT);
            let always = never_copied.fold(0, |bits, pair| bits | pair.bit());
            let slots = layout.slots(format.columns.len());
            LayoutKeys { plain: plain.collect(), keys, pairs, always, separators, slots }
        });
        let width = format.columns.iter().map(|column| column.names[schema].len() + 8).sum::<usize>() + head.len();
        Self { head, layouts: layouts.collect(), width }
    }
}

impl LayoutKeys {
    /// The number that a plain pair has among all.
    #[cold]
    fn place_of_plain(&self, number: usize) -> usize {
        let plain = self.pairs.iter().enumerate().filter(|(_, pair)| pair.what != What::Raw);
        plain.map(|(place, _)| place).nth(number).unwrap_or(self.pairs.len())
    }
}

impl Pair {
    fn new(
        (slot, field): (usize, u32),
        writing: Writing,
        (column, separators): (&Column, &[String]),
        schema: usize,
    ) -> (Key, Self) {
        let name = key_of(&column.names[schema]);
        let prefix = if schema == 0 { String::new() } else { column.drop_prefix.clone() };
        let what = match writing.role {
            Role::Text if !prefix.is_empty() => What::Other,
            Role::Number | Role::Plain | Role::Text => What::Copied,
            Role::Time => What::Time,
            Role::Raw => What::Raw,
            Role::Numbers => What::Single,
            Role::Texts if separators[writing.separator].len() == 1 => What::Single,
            _ => What::Other,
        };
        let (opening, closing): (&[u8], &[u8]) = match (what, writing.role) {
            (_, Role::Number) => (b"", b""),
            (What::Single, Role::Texts) => (b"[\"", b"\"]"),
            (What::Single, _) => (b"[", b"]"),
            _ => (b"\"", b"\""),
        };
        let before = [name.as_slice(), opening].concat();
        let stop = (field.min(LAST_BIT) as u8, what == What::Raw);
        let (key, what) = if let Some(key) = Key::new(&before, closing, slot, stop) {
            (key, what)
        } else {
            let never = Key::new(b"", b"", slot, (stop.0, true)).unwrap_or_default();
            (never, if what == What::Raw { what } else { What::Other })
        };
        (key, Self { slot, field, what, writing, name, prefix })
    }

    /// The bit of its field, among those that tell which fields need more than copying.
    fn bit(&self) -> u64 {
        1 << self.field.min(LAST_BIT)
    }
}

/// It stands for all fields that follow too.
const LAST_BIT: u32 = 63;

fn key_of(name: &str) -> Vec<u8> {
    format!(",{}:", json(name)).into_bytes()
}

fn json(text: &str) -> String {
    serde_json::to_string(text).unwrap_or_default()
}

/// Write all records of a block; with `ids` each begins with its id. Gives memory, and how much of it is the text.
#[must_use]
pub fn write(block: &Block, plan: &Plan, schema: &Schema, ids: Option<&Ids>) -> (Vec<u8>, usize) {
    at_best(All { block, plan, schema, ids })
}

/// All records of a block.
struct All<'a> {
    block: &'a Block,
    plan: &'a Plan,
    schema: &'a Schema,
    ids: Option<&'a Ids>,
}

impl Hot for All<'_> {
    type Output = (Vec<u8>, usize);

    #[inline(always)]
    fn run<C: Cpu>(self, cpu: C) -> Self::Output {
        let Self { block, plan, schema, ids } = self;
        let mut writer = Writer { cpu, block, plan, schema, out: Out::new(pool::text()) };
        let mut last = None;
        for row in &block.rows {
            let view = match last {
                Some((segment, view)) if segment == row.segment => view,
                _ => block.view(row),
            };
            last = Some((row.segment, view));
            writer.record(row, view, ids);
        }
        writer.out.into_parts()
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

struct Writer<'a, C> {
    cpu: C,
    block: &'a Block,
    plan: &'a Plan,
    schema: &'a Schema,
    out: Out,
}

impl<C: Cpu> Writer<'_, C> {
    #[inline(always)]
    fn record(&mut self, row: &Row, view: View<'_>, ids: Option<&Ids>) {
        let schema = self.schema;
        let keys = &schema.formats[row.layout.format];
        let layout = &keys.layouts[row.layout.layout];
        self.out.reserve(keys.width + 3 * row.text.len());
        match ids {
            Some(ids) => {
                self.id(ids, row.offset);
                self.out.slice(&keys.head[1..]);
            }
            None => self.out.slice(&keys.head),
        }
        let slots = self.block.slots(row, layout.slots);
        match row.odd {
            Some(odd) => self.copied(view, slots, odd, layout),
            None => self.looked_at(row, view, slots, layout),
        }
        if row.truncated || row.invalid.0 < row.invalid.1 || row.extra.0 < row.extra.1 {
            self.rest(row, view);
        }
        self.out.byte(b'}');
        self.out.byte(b'\n');
    }

    /// The values of a record whose fields were told by position, and which of them need more than copying.
    #[inline(always)]
    fn copied(&mut self, view: View<'_>, slots: &[Span], odd: u64, layout: &LayoutKeys) {
        let mut at = 0;
        if odd | layout.always == 0 {
            let written = self.out.pairs::<true>(&layout.plain, view.bytes, slots, 0);
            if written == layout.plain.len() {
                return;
            }
            at = layout.place_of_plain(written);
        }
        while let Some(keys) = layout.keys.get(at..) {
            at += self.out.pairs::<false>(keys, view.bytes, slots, odd | layout.always);
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
        self.out.slice(&self.schema.id);
        self.out.slice(&ids.hex(offset));
        self.out.slice(b"\",");
    }

    #[cold]
    fn time_source(&mut self, row: &Row) {
        self.out.slice(&self.schema.time_source);
        self.out.slice(if row.time_source == TimeSource::Syslog { b"\"syslog\"" } else { b"\"none\"" });
    }

    /// What belongs to no column.
    #[inline(never)]
    fn rest(&mut self, row: &Row, view: View<'_>) {
        if row.truncated {
            self.out.slice(&self.schema.truncated);
            self.out.slice(b"true");
        }
        if row.invalid.0 < row.invalid.1 {
            self.out.slice(&self.schema.invalid);
            self.out.slice(invalid_json(self.block, self.plan, row).as_bytes());
        }
        if row.extra.0 < row.extra.1 {
            self.out.slice(&self.schema.extra);
            let words = &self.block.extra[row.extra.0..row.extra.1];
            self.texts(words.iter().map(|&word| values::decoded(view, word, Escape::None)));
        }
    }

    fn values(&mut self, view: View<'_>, slots: &[Span], numbers: Range<usize>, layout: &LayoutKeys) {
        for (key, pair) in layout.keys[numbers.clone()].iter().zip(&layout.pairs[numbers]) {
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
                if self.out.pairs::<true>(std::slice::from_ref(key), view.bytes, slots, 0) == 0 {
                    self.out.pair(key, view.bytes, span);
                }
            } else {
                self.value(view, span, pair, layout);
            }
        }
    }

    /// A value that is more than a copy.
    #[inline(never)]
    fn value(&mut self, view: View<'_>, span: Span, pair: &Pair, layout: &LayoutKeys) {
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
pub fn invalid_json(block: &Block, plan: &Plan, row: &Row) -> String {
    let columns = &plan.formats[row.layout.format].columns;
    let view = block.view(row);
    let pairs = block.invalid[row.invalid.0..row.invalid.1].iter().map(|&(column, span)| {
        format!("{}:{}", json(&columns[column].names[0]), json(&values::decoded(view, span, Escape::None)))
    });
    format!("{{{}}}", pairs.collect::<Vec<_>>().join(","))
}
