//! Which template reads a line. Templates are tried in the order of the reference twin; that the one which read the line
//! before is asked first changes nothing, because those before it are asked too, as far as they might match.

use crate::block::{Block, Line, Row, Span, TimeSource};
use crate::cells::{Begun, Cells, fill};
use crate::reading::{Asked, row, with_header};
use crate::spec::{Escape, Field, Kind, Layout, LayoutAt, Plan, Template, Zone};
use crate::straight::{self, Way};
use crate::syslog::{self, Header};
use crate::template::{self, Match};
use crate::times::{Dates, Stamps};

/// Tries templates, and keeps from line to line what makes that faster.
pub struct Trial<'p> {
    plan: &'p Plan,
    /// A time shortly after the last line.
    reference: i64,
    dates: Dates,
    stamps: Stamps,
    found: Match,
    /// What a rival would find.
    aside: Match,
    /// The template that read the line before, all of it, on the straight way.
    last: Option<LayoutAt>,
}

impl<'p> Trial<'p> {
    /// Nothing is known of any line yet.
    #[must_use]
    pub fn new(plan: &'p Plan, reference: i64) -> Self {
        Self {
            plan,
            reference,
            dates: Dates::default(),
            stamps: Stamps::default(),
            found: Match::default(),
            aside: Match::default(),
            last: None,
        }
    }

    /// The line's syslog header.
    pub(crate) fn header(&mut self, asked: &mut Asked<'_>) -> Header {
        let Self { plan, reference, stamps, .. } = self;
        let line = asked.line;
        *asked.header.get_or_insert_with(|| syslog::read(line.text(), *reference, &plan.zone, stamps))
    }

    /// The line read by the first template that it matches whole, else by the first that it matches as a cut line.
    pub(crate) fn any(&mut self, asked: &mut Asked<'_>, block: &mut Block) -> Option<Row> {
        self.again(asked, block).or_else(|| {
            self.last = None;
            let mut all = (0..2 * self.plan.formats.len()).map(|number| {
                let formats = self.plan.formats.len();
                (number % formats, number < formats)
            });
            all.find_map(|(format, whole)| self.try_format(format, asked, whole, block))
        })
    }

    /// The line read by the first of the format's templates that it matches, whole if there is one.
    pub(crate) fn one(&mut self, format: usize, asked: &mut Asked<'_>, block: &mut Block) -> Option<Row> {
        [true, false].into_iter().find_map(|whole| self.try_format(format, asked, whole, block))
    }

    /// The headers behind which a format's lines are looked for: their own, and none.
    fn headers(&mut self, format: usize, asked: &mut Asked<'_>) -> [Option<Header>; 2] {
        let none = Some(Header::default());
        if self.plan.formats[format].syslog.is_none() {
            return [none, None];
        }
        let header = self.header(asked);
        [Some(header), none.filter(|_| header.text_at > 0)]
    }

    fn try_format(&mut self, format: usize, asked: &mut Asked<'_>, whole: bool, block: &mut Block) -> Option<Row> {
        let known = &self.plan.formats[format];
        if !known.layouts.iter().any(|layout| matches!(layout, Layout::Template(_))) {
            return None;
        }
        let headers = self.headers(format, asked);
        for (place, header) in headers.into_iter().flatten().enumerate() {
            let text = &asked.line.text()[header.text_at..];
            for (number, layout) in known.layouts.iter().enumerate() {
                let Layout::Template(layout) = layout else { continue };
                let at = LayoutAt { format, layout: number };
                match straight::walk(text, layout, self.plan.captures, &mut self.dates, &mut self.found) {
                    Way::Never => continue,
                    Way::Through if whole => self.last = Some(at).filter(|_| place == 0),
                    _ => match template::find(text, layout, self.plan.captures, !whole) {
                        Some(found) if found.truncated != whole => self.found = found,
                        _ => continue,
                    },
                }
                return Some(self.template_row(at, layout, &header, asked, block));
            }
        }
        None
    }

