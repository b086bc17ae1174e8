//! Templates: how a line of `HAProxy` is matched against its log-format. The rules stand in the reference twin's
//! module of the same name; ends are tried in the same order, and steps are counted in the same places.

use crate::cells::{self, is_version};
use crate::spec::{Element, Escape, Field, Shape, Template, Zone};
use crate::times;

/// So many elements are tried for one line; a line that needs more does not match.
pub const STEPS: usize = 5_000;
/// `HAProxy`'s greatest `log … len`; a longer line is none of its.
pub const LONGEST: usize = 65_535;

/// A place in the line: from and to.
pub type Place = (usize, usize);

/// The fields of a line that matches.
#[derive(Default)]
pub struct Match {
    /// For each field of the template its text's place.
    pub texts: Vec<Option<Place>>,
    /// Words that the template does not expect.
    pub extra: Vec<Place>,
    /// The line was cut.
    pub truncated: bool,
    /// A bit for each of the first texts that are digits without a zero in front.
    pub usual: u64,
    /// How many texts stand in quotes.
    pub quoted: u32,
}

#[derive(Default, Clone)]
struct Found {
    texts: [Option<Place>; 2],
    extra: Vec<Place>,
    end: usize,
}

struct Attempt<'a> {
    line: &'a [u8],
    template: &'a Template,
    captures: Option<(usize, usize)>,
    cut: bool,
    steps: usize,
    exhausted: bool,
    extended: bool,
    found: Vec<Option<Found>>,
    utc: Zone,
}

/// The fields of the line, or None; with `cut` for a line that ends before the template does.
#[must_use]
pub fn find(line: &[u8], template: &Template, captures: Option<(usize, usize)>, cut: bool) -> Option<Match> {
    if line.len() > LONGEST {
        return None;
    }
    let mut attempt = Attempt {
        line,
        template,
        captures,
        cut,
        steps: STEPS,
        exhausted: false,
        extended: false,
        found: vec![None; template.elements.len()],
        utc: Zone::utc(),
    };
    let end = attempt.walk(0, 0)?;
    if end < template.elements.len() {
        attempt.drop_partial(end);
    }
    let mut found =
        Match { texts: Vec::new(), extra: Vec::new(), truncated: end < template.elements.len(), usual: 0, quoted: 0 };
    for (number, element) in template.elements.iter().enumerate() {
        if let Element::Variable { fields, .. } = element {
            let read = attempt.found[number].take().filter(|_| number <= end).unwrap_or_default();
            found.texts.extend(read.texts.into_iter().take(fields.len()));
            found.extra.extend(read.extra);
        }
    }
    Some(found)
}

impl<'a> Attempt<'a> {
    /// Match the elements from `number` on; how many elements were matched in the end, or None.
    fn walk(&mut self, mut number: usize, mut at: usize) -> Option<usize> {
        while let Some(element) = self.template.elements.get(number) {
            if self.steps == 0 {
                self.exhausted = true;
                return None;
            }
            self.steps -= 1;
            let end = match element {
                Element::Variable { shape, .. } => {
                    self.found[number] = None;
                    if shape.is_clients() {
                        return self.first(*shape, number, at);
                    }
                    self.end_of(*shape, number, at)
                }
                Element::Text { text } => self.line[at..].starts_with(text.as_bytes()).then(|| at + text.len()),
                Element::Space => spaces(self.line, at),
            };
            let Some(end) = end else {
                return self.may_be_cut_at(number, at).then_some(number);
            };
            if let Some(found) = &mut self.found[number] {
                found.end = end;
            }
            at = end;
            number += 1;
        }
        (at == self.line.len()).then_some(number)
    }

    /// The first end of a client's variable with which the rest matches; else the line may be cut in it.
    fn first(&mut self, shape: Shape, number: usize, at: usize) -> Option<usize> {
        let extended = self.extended;
        let mut ends = Ends::new(self, shape, number, at);
        let mut count = 0;
        while let Some((end, found)) = ends.next(self) {
            self.found[number] = Some(found);
            self.extended = extended || (count > 0 && shape.is_open_ended());
            count += 1;
            let matched = self.walk(number + 1, end);
            if matched.is_some() || self.exhausted {
                return matched;
            }
        }
        self.extended = extended;
        self.found[number] = None;
        self.cut_inside(shape, number, at).then_some(number)
    }

