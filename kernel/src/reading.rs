//! One line, or the joined lines of one record: whose it is, and what it says. The order in which formats are tried
//! stands in the reference twin's module of the same name.

use crate::block::{Block, Line, Row, Span, TimeSource, keep};
use crate::cells::{Begun, Cells, fill, look_at, put_time};
use crate::columns::{self, Cursor, Slots};
use crate::fast::{Cpu, Hot, Scalar, at_best};
use crate::ndjson::Writer;
use crate::objects::{self, Object};
use crate::spec::{Columns, Format, Kind, Layout, LayoutAt, MOST_SLOTS, Objects, Plan, Token, Zone};
use crate::syslog::Header;
use crate::times::Days;
use crate::trying::Trial;
use crate::words;

/// Why a line is no record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)]
pub enum Reason {
    BadTime,
    TooFewFields,
    UnclosedQuote,
    NoMatch,
    BadJson,
    UnknownFormat,
    LineTooLong,
    RecordTooLong,
    Truncated,
}

impl Reason {
    /// The name that users read.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::BadTime => "bad_time",
            Self::TooFewFields => "too_few_fields",
            Self::UnclosedQuote => "unclosed_quote",
            Self::NoMatch => "no_match",
            Self::BadJson => "bad_json",
            Self::UnknownFormat => "unknown_format",
            Self::LineTooLong => "line_too_long",
            Self::RecordTooLong => "record_too_long",
            Self::Truncated => "truncated",
        }
    }
}

/// Why a line is no record; `open_in`: it may become one with the lines that follow.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Failure {
    /// Why.
    pub reason: Reason,
    /// The layout in which its quote is open.
    pub open_in: Option<LayoutAt>,
}

impl Failure {
    fn new(reason: Reason) -> Self {
        Self { reason, open_in: None }
    }
}

/// The record, whose values are in the block by then, or why there is none.
pub type Reading = Result<Row, Failure>;

/// A format by whose positions lines are read, its layout, and what such lines begin with unless the user told the format.
#[derive(Clone, Copy)]
pub(crate) struct First<'p> {
    pub(crate) format: usize,
    pub(crate) layout: &'p Columns,
    pub(crate) starts: &'p [Token],
}

impl<'p> First<'p> {
    /// None if the format's lines are not read by position.
    fn of(plan: &'p Plan, format: usize) -> Option<Self> {
        match plan.formats[format].layouts.first()? {
            Layout::Columns(layout) => {
                Some(Self { format, layout, starts: if plan.explicit { &[] } else { &layout.starts } })
            }
            _ => None,
        }
    }
}

/// What lines are read as first.
enum Lead<'p> {
    /// As the plan or the item's key tells.
    Told(Option<First<'p>>),
    /// As the line before, if that may be.
    LineBefore,
}

/// Reads line after line of one item.
pub struct Reader<'p> {
    plan: &'p Plan,
    /// The format that the item's key promises.
    expected: Option<usize>,
    lead: Lead<'p>,
    utc: Zone,
    days: Days,
    slots: Slots,
    /// The format that read the line before by position.
    last: Option<usize>,
    trial: Trial<'p>,
}

impl<'p> Reader<'p> {
    /// A reader for an item whose key promises the format `expected`, with a time shortly after its last line.
    #[must_use]
    pub fn new(plan: &'p Plan, expected: Option<usize>, reference: i64) -> Self {
        let told = if plan.explicit { Some(0) } else { expected };
        Self {
            plan,
            expected,
            lead: told.map_or(Lead::LineBefore, |format| Lead::Told(First::of(plan, format))),
            utc: Zone::utc(),
            days: Days::default(),
            slots: [Span::ABSENT; MOST_SLOTS],
            last: None,
            trial: Trial::new(plan, reference),
        }
    }

    /// The record that the line is.
    ///
    /// # Errors
    /// Why it is none.
    #[inline(always)]
    pub fn read<C: Cpu>(&mut self, cpu: C, line: Line<'_>, segment: u32, block: &mut Block) -> Reading {
        if let Some(First { format, layout, starts }) = self.first(&line) {
            let at = LayoutAt { format, layout: 0 };
            let reading = self.columns_at_once(cpu, line, at, (layout, starts), segment, block);
            match reading {
                Err(failure) if failure.open_in.is_none() && !self.plan.explicit => {}
                _ => return reading,
            }
        }
        self.read_as_any(line, segment, block)
    }

