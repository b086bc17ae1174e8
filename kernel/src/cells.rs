//! From a field's text to the slots of its columns, and what does not fit.

use crate::block::{Block, Line, Span, keep};
use crate::fast::{Cpu, WINDOW};
use crate::spec::{Columns, Field, Kind, Zone};
use crate::times::{self, Days, Moment};
use crate::usual::{
    is_minus_one, is_single, is_usual_decimal, is_usual_number, usual_endpoint, usual_endpoint_6, usual_request,
};

/// The record that is being read: its slots, and what else it adds to its block.
pub struct Cells<'b> {
    /// A slot for each column that its layout fills.
    pub slots: &'b mut [Span],
    arena: &'b mut Vec<u8>,
    invalid: &'b mut Vec<(usize, Span)>,
    first_invalid: usize,
    /// The time that the line itself tells.
    pub moment: Option<i64>,
}

/// Where a record began in its block, to forget it.
#[derive(Clone, Copy)]
pub struct Begun {
    /// Its first slot.
    pub slots: usize,
    /// The first text that did not fit.
    pub invalid: usize,
    /// The first word without a column.
    pub extra: usize,
}

impl Begun {
    /// A record without any values yet.
    #[inline]
    pub fn new(block: &mut Block, slots_of_record: usize) -> Self {
        let slots = block.slots.len();
        block.slots.resize(slots + slots_of_record, Span::ABSENT);
        Self { slots, invalid: block.invalid.len(), extra: block.extra.len() }
    }

    /// A record with these values.
    #[inline(always)]
    pub fn with(block: &mut Block, values: &[Span]) -> Self {
        let slots = block.slots.len();
        block.slots.extend_from_slice(values);
        Self { slots, invalid: block.invalid.len(), extra: block.extra.len() }
    }

    /// The record's values.
    #[inline]
    pub fn cells<'b>(&self, block: &'b mut Block) -> Cells<'b> {
        Cells {
            slots: &mut block.slots[self.slots..],
            arena: &mut block.arena,
            invalid: &mut block.invalid,
            first_invalid: self.invalid,
            moment: None,
        }
    }

    /// Forget the record.
    pub fn discard(self, block: &mut Block) {
        block.slots.truncate(self.slots);
        block.invalid.truncate(self.invalid);
        block.extra.truncate(self.extra);
    }
}

impl Cells<'_> {
    /// Set a slot, unless it has a value already.
    #[inline(always)]
    pub fn put(&mut self, slot: usize, span: Span) {
        let slot = &mut self.slots[slot];
        if !slot.is_present() {
            *slot = span;
        }
    }

    /// Note a text that does not fit the column.
    pub fn refuse(&mut self, column: usize, span: Span) {
        if self.invalid[self.first_invalid..].iter().all(|&(noted, _)| noted != column) {
            self.invalid.push((column, span));
        }
    }

    /// Put a value that stands nowhere in the bytes.
    pub fn keep(&mut self, bytes: &[u8]) -> Span {
        keep(self.arena, bytes)
    }

    /// How many bytes of values stand nowhere in the bytes.
    #[inline]
    #[must_use]
    pub fn kept(&self) -> usize {
        self.arena.len()
    }

    /// Fill the slots of a field anew from the text in its first one.
    #[inline(never)]
    fn refill(&mut self, field: &Field, line: Line<'_>) {
        let span = std::mem::replace(&mut self.slots[field.slots[0]], Span::ABSENT);
        if span.is_present() {
            fill(field, &line.bytes[span.start()..span.end()], span, UTC, self);
        }
    }

    fn put_kept(&mut self, slot: usize, bytes: &[u8]) {
        let span = self.keep(bytes);
        self.put(slot, span);
    }
}

