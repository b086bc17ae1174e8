//! The shortest way: a line whose fields are told by position, and all as they usually stand, is written while it is looked
//! at, without a record between. What is not usual here goes the long way, which tells the same of every line.

use crate::block::{Line, Span, View};
use crate::cells::{ints_fit, request_parts};
use crate::columns::is_tabbed;
use crate::fast::{Cpu, Hot, Key, MOST_FIELDS, Spans};
use crate::keys::{Pair, What};
use crate::memo::Wanted;
use crate::ndjson::Writer;
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
        let others = steps.iter().filter(|step| step.act == Act::Other).fold(0, |bits, step| bits | 1 << step.field);
        let mut keys = keys.to_vec();
        keys.resize(keys.len() + MOST_PAIRS, Key::default());
        Some(Self { steps, time, keys, others })
    }
}

impl Act {
    fn of(field: &Field, pairs: &[Pair]) -> Option<Self> {
        if pairs.iter().any(|pair| pair.what == What::Other) {
            return matches!(field.kind, Kind::Text | Kind::Texts | Kind::Offers | Kind::Captures)
                .then_some(Self::Other);
        }
        match (field.kind, pairs.len()) {
            (Kind::Text, 1 | 2) => Some(Self::Text),
            (Kind::Int, 1) => Some(Self::Number),
            (Kind::Ints, 1) if field.separator.len() == 1 => Some(Self::Numbers),
            (Kind::Float, 1) => Some(Self::Decimal),
            (Kind::Time, 1) => Some(if field.columns[0] == 0 { Self::OwnTime } else { Self::Time }),
            (Kind::Endpoint, 2) => Some(Self::Endpoint),
            (Kind::Request, MOST_PAIRS) => Some(Self::Request),
            (Kind::Texts, 1) if field.separator.len() == 1 => Some(Self::List),
            _ => None,
        }
    }
}

/// Whether the first fields, which are there, are what a line of this layout begins with, as far as `Steps` does not find
/// out.
#[inline(always)]
fn begins(line: Line<'_>, spans: &[Span; MOST_FIELDS], layout: &Columns, starts: &[Token]) -> bool {
    for ((&token, span), field) in starts.iter().zip(spans).zip(&layout.fields) {
        let is_as_told = match token {
            Token::Time if field.columns[0] == 0 => true,
            Token::Endpoint if field.kind == Kind::Endpoint => true,
            Token::Name => !matches!(line.bytes[span.start()], b'{' | b'<'),
            Token::Path if line.bytes.get(span.start() + 3) == Some(&b'/') && span.len() > 3 => true,
            _ => looks_like(token, &line.bytes[span.start()..span.end()]),
        };
        if !is_as_told {
            return false;
        }
    }
    true
}

/// The fields of a line that are written; false if one of them is unusual, or there is no time.
struct Steps<'s, 'w, K> {
    writer: &'s mut Writer<'w, K>,
    line: Line<'s>,
    /// Which fields hold an odd byte, and which have a value.
    odd: u64,
    present: u64,
    spans: &'s [Span; MOST_FIELDS],
    direct: &'s Direct,
    format: usize,
    days: &'s mut Days,
}

impl<K: Cpu> Hot for Steps<'_, '_, K> {
    type Output = bool;

    #[inline(always)]
    fn run<C: Cpu>(self, cpu: C) -> bool {
        let Self { writer, line, odd, present, spans, direct, format, days } = self;
        let stops = odd | direct.others;
        let mut pen = writer.out.pen(line.bytes);
        let time = spans[direct.time & (MOST_FIELDS - 1)];
        let is_time = time.len() == 27 && days.is_read(cpu, line, time.start());
        if !is_time || !pen.put(&direct.steps[direct.time].key, time) {
            return false;
        }
        let mut left = present & !(1 << direct.time);
        while left != 0 {
            let field = left.trailing_zeros() as usize;
            left &= left - 1;
            let Some(step) = direct.steps.get(field) else { return false };
            let span = spans[field & (MOST_FIELDS - 1)];
            if stops >> field & 1 == 1 {
                pen.done();
                if !writer.odd_field(View::of(line, &[]), span, step, format) {
                    return false;
                }
                pen = writer.out.pen(line.bytes);
                continue;
            }
            let is_usual = match step.act {
                Act::Text => true,
                Act::Number => {
                    let is_minus_one = span.len() == 2 && is_minus_one(line, span);
                    if is_minus_one & step.minus_one_absent {
                        continue;
                    }
                    is_minus_one | is_usual_number(cpu, line, span)
                }
                Act::Decimal if step.minus_one_absent && span.len() == 2 && is_minus_one(line, span) => continue,
                Act::Decimal => is_usual_decimal(cpu, line, span),
                Act::Time | Act::OwnTime => span.len() == 27 && days.is_read(cpu, line, span.start()),
                Act::Endpoint => {
                    let parts = endpoint(cpu, line, span);
                    let Some(([ip, port], key)) = parts.zip(direct.keys.get(step.pair as usize + 1)) else {
                        return false;
                    };
                    if !pen.put(&step.key, ip) || !pen.put(key, port) {
                        return false;
                    }
                    continue;
                }
                Act::List if is_single(cpu, line, span, step.separator) => true,
                Act::Numbers if is_usual_number(cpu, line, span) => true,
                Act::Request
                    if let Some([method, url, version]) = usual_request(cpu, line, span)
                        && let Some(keys) = direct.keys.get(step.pair as usize..)
                        && let Some([_, first, second, third, ..]) = keys.first_chunk::<MOST_PAIRS>() =>
                {
                    let is_put = pen.put(&step.key, span)
                        && pen.put(first, Span::new(method.0, method.1))
                        && pen.put(second, Span::new(url.0, url.1))
                        && pen.put(third, Span::new(version.0, version.1));
                    if !is_put {
                        return false;
                    }
                    continue;
                }
                Act::List | Act::Numbers | Act::Request | Act::Other => {
                    pen.done();
                    if !writer.odd_field(View::of(line, &[]), span, step, format) {
                        return false;
                    }
                    pen = writer.out.pen(line.bytes);
                    continue;
                }
            };
            if !is_usual || !pen.put(&step.key, span) {
                return false;
            }
        }
        pen.done();
        true
    }
}

