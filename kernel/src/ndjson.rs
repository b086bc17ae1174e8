//! Records as NDJSON: one object a line, without nulls.

use crate::block::{Block, Row, Span, TimeSource, View};
use crate::cells::find;
use crate::escapes::{Read, decode, has_escape, reading};
use crate::fast::{Cpu, Hot, Key, Out, at_best};
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
    /// `"format":"alb"`
    head: Vec<u8>,
    layouts: Vec<LayoutKeys>,
    /// How long all keys are together.
    width: usize,
}

/// How the columns of a layout's records are written.
struct LayoutKeys {
    pairs: Vec<Pair>,
    separators: Vec<String>,
    /// How many slots a record has.
    slots: usize,
}

struct Pair {
    /// For values that are copied as they stand.
    key: Key,
    slot: usize,
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
    /// Copied if it ends with its zone.
    Time,
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
        let head = format!("{}:{}", json(name), json(&format.name)).into_bytes();
        let layouts = format.layouts.iter().map(|layout| {
            let (writings, separators) = writings(format, layout);
            let pairs =
                writings.into_iter().zip(&format.columns).enumerate().filter_map(|(number, (writing, column))| {
                    Some(Pair::new(layout.slot_of(number)?, writing, column, schema))
                });
            LayoutKeys { pairs: pairs.collect(), separators, slots: layout.slots(format.columns.len()) }
        });
        let width = format.columns.iter().map(|column| column.names[schema].len() + 8).sum::<usize>() + head.len();
        Self { head, layouts: layouts.collect(), width }
    }
}

impl Pair {
    fn new(slot: usize, writing: Writing, column: &Column, schema: usize) -> Self {
        let name = key_of(&column.names[schema]);
        let prefix = if schema == 0 { String::new() } else { column.drop_prefix.clone() };
        let is_text = writing.role != Role::Number;
        let text = if is_text { [name.as_slice(), b"\""].concat() } else { name.clone() };
        let key = Key::new(&text, is_text);
        let what = match writing.role {
            _ if key.is_none() => What::Other,
            Role::Text if prefix.is_empty() => What::Copied,
            Role::Number | Role::Plain => What::Copied,
            Role::Time => What::Time,
            Role::Raw => What::Raw,
            _ => What::Other,
        };
        Self { key: key.unwrap_or_default(), slot, what, writing, name, prefix }
    }
}

fn key_of(name: &str) -> Vec<u8> {
    format!(",{}:", json(name)).into_bytes()
}

fn json(text: &str) -> String {
    serde_json::to_string(text).unwrap_or_default()
}

/// Write all records of a block; with `ids` each begins with its id. Gives memory, and how much of it is the text.
#[must_use]
pub fn write(block: &Block, plan: &Plan, schema: &Schema, ids: Option<&Ids>) -> (Vec<u8>, usize) {
    let mut writer = Writer { block, plan, schema, out: Out::new(pool::text()) };
    at_best(All { writer: &mut writer, ids });
    writer.out.into_parts()
}

/// All records of a writer's block.
struct All<'w, 'a> {
    writer: &'w mut Writer<'a>,
    ids: Option<&'w Ids>,
}

impl Hot for All<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<C: Cpu>(self, _cpu: C) {
        for row in &self.writer.block.rows {
            self.writer.record(row, self.ids);
        }
    }
}

struct Writer<'a> {
    block: &'a Block,
    plan: &'a Plan,
    schema: &'a Schema,
    out: Out,
}