    /// Whether the line ends before or in the element `number`, which no client wrote.
    fn may_be_cut_at(&self, number: usize, at: usize) -> bool {
        if !self.cut || number < self.template.required || self.extended {
            return false;
        }
        let rest = &self.line[at..];
        match &self.template.elements[number] {
            Element::Text { text } => text.as_bytes().starts_with(rest),
            Element::Variable { shape: Shape::Endpoint | Shape::Date, .. } => !rest.contains(&b' '),
            _ => rest.is_empty() || rest == b"+",
        }
    }

    /// Whether the line ends inside the client's text that begins at `at`; it is kept as far as it goes.
    fn cut_inside(&mut self, shape: Shape, number: usize, at: usize) -> bool {
        if !self.cut || number < self.template.required {
            return false;
        }
        let (rest, len) = (&self.line[at..], self.line.len());
        let Some(&mark) = rest.first() else { return true };
        let quotes = memchr::memchr_iter(b'"', rest).count();
        let mut found = Found { end: len, ..Found::default() };
        match shape {
            Shape::Quoted if mark == b'"' && quotes == 1 => found.texts[0] = Some((at + 1, len)),
            Shape::Captures if rest.starts_with(self.braces(number).0) && !contains(rest, self.braces(number).1) => {
                let begin = at + self.braces(number).0.len();
                let half_closed = begin > at + 1 && len > begin && rest.ends_with(b"}");
                found.texts[0] = Some((begin, len - usize::from(half_closed)));
            }
            Shape::Listed if mark == b'"' && quotes % 2 == 1 => {
                let texts = crate::cells::split(&rest[1..], b"\" \"").map(|(from, to)| (at + 1 + from, at + 1 + to));
                found = Found { end: len, ..self.shared(&texts.collect::<Vec<_>>(), number) };
            }
            Shape::Cookies if !self.extended && memchr::memchr_iter(b' ', rest).count() <= 1 => {
                let space = memchr::memchr(b' ', rest).map(|place| at + place);
                found.texts[0] = Some((at, space.unwrap_or(len)));
                found.texts[1] = space.map(|space| (space + 1, len)).filter(|(from, to)| from < to);
            }
            Shape::Loose | Shape::Request if !self.extended && !contains(rest, self.template.text_behind(number)) => {
                found.texts[0] = Some((at, len));
            }
            _ => return false,
        }
        self.found[number] = Some(found);
        true
    }

    /// A number or word at the very end of a cut line may have lost its last characters: it has no value.
    fn drop_partial(&mut self, end: usize) {
        for number in (0..end).rev() {
            let Element::Variable { shape, .. } = self.template.elements[number] else { continue };
            let Some(found) = self.found[number].as_ref().filter(|found| found.texts.iter().any(Option::is_some))
            else {
                continue;
            };
            let partial = matches!(shape, Shape::Integer | Shape::Word | Shape::Query | Shape::Endpoint | Shape::Date);
            if partial && found.end == self.line.len() {
                self.found[number] = None;
            }
            return;
        }
    }

    fn fields(&self, number: usize) -> &'a [Field] {
        self.template.elements[number].fields()
    }

    /// How many quoted texts the template has behind an element: so many at the end of a list may be theirs.
    fn quoted_behind(&self, number: usize) -> usize {
        let is_quoted = |element: &&Element| matches!(element, Element::Variable { shape: Shape::Quoted, .. });
        self.template.elements[number + 1..].iter().filter(is_quoted).count()
    }

    /// What opens and closes a block of captured headers, which `+Q` quotes.
    fn braces(&self, number: usize) -> (&'static [u8], &'static [u8]) {
        match &self.template.elements[number] {
            Element::Variable { fields, .. } if fields[0].quoted => (b"\"{", b"}\""),
            _ => (b"{", b"}"),
        }
    }

    fn shared(&self, texts: &[Place], number: usize) -> Found {
        share(texts, self.fields(number).len(), self.captures)
    }

    /// The one end of a variable that no client wrote.
    fn end_of(&mut self, shape: Shape, number: usize, at: usize) -> Option<usize> {
        let (text, end) = match shape {
            Shape::Integer => integer(self.line, at).map(|end| ((at, end), end))?,
            Shape::Date => {
                let end = at + times::read(&self.line[at..], &self.utc)?.len;
                ((at, end), end)
            }
            Shape::Word => {
                let end = word_end(self.line, at, self.template.text_behind(number));
                (end > at).then_some(((at, end), end))?
            }
            Shape::Query => {
                if !matches!(self.line.get(at), Some(b'?' | b'<')) {
                    return Some(at); // HAProxy leaves it out where a URL has no query
                }
                let end = word_end(self.line, at, self.template.text_behind(number));
                ((at, end), end)
            }
            Shape::Endpoint => {
                let end = endpoint_end(self.line, at, self.template.text_behind(number))?;
                ((at, end), end)
            }
            _ => {
                let end = slack_end(self.line, at);
                if end > at {
                    self.found[number] = Some(Found { extra: vec![(at + 1, end)], ..Found::default() });
                }
                return Some(end);
            }
        };
        self.found[number] = Some(Found { texts: [Some(text), None], ..Found::default() });
        Some(end)
    }
}