/// Give the columns of `field` the values that the text at `span` stands for.
#[inline]
pub fn fill(field: &Field, text: &[u8], span: Span, zone: &Zone, cells: &mut Cells<'_>) {
    if text == b"-"
        || (field.bare && text == b"\"-\"")
        || (field.minus_one_absent && text == b"-1")
        || (text.is_empty() && field.empty_absent && field.kind != Kind::Captures)
    {
        return;
    }
    let slot = field.slots[0];
    match field.kind {
        Kind::Text => {
            cells.put(slot, span);
            if let Some(&raw) = field.slots.get(1) {
                cells.put(raw, span);
            }
        }
        Kind::Int => number(field, 0, integer(text), span, cells),
        Kind::Float => number(field, 0, decimal(text), span, cells),
        Kind::Time => match times::read_whole(text, zone) {
            Some(moment) => put_time(field.columns[0] == 0, slot, moment, text, span, cells),
            None => cells.refuse(field.columns[0], span),
        },
        Kind::Endpoint => endpoint(field, text, span, cells),
        Kind::Target => target(field, text, span, cells),
        Kind::Request => request(field, text, span, cells),
        Kind::Ints if !ints_fit(text, field.separator.as_bytes()) => cells.refuse(field.columns[0], span),
        Kind::Texts | Kind::Captures | Kind::Offers | Kind::Ints => cells.put(slot, span),
    }
}

/// Give all columns of a line their values; the texts of its fields are in the first slots by then. Gives a bit for each
/// field whose texts are written otherwise than they stand, for other reasons than their bytes.
#[inline(always)]
pub fn look_at<C: Cpu>(cpu: C, layout: &Columns, line: Line<'_>, days: &mut Days, cells: &mut Cells<'_>) -> u64 {
    let steps = &layout.steps;
    let mut odd = 0;
    for &(text, raw) in &steps.raws {
        cells.slots[raw] = cells.slots[text];
    }
    if !are_usual_numbers(cpu, layout, line, cells) {
        look_closer_at_numbers(layout, line, cells);
        odd |= steps.integer_lists;
    }
    for &(slot, separator) in &steps.text_lists {
        let span = cells.slots[slot];
        odd |= u64::from(span.is_present() & !line.asked(span, |window, len| is_single(cpu, window, len, separator)))
            << slot.min(63);
    }
    for &(slot, field, is_own) in &steps.times {
        let span = cells.slots[slot];
        match line.window(span.start()).filter(|_| span.len() == 27).and_then(|window| days.read(cpu, window)) {
            Some(us) if is_own => cells.moment = Some(us),
            Some(_) => {}
            None => {
                odd |= 1 << field.min(63);
                cells.refill(&layout.fields[field], line);
            }
        }
    }
    for &([ip, port], field) in &steps.endpoints {
        let span = cells.slots[ip];
        if !span.is_present() {
            continue;
        }
        let Some(windows) = line.window(span.start()).zip(line.window(span.start() + WINDOW)) else {
            cells.refill(&layout.fields[field], line);
            continue;
        };
        let found = usual_endpoint(cpu, windows.0, span.len()).map(|colon| ((0, colon), colon));
        match found.or_else(|| usual_endpoint_6(cpu, windows.into(), span.len())) {
            Some(((from, to), colon)) => {
                (cells.slots[ip], cells.slots[port]) = (span.part(from, to), span.part(colon + 1, span.len()));
            }
            None => cells.refill(&layout.fields[field], line),
        }
    }
    for &([whole, method, url, version], field) in &steps.requests {
        let span = cells.slots[whole];
        if !span.is_present() {
            continue;
        }
        let text = &line.bytes[span.start()..span.end()];
        match line.window(span.start()).and_then(|window| usual_request(cpu, window, text)) {
            Some(parts) => {
                for (slot, (from, to)) in [method, url, version].into_iter().zip(parts) {
                    cells.slots[slot] = span.part(from, to);
                }
            }
            None => cells.refill(&layout.fields[field], line),
        }
    }
    for &(_, field) in &steps.others {
        cells.refill(&layout.fields[field], line);
    }
    odd
}

