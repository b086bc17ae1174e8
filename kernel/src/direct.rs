//! The shortest way: a line whose fields are told by position, and all as they usually stand, is written while it is looked
//! at, without a record between. What is not usual here goes the long way, which tells the same of every line.

use std::ops::Range;

use crate::block::{Line, Span, View};
use crate::cells::{ints_fit, request_values};
use crate::columns::is_tabbed;
use crate::fast::{Cpu, Fields, Hot, Key, MOST_FIELDS, Part, Pen, Spans, low_bits};
use crate::keys::{Pair, What};
use crate::memo::Wanted;
use crate::ndjson::Writer;
use crate::reading::First;
use crate::spec::{Columns, Escape, Field, Format, Kind, Token};
use crate::times::Days;
use crate::usual::{
    is_minus_one, is_single, is_usual_decimal, is_usual_number, usual_endpoint, usual_endpoint_6, usual_request,
};
use crate::words::looks_like;

/// A field has so many pairs at most.
const MOST_PAIRS: usize = 4;

/// What is done with a field's text.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Act {
    Text,
    /// A text of any length.
    AnyText,
    Number,
    /// A list of integers.
    Numbers,
    Decimal,
    OwnTime,
    Time,
    Endpoint,
    Request,
    List,
    /// Whatever is never simply copied.
    Other,
}

/// A field, in the order in which fields are written.
pub(crate) struct Step {
    /// The key of its first pair.
    key: Key,
    field: u32,
    act: Act,
    /// What stands between the items of a list.
    separator: u8,
    /// `-1` is no value.
    minus_one_absent: bool,
    /// The number of its first pair, and how many it has.
    pair: u32,
    pairs: u32,
    /// Tells its texts apart from those of all others of the schema.
    pub(crate) number: u32,
}

impl Step {
    /// Its pairs.
    fn numbers(&self) -> Range<usize> {
        self.pair as usize..(self.pair + self.pairs) as usize
    }
}

/// What is to be done with a field.
enum Next {
    /// Its text is copied.
    Copied,
    /// Nothing any more.
    Done,
    /// It is more than a copy.
    Odd,
    /// It goes the long way.
    Unusual,
}

impl Next {
    #[inline(always)]
    fn copied_if(is_usual: bool) -> Self {
        if is_usual { Self::Copied } else { Self::Unusual }
    }

    #[inline(always)]
    fn done_if(is_done: bool) -> Self {
        if is_done { Self::Done } else { Self::Unusual }
    }
}

/// How the lines of a layout are written at once.
pub(crate) struct Direct {
    /// A step for each field.
    pub(crate) steps: Vec<Step>,
    /// The field of the record's time, which is written first; the others follow in order.
    time: usize,
    /// A key for each pair, and some of no meaning behind.
    keys: Vec<Key>,
    /// A bit for each field that is never simply copied.
    others: u64,
    /// What is to be asked of a line's beginning, unless the user told the format.
    starts: Vec<(usize, Token)>,
}

impl Direct {
    /// None if that cannot be: its columns are in another order than its fields, or there is something rare about them.
    pub(crate) fn new(format: &Format, layout: &Columns, pairs: &[Pair], keys: &[Key]) -> Option<Self> {
        // The pairs are in the order of the columns, of which those without a slot are left out.
        let columns = (0..format.columns.len()).filter(|&column| layout.steps.slot_of[column].is_some());
        let columns: Vec<usize> = columns.collect();
        let step = |(number, field): (usize, &Field)| {
            let pair = columns.iter().position(|column| Some(column) == field.columns.first())?;
            let own = columns.get(pair..pair + field.columns.len())?;
            let is_simple = own == field.columns && !matches!(field.escape, Escape::Hash | Escape::Both);
            let step = Step {
                key: keys[pair].clone(),
                field: number as u32,
                act: Act::of(field, &pairs[pair..pair + own.len()])?,
                separator: field.separator.bytes().next().unwrap_or_default(),
                minus_one_absent: field.minus_one_absent,
                pair: pair as u32,
                pairs: own.len() as u32,
                number: 0,
            };
            (is_simple && number < MOST_FIELDS).then_some(step)
        };
        let steps: Option<Vec<Step>> = layout.fields.iter().enumerate().map(step).collect();
        let steps = steps?;
        let time = steps.iter().position(|step| step.act == Act::OwnTime)?;
        let others = steps.iter().filter(|step| step.act != Act::OwnTime);
        if steps[time].pair != 0 || !others.map(|step| step.pair).is_sorted() {
            return None;
        }
        let others = steps.iter().filter(|step| is_other(&pairs[step.numbers()]));
        let others = others.fold(0, |bits, step| bits | 1 << step.field);
        let mut keys = keys.to_vec();
        keys.resize(keys.len() + MOST_PAIRS, Key::default());
        Some(Self { steps, time, keys, others, starts: starts_to_ask(layout) })
    }
}