impl Writer<'_> {
    #[inline(always)]
    fn record(&mut self, row: &Row, ids: Option<&Ids>) {
        let schema = self.schema;
        let keys = &schema.formats[row.layout.format];
        let layout = &keys.layouts[row.layout.layout];
        self.out.reserve(keys.width + 3 * row.text.len());
        self.out.byte(b'{');
        if let Some(ids) = ids {
            self.id(ids, row.offset);
        }
        self.out.slice(&keys.head);
        let view = self.block.view(row);
        let slots = self.block.slots(row, layout.slots);
        if row.time_source != TimeSource::Own {
            self.values::<false>(view, slots, &layout.pairs[..1], layout);
            self.time_source(row);
            self.values::<false>(view, slots, &layout.pairs[1..], layout);
        } else if row.odd == Some(0) {
            self.values::<true>(view, slots, &layout.pairs, layout);
        } else {
            self.values::<false>(view, slots, &layout.pairs, layout);
        }
        if row.truncated || row.invalid.0 < row.invalid.1 || row.extra.0 < row.extra.1 {
            self.rest(row, view);
        }
        self.out.slice(b"}\n");
    }

    fn id(&mut self, ids: &Ids, offset: u64) {
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

    #[inline(always)]
    fn values<const PLAIN: bool>(&mut self, view: View<'_>, slots: &[Span], pairs: &[Pair], layout: &LayoutKeys) {
        for pair in pairs {
            let span = slots[pair.slot];
            if !span.is_present() {
                continue;
            }
            let is_copied = match pair.what {
                What::Copied => true,
                What::Time => view.source(span)[span.end() - 1] == b'Z',
                What::Raw if PLAIN || view.is_plain(span, pair.writing.escape) => continue,
                What::Raw | What::Other => false,
            };
            if is_copied && (PLAIN || view.is_plain(span, pair.writing.escape)) {
                self.out.pair(&pair.key, view.bytes, span.start(), span.len());
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
            Role::Text if pair.prefix.is_empty() => self.decoded(text, escape),
            Role::Text => {
                let decoded = decode(text, escape);
                let decoded = values::lossy(&decoded);
                self.text(decoded.strip_prefix(pair.prefix.as_str()).unwrap_or(&decoded));
            }
            Role::Plain | Role::Raw | Role::Unused => self.decoded(text, Escape::None),
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
    fn decoded(&mut self, text: &[u8], escape: Escape) {
        let reading = reading(escape);
        self.out.byte(b'"');
        let (mut at, mut copied) = (0, 0);
        while at < text.len() {
            let byte = text[at];
            let is_mark = reading.is_some_and(|(mark, _)| mark == byte);
            if byte < 0x80 && !is_mark && !NEEDS_ESCAPE[usize::from(byte)] {
                at += 1;
                continue;
            }
            self.out.part(text, copied, at - copied);
            at += self.odd(&text[at..], reading);
            copied = at;
        }
        self.out.part(text, copied, text.len() - copied);
        self.out.byte(b'"');
    }

    /// What stands at the beginning of a text and is more than a copy: an escape, a byte that JSON wants escaped, or a
    /// run of bytes beyond ASCII, some of which may be escaped. Gives how long it is.
    fn odd(&mut self, text: &[u8], reading: Option<(u8, Read)>) -> usize {
        let next = |at: usize| match (text.get(at), reading) {
            (Some(&byte), Some((mark, read))) if byte == mark => read(&text[at..]).or(Some((byte, 1))),
            (byte, _) => byte.map(|&byte| (byte, 1)),
        };
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
        if len > 0 {
            self.out.slice(values::lossy(&run[..len]).as_bytes());
            return at;
        }
        let (byte, width) = next(0).unwrap_or((0, 1));
        self.escaped_byte(byte);
        width
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

    /// One ASCII byte of a JSON string.
    fn escaped_byte(&mut self, byte: u8) {
        match byte {
            b'"' => self.out.slice(b"\\\""),
            b'\\' => self.out.slice(b"\\\\"),
            8 => self.out.slice(b"\\b"),
            b'\t' => self.out.slice(b"\\t"),
            b'\n' => self.out.slice(b"\\n"),
            12 => self.out.slice(b"\\f"),
            b'\r' => self.out.slice(b"\\r"),
            0..0x20 => self.out.slice(format!("\\u{byte:04x}").as_bytes()),
            _ => self.out.byte(byte),
        }
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
                self.escaped_byte(byte);
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