/// Whether all numbers are written as they stand, which is asked without a branch for each; a `-1` may be none.
#[inline(always)]
fn are_usual_numbers<C: Cpu>(cpu: C, layout: &Columns, line: Line<'_>, cells: &mut Cells<'_>) -> bool {
    let steps = &layout.steps;
    let mut are_usual = true;
    for &(slot, _) in &steps.integers {
        let span = cells.slots[slot];
        are_usual &= !span.is_present() | line.asked(span, |window, len| is_usual_number(cpu, window, len));
    }
    for &(slot, _, minus_one_absent) in &steps.decimals {
        let span = cells.slots[slot];
        let is_minus_one = minus_one_absent & line.asked(span, is_minus_one);
        are_usual &=
            !span.is_present() | is_minus_one | line.asked(span, |window, len| is_usual_decimal(cpu, window, len));
        cells.slots[slot] = if is_minus_one { Span::ABSENT } else { span };
    }
    are_usual
}

#[inline(never)]
fn look_closer_at_numbers(layout: &Columns, line: Line<'_>, cells: &mut Cells<'_>) {
    let (integers, decimals) = (layout.steps.integers.iter(), layout.steps.decimals.iter());
    for field in integers.map(|step| step.1).chain(decimals.map(|step| step.1)) {
        cells.refill(&layout.fields[field], line);
    }
}

/// UTC, for layouts whose times are.
const UTC: &Zone = &Zone::utc();

/// A number as JSON writes it: a part of the text, or other digits.
#[derive(PartialEq, Eq, Debug)]
pub enum Digits {
    /// The text from this place on.
    From(usize),
    /// Written anew.
    Anew(Vec<u8>),
}

#[inline]
fn number(field: &Field, place: usize, digits: Option<Digits>, span: Span, cells: &mut Cells<'_>) {
    match digits {
        Some(Digits::From(from)) => cells.put(field.slots[place], span.part(from, span.len())),
        Some(Digits::Anew(digits)) => cells.put_kept(field.slots[place], &digits),
        None => cells.refuse(field.columns[place], span),
    }
}

/// An integer of 64 bits; a plus sign in front is not kept.
#[inline]
#[must_use]
pub fn integer(text: &[u8]) -> Option<Digits> {
    let sign = usize::from(matches!(text.first(), Some(b'+' | b'-')));
    let digits = &text[sign..];
    if digits.is_empty() || digits.len() > 19 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    if sign == 0 && (digits[0] != b'0' || digits.len() == 1) && digits.len() < 19 {
        return Some(Digits::From(0));
    }
    let zeros = digits.iter().take(digits.len() - 1).take_while(|&&digit| digit == b'0').count();
    let negative = text[0] == b'-' && digits[zeros..] != *b"0";
    let value = digits.iter().fold(0_u64, |value, digit| value * 10 + u64::from(digit - b'0'));
    if value > i64::MAX.unsigned_abs() + u64::from(negative) {
        return None;
    }
    match (negative, zeros) {
        (false, _) => Some(Digits::From(sign + zeros)),
        (true, 0) => Some(Digits::From(0)),
        (true, _) => Some(Digits::Anew([b"-", &digits[zeros..]].concat())),
    }
}

