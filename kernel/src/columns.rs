//! Fields by position: how a line of AWS's load balancers is cut. The rules stand in the reference twin's module of
//! the same name.

use crate::block::{Line, Span};
use crate::cells;
use crate::fast::Cpu;
use crate::spec::{Columns, Field, Kind, MOST_SLOTS, Token};
use crate::words::looks_like;

/// A field that follows without a space is looked for in so many bytes.
const GLUED: usize = 64;

/// The slots of a record that is being read, as many as any layout has. (`Plan::from_json` sees to it.)
pub type Slots = [Span; MOST_SLOTS];

/// Where the next field of a line is looked for.
pub struct Cursor<'a> {
    line: Line<'a>,
    layout: &'a Columns,
    at: usize,
    /// How many fields there were so far.
    pub count: usize,
    /// Where the quote stands that opened a field which nothing closes; no field comes behind it.
    pub open_at: Option<usize>,
}

impl<'a> Cursor<'a> {
    /// At the beginning of a line.
    #[inline]
    #[must_use]
    pub fn new(line: Line<'a>, layout: &'a Columns) -> Self {
        Self { line, layout, at: line.start, count: 0, open_at: None }
    }

    /// Cut the fields that the layout knows, each into the slot of its number; a dash is none. Tells which of them hold
    /// a byte that needs more than copying, if that is known.
    #[inline(always)]
    pub fn cut_known<C: Cpu>(&mut self, cpu: C, slots: &mut Slots) -> Option<u64> {
        let steps = &self.layout.steps;
        let fields = self.layout.fields.len();
        let told =
            self.line.cut.zip(slots.first_chunk_mut()).map(|(cut, first)| (cut, cpu.spans(&cut, u32::MAX, first)));
        let (empty, odd) = if let Some((cut, told)) = told.filter(|(_, told)| told.quoted & steps.bare == 0) {
            let known = cut.fields.min(fields);
            slots[known..steps.slots].fill(Span::ABSENT);
            (self.count, self.at) = (known, (cut.ends[known].place().wrapping_add(1) as usize).min(self.line.end));
            (told.empty, Some(told.odd))
        } else {
            slots[..steps.slots].fill(Span::ABSENT);
            self.cut_one_by_one(&mut slots[..fields]);
            (u64::MAX, None)
        };
        if empty & steps.empty_absent != 0 {
            for (slot, _) in slots.iter_mut().zip(&self.layout.fields).filter(|(_, field)| field.is_empty_absent()) {
                if slot.is_empty() {
                    *slot = Span::ABSENT;
                }
            }
        }
        odd
    }

    #[inline(never)]
    fn cut_one_by_one(&mut self, slots: &mut [Span]) {
        for (slot, field) in slots.iter_mut().zip(&self.layout.fields) {
            let Some((from, to)) = self.next(field.bare) else { return };
            let text = &self.line.bytes[from..to];
            if text != b"-" && !(field.bare && text == b"\"-\"") {
                *slot = Span::new(from, to);
            }
        }
    }

    /// The place of the next field, without its quotes; `bare` if a quote at its start is part of it.
    #[inline(always)]
    pub fn next(&mut self, bare: bool) -> Option<(usize, usize)> {
        let (line, at) = (self.line, self.at);
        if at >= line.end {
            return None;
        }
        if line.bytes[at] != b'"' || bare {
            let end = line.next(b' ', at);
            self.at = end + 1;
            self.count += 1;
            return Some((at, end));
        }
        let mut end = line.next(b'"', at + 1);
        if end >= line.end || !is_followed(line, end) || line.bytes[end - 1] == b'\\' {
            let Some(closing) = closing(line, at, self.layout, self.count) else {
                self.open_at = Some(at);
                self.at = line.end;
                return None;
            };
            end = closing;
        }
        self.at = end + 1 + usize::from(end + 1 < line.end && line.bytes[end + 1] == b' ');
        self.count += 1;
        Some((at + 1, end))
    }
}