    /// The line read by the template that read the line before, if it goes the straight way and no rival, behind its
    /// header or from its start, might match. Then the first that matches in order is this one.
    fn again(&mut self, asked: &mut Asked<'_>, block: &mut Block) -> Option<Row> {
        let at = self.last?;
        let Layout::Template(template) = self.plan.layout(at) else { return None };
        let header = self.headers(at.format, asked)[0]?;
        let (line, captures) = (asked.line.text(), self.plan.captures);
        let text = &line[header.text_at..];
        if straight::walk(text, template, captures, &mut self.dates, &mut self.found) != Way::Through {
            return None;
        }
        for rival in &template.rivals {
            let Layout::Template(other) = self.plan.layout(rival.at) else { continue };
            let behind = if rival.is_headed { header.text_at } else { 0 };
            // A format tries all its templates behind the header before it tries any without.
            let from_start = (behind > 0 && rival.at.format != at.format).then_some(0);
            for tried in [Some(behind).filter(|&behind| !rival.is_apart || behind != header.text_at), from_start] {
                let Some(tried) =
                    tried.filter(|&tried| rival.first.is_none_or(|first| line.get(tried) == Some(&first)))
                else {
                    continue;
                };
                let way = straight::walk(&line[tried..], other, captures, &mut self.dates, &mut self.aside);
                if way != Way::Never {
                    return None;
                }
            }
        }
        Some(self.template_row(at, template, &header, asked, block))
    }

    /// The record of a line that matches.
    fn template_row(
        &mut self,
        at: LayoutAt,
        template: &Template,
        header: &Header,
        asked: &Asked<'_>,
        block: &mut Block,
    ) -> Row {
        let Asked { line, segment, .. } = *asked;
        let known = &self.plan.formats[at.format];
        let start = line.start + header.text_at;
        let begun = Begun::new(block, known.columns.len());
        let mut cells = begun.cells(block);
        let (mut usual, mut odd) = (self.found.usual, 0);
        for (number, (&(element, field, integer), place)) in template.texts.iter().zip(&self.found.texts).enumerate() {
            let is_usual = usual & 1 == 1;
            usual >>= 1;
            let &Some((from, to)) = place else { continue };
            let span = Span::new(start + from, start + to);
            match integer {
                Some(slot) if is_usual => cells.put(slot, span),
                _ => {
                    let field = &template.elements[element].fields()[field];
                    let bit = fill_usual(field, line, span, &self.plan.zone, &mut self.dates, &mut cells);
                    odd |= bit << number.min(63);
                }
            }
        }
        let source = with_header(known, header, line, &mut cells);
        let moment = cells.moment;
        block.extra.extend(self.found.extra.iter().map(|&(from, to)| Span::new(start + from, start + to)));
        let mut row = row(at, segment, line, moment, begun, block);
        row.truncated = self.found.truncated;
        row.time_source = source;
        // All quotes stand around texts, and no other byte of the line needs more than copying.
        let is_plain = line.cut.is_some() && line.special.count(line.start, line.end) == 2 * self.found.quoted;
        row.odd = Some(odd).filter(|_| is_plain && source == TimeSource::Own);
        row
    }
}

/// What `fill` does, at once where the text is as it usually is. One if it may be more than copied as it stands, even if
/// all its bytes are plain.
#[inline]
fn fill_usual(field: &Field, line: Line<'_>, span: Span, zone: &Zone, dates: &mut Dates, cells: &mut Cells<'_>) -> u64 {
    let text = &line.bytes[span.start()..span.end()];
    if field.kind == Kind::Time
        && field.columns[0] == 0
        && !cells.slots[field.slots[0]].is_present()
        && let Ok(text) = text.try_into()
        && let Some(us) = dates.read(text)
        && zone.to_utc(us) == us
    {
        cells.moment = Some(us);
        let span = cells.keep(&dates.format(text));
        cells.put(field.slots[0], span);
        return 1;
    }
    let kept = cells.kept();
    fill(field, text, span, zone, cells);
    let is_usual = match field.kind {
        Kind::Text | Kind::Int | Kind::Float | Kind::Endpoint | Kind::Target | Kind::Request => {
            kept == cells.kept() && (field.escape != Escape::Hash || memchr::memchr(b'#', text).is_none())
        }
        _ => false,
    };
    u64::from(!is_usual)
}