/// A decimal number with the digits that were logged.
#[inline]
#[must_use]
pub fn decimal(text: &[u8]) -> Option<Digits> {
    let sign = usize::from(text.first() == Some(&b'-'));
    let whole = text[sign..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let point = sign + whole;
    let fraction = match text.get(point) {
        None => 0,
        Some(b'.') => text.len() - point - 1,
        Some(_) => return None,
    };
    if whole == 0 || whole > 20 || fraction > 20 || !text[text.len() - fraction..].iter().all(u8::is_ascii_digit) {
        return None;
    }
    let zeros = text[sign..point - 1].iter().take_while(|&&digit| digit == b'0').count();
    let bare_point = text.last() == Some(&b'.');
    if !bare_point && (sign == 0 || zeros == 0) {
        return Some(Digits::From(if sign == 0 { zeros } else { 0 }));
    }
    let end: &[u8] = if bare_point { b"0" } else { b"" };
    Some(Digits::Anew([&text[..sign], &text[sign + zeros..], end].concat()))
}

/// Set a time: as it stands where it needs no more than a `Z`, else written anew. `is_own`: it is the record's.
#[inline]
pub fn put_time(is_own: bool, slot: usize, moment: Moment, text: &[u8], span: Span, cells: &mut Cells<'_>) {
    if cells.slots[slot].is_present() {
        return;
    }
    if is_own {
        cells.moment = Some(moment.us);
    }
    if moment.is_plain {
        cells.put(slot, span);
    } else {
        cells.put_kept(slot, &moment.format(text));
    }
}

#[inline]
fn endpoint(field: &Field, text: &[u8], span: Span, cells: &mut Cells<'_>) {
    let colon = memchr::memrchr(b':', text);
    let mut host = address(&text[..colon.unwrap_or(0)]);
    let (mut host_end, mut number_at) = (colon.unwrap_or(text.len()), colon.map(|colon| colon + 1));
    if host.is_none() {
        // Without a port the last colon is part of the address.
        host = address(text);
        if host.is_some() || colon.is_none() {
            (host_end, number_at) = (text.len(), None);
        }
    }
    match host {
        Some((from, to)) => cells.put(field.slots[0], span.part(from, to)),
        None if text[..host_end] == *b"-" => {}
        None => cells.refuse(field.columns[0], span.part(0, host_end)),
    }
    let Some(at) = number_at else { return };
    let number_text = &text[at..];
    if number_text != b"-" {
        let digits = if is_digits(number_text) { integer(number_text) } else { None };
        number(field, 1, digits, span.part(at, text.len()), cells);
    }
}

fn target(field: &Field, text: &[u8], span: Span, cells: &mut Cells<'_>) {
    cells.put(field.slots[0], span);
    let Some(colon) = memchr::memrchr(b':', text) else { return };
    let port = &text[colon + 1..];
    if let (Some((from, to)), true) = (address(&text[..colon]), is_digits(port))
        && let Some(digits) = integer(port)
    {
        cells.put(field.slots[1], span.part(from, to));
        number(field, 2, Some(digits), span.part(colon + 1, text.len()), cells);
    }
}

#[inline]
fn request(field: &Field, text: &[u8], span: Span, cells: &mut Cells<'_>) {
    cells.put(field.slots[0], span);
    for (&slot, part) in field.slots[1..].iter().zip(request_values(text)) {
        if let Some((from, to)) = part {
            cells.put(slot, span.part(from, to));
        }
    }
}

/// Those parts of a request line that are values.
#[must_use]
pub fn request_values(text: &[u8]) -> [Option<(usize, usize)>; 3] {
    request_parts(text).map(|(from, to)| (from < to && text[from..to] != *b"-").then_some((from, to)))
}

/// Method, URL and version of a request line; spaces inside belong to the URL, spaces behind to nothing.
#[inline]
#[must_use]
pub fn request_parts(text: &[u8]) -> [(usize, usize); 3] {
    let end = text.iter().rposition(|&byte| byte != b' ').map_or(0, |last| last + 1);
    let text = &text[..end];
    if text == b"<BADREQ>" {
        return [(0, 0); 3];
    }
    let method = memchr::memchr(b' ', text).unwrap_or(end);
    let rest = (method + 1).min(end);
    let last = memchr::memrchr(b' ', &text[rest..]).map_or(rest, |space| rest + space + 1);
    if is_version(&text[last..]) || text[last..] == *b"-" {
        let url_end = if last > rest { last - 1 } else { rest };
        return [(0, method), (rest, url_end), (last, end)];
    }
    [(0, method), (rest, end), (end, end)]
}

/// `HTTP/1.1`, `HTTP/2`.
#[inline]
#[must_use]
pub fn is_version(text: &[u8]) -> bool {
    match text.strip_prefix(b"HTTP/") {
        Some([major]) => major.is_ascii_digit(),
        Some([major, b'.', minor]) => major.is_ascii_digit() && minor.is_ascii_digit(),
        _ => false,
    }
}

/// Whether a text is a list of integers and dashes.
#[must_use]
pub fn ints_fit(text: &[u8], separator: &[u8]) -> bool {
    text.is_empty()
        || split(text, separator).all(|(from, to)| &text[from..to] == b"-" || integer(&text[from..to]).is_some())
}

/// The parts between separators, as places; an empty text has one empty part.
pub fn split<'a>(text: &'a [u8], separator: &'a [u8]) -> impl Iterator<Item = (usize, usize)> + 'a {
    let mut at = Some(0);
    std::iter::from_fn(move || {
        let from = at?;
        let found = find(&text[from..], separator);
        at = found.map(|place| from + place + separator.len());
        Some((from, found.map_or(text.len(), |place| from + place)))
    })
}

/// The first place of `what` in a text.
#[inline]
#[must_use]
pub fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    match what {
        [byte] => memchr::memchr(*byte, text),
        _ => memchr::memmem::find(text, what),
    }
}