    /// Write the record that the line is, which begins at `offset` in the item; tells its format. None if something about
    /// it is unusual: then nothing is written.
    #[inline(always)]
    pub fn write<C: Cpu>(&mut self, line: &Line<'_>, offset: u64, writer: &mut Writer<'_, C>) -> Option<usize> {
        let first = self.first(line)?;
        let (spans, _) = self.slots.split_first_chunk_mut()?;
        writer.at_once(line, first, (&mut self.days, spans), offset).then_some(first.format)
    }

    /// Where the fields stand of a line that was written at once.
    #[must_use]
    pub fn fields(&self, line: &Line<'_>) -> &[Span] {
        &self.slots[..line.cut.map_or(0, |cut| cut.fields).min(MOST_SLOTS)]
    }

    /// What a line is read as first.
    #[inline(always)]
    fn first(&self, line: &Line<'_>) -> Option<First<'p>> {
        let first = match self.lead {
            Lead::Told(first) => first,
            Lead::LineBefore => First::of(self.plan, self.usual(line)?),
        };
        first.filter(|_| line.bytes[line.start] != b'{')
    }

    /// The format that read the line before, if none before it is one whose lines begin like this one: it is the first
    /// then that may read it, too, if no key promises another.
    #[inline(never)]
    fn usual(&self, line: &Line<'_>) -> Option<usize> {
        let last = self.last?;
        let may_begin = |format: &usize| {
            let mut layouts = self.plan.formats[*format].layouts.iter();
            layouts.any(|layout| match layout {
                Layout::Columns(layout) => words::begins_as(line.text(), &layout.starts),
                _ => false,
            })
        };
        (!self.plan.told_by_begin.iter().take_while(|&&format| format < last).any(may_begin)).then_some(last)
    }

    /// The joined lines of a record, read by the layout in which they were opened.
    ///
    /// # Errors
    /// Why they are none.
    pub fn read_joined(&mut self, line: Line<'_>, at: LayoutAt, segment: u32, block: &mut Block) -> Reading {
        let Layout::Columns(layout) = self.plan.layout(at) else {
            return Err(Failure::new(Reason::UnclosedQuote));
        };
        self.columns(line, at, layout, segment, block)
    }

    #[inline(never)]
    fn read_as_any(&mut self, line: Line<'_>, segment: u32, block: &mut Block) -> Reading {
        let text = line.text();
        let object = if text[0] == b'{' { objects::read(text) } else { None };
        let mut asked = Asked { line, segment, object, header: None };
        if self.plan.explicit {
            return self.as_format(0, &mut asked, block);
        }
        let is_bad_json = text[0] == b'{' && asked.object.is_none();
        let mut failure = Failure::new(if is_bad_json { Reason::BadJson } else { Reason::UnknownFormat });
        let expected = self.expected;
        let others = 0..self.plan.told_by_begin.len();
        let others = others.map(|number| self.plan.told_by_begin[number]).filter(|&format| Some(format) != expected);
        let told = expected.into_iter().chain(others).filter(|_| self.plan.begins[usize::from(text[0])]);
        for format in told {
            if begins_as(&self.plan.formats[format], &asked) {
                match self.as_format(format, &mut asked, block) {
                    Err(why) if why.open_in.is_none() => failure = why,
                    reading => {
                        self.last = Some(format);
                        return reading;
                    }
                }
            }
        }
        self.last = None;
        if let Some(row) = self.trial.any(&mut asked, block) {
            return Ok(row);
        }
        match expected {
            Some(format) => self.as_format(format, &mut asked, block),
            None => Err(failure),
        }
    }

    /// The line read as this format, whatever it begins with.
    fn as_format(&mut self, format: usize, asked: &mut Asked<'_>, block: &mut Block) -> Reading {
        let plan = self.plan;
        let mut failure = Failure::new(Reason::NoMatch);
        for (number, layout) in plan.formats[format].layouts.iter().enumerate() {
            let at = LayoutAt { format, layout: number };
            match layout {
                Layout::Columns(layout) if asked.line.text()[0] != b'{' => {
                    return self.columns(asked.line, at, layout, asked.segment, block);
                }
                Layout::Objects(layout) => match self.as_object(at, layout, asked, block) {
                    Ok(row) => return Ok(row),
                    Err(why) => failure = why,
                },
                _ => {}
            }
        }
        self.trial.one(format, asked, block).ok_or(failure)
    }

    /// The line read by position.
    #[inline(never)]
    fn columns(&mut self, line: Line<'_>, at: LayoutAt, layout: &Columns, segment: u32, block: &mut Block) -> Reading {
        at_best(Closer { reader: self, line, at, layout, segment, block })
    }

    /// The line read by position. It fails at once if its first fields do not look like `starts`.
    #[inline(always)]
    fn columns_at_once<C: Cpu>(
        &mut self,
        cpu: C,
        line: Line<'_>,
        at: LayoutAt,
        (layout, starts): (&Columns, &[Token]),
        segment: u32,
        block: &mut Block,
    ) -> Reading {
        if columns::is_tabbed(line) {
            if !starts.is_empty() && !words::begins_as(line.text(), starts) {
                return Err(Failure::new(Reason::NoMatch));
            }
            return self.tabbed(line, at, layout, segment, block);
        }
        let arena = block.arena.len();
        let mut cursor = Cursor::new(line, layout);
        let odd = cursor.cut_known(cpu, &mut self.slots);
        let begun = Begun::with(block, &self.slots[..layout.steps.slots]);
        let mut cells = begun.cells(block);
        let also_odd = look_at(cpu, layout, line, &mut self.days, &mut cells);
        if !starts.is_empty() && !begins(line, layout, starts, &cells) {
            begun.discard(block);
            return Err(Failure::new(Reason::NoMatch));
        }
        let moment = cells.moment;
        while let Some((from, to)) = cursor.next(false) {
            block.extra.push(Span::new(from, to));
        }
        let failure = match (moment, cursor.open_at) {
            _ if cursor.count < layout.required => Some(Failure::new(Reason::TooFewFields)),
            (None, _) => Some(Failure::new(Reason::BadTime)),
            (_, Some(_)) if layout.multiline => Some(Failure { reason: Reason::UnclosedQuote, open_in: Some(at) }),
            _ => None,
        };
        if let Some(failure) = failure {
            begun.discard(block);
            return Err(failure);
        }
        if let Some(open) = cursor.open_at {
            let open = Span::new(open, line.end);
            match layout.fields.get(cursor.count) {
                Some(field) => begun.cells(block).refuse(field.columns[0], open),
                None => block.extra.push(open),
            }
        }
        let mut row = row(at, segment, line, moment, begun, block);
        row.odd = odd.filter(|_| arena == block.arena.len()).map(|odd| odd | also_odd);
        Ok(row)
    }

    /// The line read by position where tabs separate its fields.
    #[cold]
    fn tabbed(&mut self, line: Line<'_>, at: LayoutAt, layout: &Columns, segment: u32, block: &mut Block) -> Reading {
        let begun = Begun::new(block, layout.steps.slots);
        let mut cells = begun.cells(block);
        let mut count = 0;
        for ((slot, field), (from, to)) in cells.slots.iter_mut().zip(&layout.fields).zip(columns::tabbed(line)) {
            let text = &line.bytes[from..to];
            if text != b"-" && !(text.is_empty() && field.empty_absent) {
                *slot = Span::new(from, to);
            }
            count += 1;
        }
        look_at(Scalar, layout, line, &mut self.days, &mut cells);
        let moment = cells.moment;
        if count < layout.required || moment.is_none() {
            begun.discard(block);
            let reason = if count < layout.required { Reason::TooFewFields } else { Reason::BadTime };
            return Err(Failure::new(reason));
        }
        block.extra.extend(columns::tabbed(line).skip(count).map(|(from, to)| Span::new(from, to)));
        Ok(row(at, segment, line, moment, begun, block))
    }

    fn as_object(&mut self, at: LayoutAt, layout: &Objects, asked: &mut Asked<'_>, block: &mut Block) -> Reading {
        let known = &self.plan.formats[at.format];
        let (line, segment) = (asked.line, asked.segment);
        let (header, zone) = match known.syslog {
            Some(_) => (self.trial.header(asked), &self.plan.zone),
            None => (Header::default(), &self.utc),
        };
        let inner = &line.text()[header.text_at..];
        let Some(object) = (inner.first() == Some(&b'{')).then(|| objects::read(inner)).flatten() else {
            return Err(Failure::new(Reason::BadJson));
        };
        let begun = Begun::new(block, known.columns.len());
        let mut cells = begun.cells(block);
        for field in &layout.fields {
            if let Some((_, value)) = object.iter().find(|(key, _)| **key == *field.key.as_bytes()) {
                let text = value.join(field.separator.as_bytes());
                let span = cells.keep(&text);
                fill(field, &text, span, zone, &mut cells);
            }
        }
        let source = with_header(known, &header, line, &mut cells);
        let moment = cells.moment;
        if source == TimeSource::None && known.syslog.is_none() {
            begun.discard(block);
            return Err(Failure::new(Reason::BadTime));
        }
        for (key, value) in &object {
            if layout.fields.iter().all(|field| **key != *field.key.as_bytes()) {
                let span = keep(&mut block.arena, &[key.as_ref(), b"=", &value.join(b" ")].concat());
                block.extra.push(span);
            }
        }
        let mut row = row(at, segment, line, moment, begun, block);
        row.time_source = source;
        Ok(row)
    }
}

/// A line read by position that did not come that way at once.
struct Closer<'r, 'p> {
    reader: &'r mut Reader<'p>,
    line: Line<'r>,
    at: LayoutAt,
    layout: &'r Columns,
    segment: u32,
    block: &'r mut Block,
}

impl Hot for Closer<'_, '_> {
    type Output = Reading;