impl Direct {
    /// The keys of a step, and some of no meaning behind.
    #[inline(always)]
    fn keys(&self, step: &Step) -> Option<&[Key; MOST_PAIRS]> {
        self.keys.get(step.pair as usize..)?.first_chunk()
    }
}

impl Act {
    fn of(field: &Field, pairs: &[Pair]) -> Option<Self> {
        match (field.kind, pairs.len()) {
            (Kind::Text | Kind::Texts | Kind::Offers | Kind::Captures, _) if is_other(pairs) => Some(Self::Other),
            (Kind::Request, MOST_PAIRS) => Some(Self::Request),
            _ if is_other(pairs) => None,
            (Kind::Text, 1) => Some(Self::Text),
            (Kind::Text, 2) => Some(Self::AnyText),
            (Kind::Int, 1) => Some(Self::Number),
            (Kind::Ints, 1) if field.separator.len() == 1 => Some(Self::Numbers),
            (Kind::Float, 1) => Some(Self::Decimal),
            (Kind::Time, 1) => Some(if field.columns[0] == 0 { Self::OwnTime } else { Self::Time }),
            (Kind::Endpoint, 2) => Some(Self::Endpoint),
            (Kind::Texts, 1) if field.separator.len() == 1 => Some(Self::List),
            _ => None,
        }
    }
}

/// Whether a value of one of these is never simply copied.
fn is_other(pairs: &[Pair]) -> bool {
    pairs.iter().any(|pair| pair.what == What::Other)
}

/// Whether the first fields, which are there, are what a line of this layout begins with, as far as `Steps` does not find
/// out.
#[inline(always)]
fn begins(line: &Line<'_>, spans: &[Span; MOST_FIELDS], starts: &[(usize, Token)]) -> bool {
    starts.iter().all(|&(field, token)| {
        let span = spans[field & (MOST_FIELDS - 1)];
        match token {
            Token::Name => !matches!(line.bytes[span.start()], b'{' | b'<'),
            Token::Path if line.bytes.get(span.start() + 3) == Some(&b'/') && span.len() > 3 => true,
            _ => looks_like(token, &line.bytes[span.start()..span.end()]),
        }
    })
}

/// What a layout's lines begin with, but for what `Steps` finds out.
fn starts_to_ask(layout: &Columns) -> Vec<(usize, Token)> {
    let starts = layout.starts.iter().zip(&layout.fields).enumerate();
    let is_asked = |token: Token, field: &Field| match token {
        Token::Time => field.columns[0] != 0,
        Token::Endpoint => field.kind != Kind::Endpoint,
        _ => true,
    };
    starts.filter(|(_, (token, field))| is_asked(**token, field)).map(|(number, (&token, _))| (number, token)).collect()
}

/// The fields of a line that are written; false if one of them is unusual, or there is no time.
struct Steps<'s, 'w, K> {
    writer: &'s mut Writer<'w, K>,
    line: &'s Line<'s>,
    fields: Fields<'s>,
    /// Which of them hold an odd byte.
    odd: u64,
    direct: &'s Direct,
    format: usize,
    days: &'s mut Days,
}

impl<K: Cpu> Hot for Steps<'_, '_, K> {
    type Output = bool;

    #[inline(always)]
    fn run<C: Cpu>(self, cpu: C) -> bool {
        let Self { writer, line, mut fields, odd, direct, format, days } = self;
        let stops = odd | direct.others;
        let spans = fields.spans();
        let mut pen = writer.out.pen();
        let Some(time) = fields.remove(direct.time) else { return false };
        if !days.is_read(cpu, time.window(), time.len()) || !pen.put(&direct.steps[direct.time].key, time) {
            return false;
        }
        for (field, part) in fields {
            let Some(step) = direct.steps.get(field) else { return false };
            let (window, len) = (part.window(), part.len());
            let next = match step.act {
                _ if stops >> field & 1 == 1 => Next::Odd,
                Act::Text => Next::done_if(pen.put_text(&step.key, part)),
                Act::AnyText => Next::done_if(pen.put_any(&step.key, part)),
                Act::Number | Act::Decimal if step.minus_one_absent && is_minus_one(window, len) => Next::Done,
                Act::Number => Next::copied_if(is_usual_number(cpu, window, len) || is_minus_one(window, len)),
                Act::Decimal => Next::copied_if(is_usual_decimal(cpu, window, len)),
                Act::OwnTime | Act::Time => Next::copied_if(days.is_read(cpu, window, len)),
                Act::Endpoint => put_endpoint(cpu, part, direct.keys(step), &mut pen),
                Act::Request => put_request(cpu, part, direct.keys(step), &mut pen),
                Act::List if is_single(cpu, window, len, step.separator) => Next::Copied,
                Act::Numbers if is_usual_number(cpu, window, len) => Next::Copied,
                Act::List | Act::Numbers | Act::Other => Next::Odd,
            };
            match next {
                Next::Copied if pen.put(&step.key, part) => {}
                Next::Done => {}
                Next::Odd => {
                    pen.done();
                    if !writer.odd_field(line, spans[field & (MOST_FIELDS - 1)], step, format) {
                        return false;
                    }
                    pen = writer.out.pen();
                }
                Next::Copied | Next::Unusual => return false,
            }
        }
        pen.done();
        true
    }
}