/// One or more decimal digits.
#[inline]
#[must_use]
pub fn is_digits(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(u8::is_ascii_digit)
}

/// An IP address, or `HAProxy`'s word for a client on a local socket: its place without brackets.
#[inline]
#[must_use]
pub fn address(text: &[u8]) -> Option<(usize, usize)> {
    let bare = match text {
        [b'[', .., b']'] => (1, text.len() - 1),
        _ => (0, text.len()),
    };
    let written = &text[bare.0..bare.1];
    (text == b"unix" || is_ipv4(written) || is_ipv6(written)).then_some(bare)
}

#[inline]
fn is_ipv4(text: &[u8]) -> bool {
    let (mut octets, mut value, mut len) = (0, 0_u32, 0);
    if text.len() > 15 {
        return false;
    }
    for &byte in text {
        if byte == b'.' {
            if len == 0 {
                return false;
            }
            (octets, value, len) = (octets + 1, 0, 0);
            continue;
        }
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 || (len == 1 && value == 0) {
            return false;
        }
        value = value * 10 + u32::from(digit);
        len += 1;
        if value > 255 {
            return false;
        }
    }
    octets == 3 && len > 0
}

/// RFC 4291, 2.2, as Python's `ipaddress` reads it: eight groups, or fewer and two colons in one place.
fn is_ipv6(text: &[u8]) -> bool {
    let mut gap = text.starts_with(b"::");
    let mut at = if gap { 2 } else { 0 };
    let mut groups = 0;
    while at < text.len() {
        let start = at;
        while text.get(at).is_some_and(u8::is_ascii_hexdigit) {
            at += 1;
        }
        if text.get(at) == Some(&b'.') {
            // An address of version 4 at the end stands for two groups.
            return is_ipv4(&text[start..]) && if gap { groups < 6 } else { groups == 6 };
        }
        if !(1..=4).contains(&(at - start)) {
            return false;
        }
        groups += 1;
        match text[at..] {
            [] => break,
            [b':', b':', ..] if !gap => (gap, at) = (true, at + 2),
            [b':', next, ..] if next != b':' => at += 1,
            _ => return false,
        }
    }
    if gap { groups < 8 } else { groups == 8 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_json_has_them() {
        assert_eq!(integer(b"200"), Some(Digits::From(0)));
        assert_eq!(integer(b"+31656"), Some(Digits::From(1)));
        assert_eq!(integer(b"-007"), Some(Digits::Anew(b"-7".to_vec())));
        assert_eq!(integer(b"-0"), Some(Digits::From(1)));
        assert_eq!(integer(b"9223372036854775807"), Some(Digits::From(0)));
        assert_eq!(integer(b"9223372036854775808"), None);
        assert_eq!(integer(b"-9223372036854775808"), Some(Digits::From(0)));
        assert_eq!(decimal(b"5."), Some(Digits::Anew(b"5.0".to_vec())));
        assert_eq!(decimal(b"00.5"), Some(Digits::From(1)));
        assert_eq!(decimal(b".5"), None);
    }

    #[test]
    fn addresses_are_told_from_words() {
        for good in ["192.0.2.1", "::1", "2001:db8::9", "[fe80::1]", "::ffff:192.0.2.1", "1:2:3:4:5:6:7::", "unix"] {
            assert!(address(good.as_bytes()).is_some(), "{good}");
        }
        for bad in ["192.0.2.01", "192.0.2", "1.2.3.4.5", "256.1.1.1", ":::", "1:2:3:4:5:6:7:8:9", "fe80::1%eth0", ""] {
            assert!(address(bad.as_bytes()).is_none(), "{bad}");
        }
    }
}