/// Behind the spaces that stand at `at`; there may be none where others have taken them, and at the line's end.
#[must_use]
pub fn spaces(line: &[u8], at: usize) -> Option<usize> {
    let end = at + line[at..].iter().take_while(|&&byte| byte == b' ').count();
    let merged = at == 0 || at == line.len() || line[at - 1] == b' ';
    (end > at || merged).then_some(end)
}

/// Behind an integer, or a dash.
#[must_use]
#[inline]
pub fn integer(line: &[u8], at: usize) -> Option<usize> {
    let sign = usize::from(matches!(line.get(at), Some(b'+' | b'-')));
    let digits = line[at + sign..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    match digits {
        0 if line.get(at) == Some(&b'-') => Some(at + 1),
        0 => None,
        _ => Some(at + sign + digits),
    }
}

/// Where a word ends: before a space, the text behind it, or the end of the line.
#[must_use]
#[inline]
pub fn word_end(line: &[u8], at: usize, behind: &[u8]) -> usize {
    if let [b' '] | [] = behind {
        return next(line, at, [b' ', b' ']);
    }
    if let &[mark] = behind {
        return next(line, at, [b' ', mark]);
    }
    let limit = next(line, at, [b' ', b' ']);
    cells::find(&line[at..limit], behind).map_or(limit, |place| at + place)
}

/// The first place of either byte from `at` on, or the line's end.
#[inline]
fn next(line: &[u8], mut at: usize, marks: [u8; 2]) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    while let Some(eight) = line.get(at..).and_then(|rest| rest.first_chunk()) {
        let zeros = |mark: u8| {
            let differs = u64::from_le_bytes(*eight) ^ (ONES * u64::from(mark));
            // The lowest bit that is set is that of the first zero; those above may be wrong.
            differs.wrapping_sub(ONES) & !differs & (ONES << 7)
        };
        let found = zeros(marks[0]) | zeros(marks[1]);
        if found != 0 {
            return at + found.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    at + line[at..].iter().take_while(|byte| !marks.contains(byte)).count()
}

/// An address and, behind the last colon, a port: up to a space or the first text behind that leaves a port.
#[must_use]
#[inline]
pub fn endpoint_end(line: &[u8], at: usize, behind: &[u8]) -> Option<usize> {
    let limit = next(line, at, [b' ', b' ']);
    if behind.trim_ascii().is_empty() {
        return is_endpoint(&line[at..limit]).then_some(limit);
    }
    let mut from = at;
    while let Some(place) = line.get(from..limit).and_then(|part| cells::find(part, behind)) {
        let end = from + place;
        if is_endpoint(&line[at..end]) {
            return Some(end);
        }
        from = end + 1;
    }
    None
}

#[inline]
fn is_endpoint(text: &[u8]) -> bool {
    text.iter().rposition(|&byte| byte == b':').is_some_and(|colon| {
        let port = &text[colon + 1..];
        colon > 0 && (port == b"-" || cells::is_digits(port))
    })
}

/// Behind one more word, if what follows the space is no number.
#[must_use]
#[inline]
pub fn slack_end(line: &[u8], at: usize) -> usize {
    match line[at..] {
        [b' ', next, ..] if !matches!(next, b'0'..=b'9' | b'+' | b'-') => {
            memchr::memchr(b' ', &line[at + 1..]).filter(|&len| len > 0).map_or(at, |len| at + 1 + len)
        }
        _ => at,
    }
}

/// Whether headers are captured in the direction of a field, as far as is known.
#[must_use]
pub fn captures_any(captures: Option<(usize, usize)>, field: &Field) -> bool {
    captures.is_none_or(|(request, response)| (if field.of_response { response } else { request }) > 0)
}

/// Which of the texts belong to requests and which to responses; what cannot be told is extra.
fn share(texts: &[Place], fields: usize, captures: Option<(usize, usize)>) -> Found {
    let whole = |texts: &[Place]| Some((texts.first()?.0, texts.last()?.1));
    let mut found = Found::default();
    if fields == 1 {
        found.texts[0] = whole(texts);
        return found;
    }
    let (request, response) = captures.unwrap_or(match texts.len() {
        1 => (1, 0),
        2 => (1, 1),
        _ => (0, 0),
    });
    if request + response == texts.len() {
        found.texts = [whole(&texts[..request]), whole(&texts[request..])];
    } else {
        found.extra = texts.to_vec();
    }
    found
}

fn contains(text: &[u8], what: &[u8]) -> bool {
    cells::find(text, what).is_some()
}

/// The ends of a client's variable, in the order in which they are tried.
struct Ends {
    shape: Shape,
    number: usize,
    at: usize,
    /// Ends that were found in advance, the next one last.
    ready: Vec<(usize, Found)>,
    /// Where to look for the next end; None if there is no further one.
    from: Option<usize>,
}

impl Ends {
    fn new(attempt: &Attempt<'_>, shape: Shape, number: usize, at: usize) -> Self {
        let mut ends = Self { shape, number, at, ready: Vec::new(), from: None };
        match shape {
            Shape::Quoted => ends.begin_quoted(attempt),
            Shape::Captures => ends.find_captures(attempt),
            Shape::Listed => ends.find_listed(attempt),
            Shape::Cookies => {
                let between = memchr::memchr(b' ', &attempt.line[at..]).map(|place| at + place);
                ends.from = between.map(|between| between + 1);
            }
            Shape::Request => ends.find_requests(attempt),
            _ => ends.begin_loose(attempt),
        }
        ends
    }

    fn next(&mut self, attempt: &Attempt<'_>) -> Option<(usize, Found)> {
        if let Some(ready) = self.ready.pop() {
            return Some(ready);
        }
        let from = self.from?;
        match self.shape {
            Shape::Quoted => self.next_quoted(attempt, from),
            Shape::Cookies => self.next_cookies(attempt, from),
            _ => self.next_loose(attempt, from),
        }
    }

    fn text(from: usize, to: usize) -> Found {
        Found { texts: [Some((from, to)), None], extra: Vec::new(), end: 0 }
    }

    fn begin_quoted(&mut self, attempt: &Attempt<'_>) {
        let rest = &attempt.line[self.at..];
        if rest.first() == Some(&b'-') {
            self.ready.push((self.at + 1, Self::text(self.at, self.at + 1)));
        }
        let mark = Self::mark(rest);
        self.from = rest.starts_with(mark).then_some(self.at + mark.len());
    }

    /// syslog-ng may have escaped the quotes.
    fn mark(rest: &[u8]) -> &'static [u8] {
        if rest.starts_with(b"\\\"") { b"\\\"" } else { b"\"" }
    }

    fn next_quoted(&mut self, attempt: &Attempt<'_>, mut from: usize) -> Option<(usize, Found)> {
        let mark = Self::mark(&attempt.line[self.at..]);
        let structured = attempt.fields(self.number)[0].escape == Escape::Structured;
        loop {
            let end = from + cells::find(attempt.line.get(from..)?, mark)?;
            from = end + 1;
            let inside = &attempt.line[self.at + 1..end];
            let backslashes = inside.iter().rev().take_while(|&&byte| byte == b'\\').count();
            if !(structured && backslashes % 2 == 1) {
                self.from = Some(from);
                return Some((end + mark.len(), Self::text(self.at + mark.len(), end)));
            }
        }
    }

    fn find_captures(&mut self, attempt: &Attempt<'_>) {
        let rest = &attempt.line[self.at..];
        let (opening, closing) = attempt.braces(self.number);
        if !rest.starts_with(opening) || !captures_any(attempt.captures, &attempt.fields(self.number)[0]) {
            self.ready.push((self.at, Found::default()));
        } else if let Some(len) = cells::find(rest, closing) {
            self.ready.push((self.at + len + closing.len(), Self::text(self.at + opening.len(), self.at + len)));
        }
    }

    fn find_listed(&mut self, attempt: &Attempt<'_>) {
        let (line, mut begin, mut texts) = (attempt.line, self.at, Vec::new());
        while line.get(begin) == Some(&b'"') {
            let Some(len) = memchr::memchr(b'"', &line[begin + 1..]) else { break };
            texts.push((begin + 1, begin + 1 + len));
            begin += len + 3;
            if line.get(begin - 1) != Some(&b' ') {
                break;
            }
        }
        for count in texts.len().saturating_sub(attempt.quoted_behind(self.number))..=texts.len() {
            let end = texts[..count].last().map_or(self.at, |&(_, end)| end + 1);
            self.ready.push((end, attempt.shared(&texts[..count], self.number)));
        }
    }

    fn next_cookies(&mut self, attempt: &Attempt<'_>, from: usize) -> Option<(usize, Found)> {
        let end = from + memchr::memchr(b' ', attempt.line.get(from..)?)?;
        self.from = Some(end + 1);
        Some((end, two_cookies(attempt.line, self.at, end)))
    }

    fn begin_loose(&mut self, attempt: &Attempt<'_>) {
        let (at, len) = (self.at, attempt.line.len());
        if !attempt.template.is_last(self.number) {
            self.from = Some(at + 1);
        } else if at < len {
            self.ready.push((len, Self::text(at, len)));
        } else {
            self.ready.push((at, Found::default()));
        }
    }

    fn next_loose(&mut self, attempt: &Attempt<'_>, from: usize) -> Option<(usize, Found)> {
        let behind = attempt.template.text_behind(self.number);
        let end = from + cells::find(attempt.line.get(from..)?, behind)?;
        if end >= attempt.line.len() {
            return None;
        }
        self.from = Some(end + 1);
        Some((end, Self::text(self.at, end)))
    }

    /// A request line without quotes: it ends with a version, else behind its URL, or with the line.
    fn find_requests(&mut self, attempt: &Attempt<'_>) {
        let (line, at) = (attempt.line, self.at);
        let mut candidates = Self { shape: Shape::Loose, number: self.number, at, ready: Vec::new(), from: None };
        candidates.begin_loose(attempt);
        let mut ends: Vec<usize> = std::iter::from_fn(|| candidates.next(attempt).map(|(end, _)| end)).collect();
        if ends.last() != Some(&line.len()) {
            ends.push(line.len());
        }
        let sound = |&end: &usize| {
            let text = &line[at..end];
            let last = memchr::memrchr(b' ', text).map_or(0, |space| space + 1);
            text == b"<BADREQ>" || is_version(&text[last..])
        };
        let one_space = |&end: &usize| memchr::memchr_iter(b' ', &line[at..end]).count() == 1;
        let other = ends.iter().copied().filter(|end| !sound(end) && one_space(end));
        let order: Vec<usize> = ends.iter().copied().filter(|end| sound(end)).chain(other).collect();
        self.ready = order.into_iter().rev().map(|end| (end, Self::text(at, end))).collect();
    }
}

/// Where the request's cookie ends: at the only space, beside a dash, or before the same name; else both are extra.
fn two_cookies(line: &[u8], from: usize, to: usize) -> Found {
    let both = &line[from..to];
    let at = |place: usize| Found {
        texts: [Some((from, from + place)), Some((from + place + 1, to))],
        extra: Vec::new(),
        end: 0,
    };
    let Some(first) = memchr::memchr(b' ', both) else { return Found::default() };
    let last = memchr::memrchr(b' ', both).unwrap_or(first);
    if first == last || &both[..first] == b"-" {
        return at(first);
    }
    if &both[last + 1..] == b"-" {
        return at(last);
    }
    if let Some(equals) = memchr::memchr(b'=', &both[..first]) {
        let again = [b" ", &both[..=equals]].concat();
        let mut places = memchr::memmem::find_iter(both, &again);
        if let (Some(place), None) = (places.next(), places.next()) {
            return at(place);
        }
    }
    Found { texts: [None, None], extra: vec![(from, to)], end: 0 }
}