/// Append address and port, as they usually stand.
#[inline(always)]
fn put_endpoint<C: Cpu>(cpu: C, address: Part<'_>, keys: Option<&[Key; MOST_PAIRS]>, pen: &mut Pen<'_>) -> Next {
    let (window, len) = (address.window(), address.len());
    let found = match usual_endpoint(cpu, window, len) {
        Some(colon) => Some(((0, colon), colon)),
        None => usual_endpoint_6(cpu, address.windows(), len),
    };
    let Some(([ip_key, port_key, ..], ((from, to), colon))) = keys.zip(found) else { return Next::Unusual };
    let Some((host, port)) = address.part(from, to).zip(address.part(colon + 1, len)) else { return Next::Unusual };
    Next::done_if(pen.put_text(ip_key, host) && pen.put(port_key, port))
}

/// Append a request line and its parts, as they usually stand.
#[inline(always)]
fn put_request<C: Cpu>(cpu: C, part: Part<'_>, keys: Option<&[Key; MOST_PAIRS]>, pen: &mut Pen<'_>) -> Next {
    let Some(places) = usual_request(cpu, part.window(), part.text()) else { return Next::Odd };
    let [Some(method), Some(url), Some(version)] = places.map(|(from, to)| part.part(from, to)) else {
        return Next::Unusual;
    };
    let Some([whole_key, method_key, url_key, version_key]) = keys else { return Next::Unusual };
    let is_put = pen.put_any(whole_key, part) && pen.put(method_key, method) && pen.put_any(url_key, url);
    Next::done_if(is_put && pen.put(version_key, version))
}

impl<C: Cpu> Writer<'_, C> {
    /// Write the record that a line is, which begins at `offset` in the item, if nothing about it is unusual; nothing is
    /// written otherwise.
    #[inline(always)]
    pub(crate) fn at_once(
        &mut self,
        line: &Line<'_>,
        First { format, layout, starts }: First<'_>,
        (days, spans): (&mut Days, &mut [Span; MOST_FIELDS]),
        offset: u64,
    ) -> bool {
        let Some(cut) = &line.cut else { return false };
        let keys = &self.form.schema.formats[format];
        let Some(direct) = keys.layouts.first().and_then(|layout| layout.direct.as_ref()) else { return false };
        let least = layout.required.max(starts.len());
        if cut.fields < least || cut.fields > layout.fields.len() || is_tabbed(*line) {
            return false;
        }
        let Some((told, fields)) = Fields::new(self.cpu, cut, line.bytes, spans) else { return false };
        let Spans { empty, present, quoted, odd, .. } = told;
        let first = low_bits(starts.len());
        if quoted & layout.steps.bare != 0
            || empty & layout.steps.empty_absent != 0
            || present & first != first
            || (empty | quoted) & first != 0
            || !(starts.is_empty() || begins(line, fields.spans(), &direct.starts))
        {
            return false;
        }
        let begun = self.out.len();
        self.begin(keys, offset, line.end - line.start);
        let is_written = self.cpu.run(Steps { writer: self, line, fields, odd, direct, format, days });
        if is_written {
            self.end();
        } else {
            self.out.truncate(begun);
        }
        is_written
    }

    /// Write a field that is more than a copy; false if it is unusual.
    #[inline(never)]
    fn odd_field(&mut self, line: &Line<'_>, span: Span, step: &Step, format: usize) -> bool {
        let view = View::of(*line, &[]);
        let text = view.text(span);
        match step.act {
            Act::Text | Act::AnyText | Act::List | Act::Request | Act::Other => {}
            Act::Numbers if ints_fit(text, &[step.separator]) => {}
            _ => return false,
        }
        self.remembered(Wanted::new(step.number, text), |writer| writer.odd_pairs(view, span, step, format));
        true
    }

    fn odd_pairs(&mut self, view: View<'_>, span: Span, step: &Step, format: usize) {
        let layout = &self.form.schema.formats[format].layouts[0];
        let mut parts = [span; MOST_PAIRS];
        if step.act == Act::Request {
            let (text, from) = (view.text(span), span.start());
            for (part, value) in parts[1..].iter_mut().zip(request_values(text)) {
                *part = value.map_or(Span::ABSENT, |(start, end)| Span::new(from + start, from + end));
            }
        }
        for (pair, part) in layout.pairs[step.numbers()].iter().zip(parts).filter(|(_, part)| part.is_present()) {
            self.anew(view, part, pair, layout);
        }
    }
}