    #[inline(always)]
    fn run<C: Cpu>(self, cpu: C) -> Reading {
        self.reader.columns_at_once(cpu, self.line, self.at, (self.layout, &[]), self.segment, self.block)
    }
}

/// Whether the first fields, looked at by now, are what a line of this layout begins with; false as well where that
/// needs a closer look.
#[inline(always)]
fn begins(line: Line<'_>, layout: &Columns, starts: &[Token], cells: &Cells<'_>) -> bool {
    let mut at = line.start;
    for ((&token, span), field) in starts.iter().zip(cells.slots.iter()).zip(&layout.fields) {
        if !span.is_present() || span.in_arena() || span.start() != at {
            return false;
        }
        let is_as_told = match token {
            Token::Time if field.columns[0] == 0 => cells.moment.is_some() && line.bytes[at + 4] == b'-',
            Token::Name => !span.is_empty() && !matches!(line.bytes[at], b'{' | b'<'),
            Token::Path if line.bytes.get(at + 3) == Some(&b'/') && span.len() > 3 => true,
            _ => words::looks_like(token, &line.bytes[at..line.next(b' ', at)]),
        };
        if !is_as_told {
            return false;
        }
        at = if span.is_empty() || field.kind == Kind::Endpoint { line.next(b' ', at) } else { span.end() } + 1;
    }
    true
}

/// A line with what several formats ask of it, each found once.
pub(crate) struct Asked<'a> {
    pub line: Line<'a>,
    pub segment: u32,
    object: Option<Object<'a>>,
    pub header: Option<Header>,
}