impl<C: Cpu> Writer<'_, C> {
    /// Write the record that a line is, which begins at `offset` in the item, if nothing about it is unusual; nothing is
    /// written otherwise.
    #[inline(always)]
    pub(crate) fn at_once(
        &mut self,
        line: Line<'_>,
        (format, layout, starts): (usize, &Columns, &[Token]),
        (days, spans): (&mut Days, &mut [Span; MOST_FIELDS]),
        offset: u64,
    ) -> bool {
        let Some(cut) = line.cut else { return false };
        let keys = &self.form.schema.formats[format];
        let Some(direct) = keys.layouts.first().and_then(|layout| layout.direct.as_ref()) else { return false };
        if cut.quoted & layout.steps.bare != 0
            || cut.fields < layout.required.max(starts.len())
            || cut.fields > layout.fields.len()
            || (cut.odd & 1 == 1 && is_tabbed(line))
        {
            return false;
        }
        let Spans { empty, present } = self.cpu.spans(&cut, spans);
        let first = 1_u64.checked_shl(starts.len() as u32).map_or(u64::MAX, |bit| bit - 1);
        let needed = first | 1 << direct.time;
        if empty & layout.steps.empty_absent != 0
            || present & needed != needed
            || (empty | cut.quoted) & first != 0
            || !begins(line, spans, layout, starts)
        {
            return false;
        }
        let begun = self.out.len();
        self.begin(keys, offset, line.end - line.start);
        let is_written = self.cpu.run(Steps { writer: self, line, odd: cut.odd, present, spans, direct, format, days });
        if is_written {
            self.end();
        } else {
            self.out.truncate(begun);
        }
        is_written
    }

    /// Write a field that is more than a copy; false if it is unusual.
    #[inline(never)]
    fn odd_field(&mut self, view: View<'_>, span: Span, step: &Step, format: usize) -> bool {
        let text = view.text(span);
        match step.act {
            Act::Text | Act::List | Act::Request | Act::Other => {}
            Act::Numbers if ints_fit(text, &[step.separator]) => {}
            _ => return false,
        }
        let wanted = Wanted::new(step.number, text);
        if let Some(written) = wanted.and_then(|wanted| self.memo.get(wanted)) {
            self.out.slice(written);
            return true;
        }
        let begun = self.out.len();
        self.odd_pairs(view, span, step, format);
        if let Some(wanted) = wanted {
            self.memo.put(wanted, self.out.behind(begun));
        }
        true
    }

    fn odd_pairs(&mut self, view: View<'_>, span: Span, step: &Step, format: usize) {
        let layout = &self.form.schema.formats[format].layouts[0];
        let mut parts = [span; MOST_PAIRS];
        if step.act == Act::Request {
            let (text, from) = (view.text(span), span.start());
            for (part, (start, end)) in parts[1..].iter_mut().zip(request_parts(text)) {
                let is_there = start < end && text[start..end] != *b"-";
                *part = if is_there { Span::new(from + start, from + end) } else { Span::ABSENT };
            }
        }
        let numbers = step.pair as usize..(step.pair + step.pairs) as usize;
        for (pair, part) in layout.pairs[numbers].iter().zip(parts).filter(|(_, part)| part.is_present()) {
            self.anew(view, part, pair, layout);
        }
    }
}

/// Address and port, as they usually stand.
#[inline(always)]
fn endpoint<C: Cpu>(cpu: C, line: Line<'_>, span: Span) -> Option<[Span; 2]> {
    let host = |from: usize, to: usize, colon: usize| [Span::new(from, to), Span::new(colon + 1, span.end())];
    match usual_endpoint(cpu, line, span) {
        Some(colon) => Some(host(span.start(), colon, colon)),
        None => usual_endpoint_6(cpu, line, span).map(|((from, to), colon)| host(from, to, colon)),
    }
}