/// Whether the fields are separated by tabs (`CloudWatch`'s copies): one comes before the first space.
#[inline]
#[must_use]
pub fn is_tabbed(line: Line<'_>) -> bool {
    let may_be = line.cut.is_none_or(|cut| cut.ends[1].is_marked());
    may_be && line.bytes[line.start..line.next(b' ', line.start)].contains(&b'\t')
}

/// The places of the fields of a line that are separated by tabs, without their quotes.
pub fn tabbed(line: Line<'_>) -> impl Iterator<Item = (usize, usize)> {
    let mut at = line.start;
    line.text().split(|&byte| byte == b'\t').map(move |field| {
        let quoted = usize::from(field.len() > 1 && field[0] == b'"' && field[field.len() - 1] == b'"');
        let place = (at + quoted, at + field.len() - quoted);
        at += field.len() + 1;
        place
    })
}

fn is_followed(line: Line<'_>, quote: usize) -> bool {
    quote + 1 == line.end || line.bytes[quote + 1] == b' '
}

/// The quote that closes the field `number`, which is opened by the quote at `start`, where that is not plain.
#[cold]
fn closing(line: Line<'_>, start: usize, layout: &Columns, number: usize) -> Option<usize> {
    let mut clean = None;
    let mut behind_backslash = Vec::new();
    let mut at = line.next(b'"', start + 1);
    while at < line.end {
        if backslashes(line, start, at) % 2 == 1 {
            if is_followed(line, at) {
                behind_backslash.push(at);
            }
        } else if is_followed(line, at) {
            clean = Some(at);
            break;
        } else if fits_glued(line, at + 1, layout, number + 1) {
            return Some(at);
        }
        at = line.next(b'"', at + 1);
    }
    if layout.backslash_escapes || behind_backslash.is_empty() {
        return clean;
    }
    if clean.is_some_and(|quote| is_followed_by_rest(line, quote + 1, layout, number + 1)) {
        return clean;
    }
    behind_backslash.into_iter().find(|&quote| is_followed_by_rest(line, quote + 1, layout, number + 1)).or(clean)
}

/// How many backslashes stand directly before the quote, inside the field.
fn backslashes(line: Line<'_>, start: usize, quote: usize) -> usize {
    line.bytes[start + 1..quote].iter().rev().take_while(|&&byte| byte == b'\\').count()
}

/// Whether the field `number` begins at `at` beyond doubt, although no space is before it.
fn fits_glued(line: Line<'_>, at: usize, layout: &Columns, number: usize) -> bool {
    let Some(field) = layout.fields.get(number) else { return false };
    if field.quoted {
        return line.bytes.get(at).is_some_and(|&byte| at < line.end && byte == b'"');
    }
    let end = line.next(b' ', at).min(at + GLUED);
    fits(field, &line.bytes[at..end]) == Some(true)
}

/// Whether a word fits a field; None if the field's kind says nothing about it.
fn fits(field: &Field, word: &[u8]) -> Option<bool> {
    match field.kind {
        Kind::Int => Some(cells::integer(word).is_some()),
        Kind::Float => Some(cells::decimal(word).is_some()),
        Kind::Time => Some(looks_like(Token::Time, word)),
        Kind::Endpoint => Some(looks_like(Token::Endpoint, word)),
        _ => None,
    }
}

/// Whether what stands at `at` looks like the fields from `number` on: up to the next quoted one, or the end.
fn is_followed_by_rest(line: Line<'_>, mut at: usize, layout: &Columns, number: usize) -> bool {
    for field in layout.fields.get(number..).unwrap_or_default() {
        if at == line.end {
            return true;
        }
        if line.bytes[at] != b' ' {
            return false;
        }
        let begins_quoted = at + 1 < line.end && line.bytes[at + 1] == b'"';
        if field.quoted || (begins_quoted && !field.bare) {
            return begins_quoted && field.quoted;
        }
        let end = if at + 1 < line.end { line.next(b' ', at + 1) } else { line.end };
        let word = &line.bytes[at + 1..end];
        if word.is_empty() || !(word == b"-" || fits(field, word) != Some(false)) {
            return false;
        }
        at = end;
    }
    true
}