/// Whether the line begins as the format's lines do, or is an object with its mark.
fn begins_as(known: &Format, asked: &Asked<'_>) -> bool {
    known.layouts.iter().any(|layout| match layout {
        Layout::Columns(layout) => words::begins_as(asked.line.text(), &layout.starts),
        Layout::Objects(layout) => {
            let is_mark = |key: &[u8]| key == layout.mark.as_bytes();
            asked.object.as_ref().is_some_and(|object| object.iter().any(|(key, _)| is_mark(key)))
        }
        Layout::Template(_) => false,
    })
}

/// Give a record what its syslog header says, and a time if either knows one.
pub(crate) fn with_header(known: &Format, header: &Header, line: Line<'_>, cells: &mut Cells<'_>) -> TimeSource {
    if let Some(columns) = known.syslog {
        for (column, place) in columns.into_iter().zip(header.values) {
            if let Some((from, to)) = place {
                cells.put(column, Span::new(line.start + from, line.start + to));
            }
        }
    }
    if cells.moment.is_some() {
        return TimeSource::Own;
    }
    let Some((moment, at)) = header.moment else { return TimeSource::None };
    let (from, to) = (line.start + at, line.start + at + moment.len);
    put_time(true, 0, moment, &line.bytes[from..to], Span::new(from, to), cells);
    TimeSource::Syslog
}

#[inline]
pub(crate) fn row(
    at: LayoutAt,
    segment: u32,
    line: Line<'_>,
    moment: Option<i64>,
    begun: Begun,
    block: &mut Block,
) -> Row {
    let invalid = &mut block.invalid[begun.invalid..];
    if invalid.len() > 1 {
        invalid.sort_unstable_by_key(|&(column, _)| column);
    }
    Row {
        layout: at,
        segment,
        text: Span::new(line.start, line.end),
        offset: 0,
        lines: 1,
        time: moment.unwrap_or_default(),
        time_source: TimeSource::Own,
        truncated: false,
        odd: None,
        slots: begun.slots,
        extra: (begun.extra, block.extra.len()),
        invalid: (begun.invalid, block.invalid.len()),
    }
}
