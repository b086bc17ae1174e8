//! Which template reads a line. Templates are tried in the order of the reference twin; that the one which read the line
//! before is asked first changes nothing, because those before it are asked too, as far as they might match.

use crate::block::{Block, Line, Row, Span};
use crate::cells::{Begun, Cells, fill};
use crate::reading::{Asked, Reader, row, with_header};
use crate::spec::{Field, Kind, Layout, LayoutAt, Template, Zone};
use crate::straight::{self, Way};
use crate::syslog::Header;
use crate::template::{self, Match};
use crate::times::{Dates, Stamps};

/// What is kept from line to line to try templates.
#[derive(Default)]
pub struct Trial {
    dates: Dates,
    /// What syslog headers begin with.
    pub stamps: Stamps,
    found: Match,
    /// What a rival would find.
    aside: Match,
    /// The template that read the line before, all of it, on the straight way.
    last: Option<LayoutAt>,
}

impl Reader<'_> {
    /// The line read by the first template that it matches whole, else by the first that it matches as a cut line.
    pub(crate) fn as_any_template(&mut self, asked: &mut Asked<'_>, block: &mut Block) -> Option<Row> {
        let mut trial = std::mem::take(&mut self.trial);
        let row = self.as_last_template(&mut trial, asked, block).or_else(|| {
            trial.last = None;
            let formats = 0..self.plan.formats.len();
            [true, false].into_iter().find_map(|whole| {
                formats.clone().find_map(|format| self.try_format(format, &mut trial, asked, whole, block))
            })
        });
        self.trial = trial;
        row
    }

    /// The line read by the first of the format's templates that it matches, whole if there is one.
    pub(crate) fn as_template(&mut self, format: usize, asked: &mut Asked<'_>, block: &mut Block) -> Option<Row> {
        let mut trial = std::mem::take(&mut self.trial);
        let row = [true, false].into_iter().find_map(|whole| self.try_format(format, &mut trial, asked, whole, block));
        self.trial = trial;
        row
    }

    /// The headers behind which a format's lines are looked for: their own, and none.
    fn headers(&self, format: usize, asked: &mut Asked<'_>, stamps: &mut Stamps) -> [Option<Header>; 2] {
        let none = Some(Header::default());
        if self.plan.formats[format].syslog.is_none() {
            return [none, None];
        }
        let header = *asked.header(self.reference, &self.plan.zone, stamps);
        [Some(header), none.filter(|_| header.text_at > 0)]
    }

    fn try_format(
        &self,
        format: usize,
        trial: &mut Trial,
        asked: &mut Asked<'_>,
        whole: bool,
        block: &mut Block,
    ) -> Option<Row> {
        let known = &self.plan.formats[format];
        if !known.layouts.iter().any(|layout| matches!(layout, Layout::Template(_))) {
            return None;
        }
        let headers = self.headers(format, asked, &mut trial.stamps);
        for (place, header) in headers.into_iter().flatten().enumerate() {
            let text = &asked.line.text()[header.text_at..];
            for (number, layout) in known.layouts.iter().enumerate() {
                let Layout::Template(layout) = layout else { continue };
                let at = LayoutAt { format, layout: number };
                match straight::walk(text, layout, self.plan.captures, &mut trial.dates, &mut trial.found) {
                    Way::Never => continue,
                    Way::Through if whole => trial.last = Some(at).filter(|_| place == 0),
                    _ => match template::find(text, layout, self.plan.captures, !whole) {
                        Some(found) if found.truncated != whole => trial.found = found,
                        _ => continue,
                    },
                }
                return Some(self.template_row(at, trial, layout, &header, asked, block));
            }
        }
        None
    }

    /// The line read by the template that read the line before, if it goes the straight way and no rival, behind its
    /// header or from its start, might match. Then the first that matches in order is this one.
    fn as_last_template(&self, trial: &mut Trial, asked: &mut Asked<'_>, block: &mut Block) -> Option<Row> {
        let at = trial.last?;
        let Layout::Template(template) = self.plan.layout(at) else { return None };
        let header = self.headers(at.format, asked, &mut trial.stamps)[0]?;
        let (line, captures) = (asked.line.text(), self.plan.captures);
        let text = &line[header.text_at..];
        if straight::walk(text, template, captures, &mut trial.dates, &mut trial.found) != Way::Through {
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
                let way = straight::walk(&line[tried..], other, captures, &mut trial.dates, &mut trial.aside);
                if way != Way::Never {
                    return None;
                }
            }
        }
        Some(self.template_row(at, trial, template, &header, asked, block))
    }

    /// The record of a line that matches.
    fn template_row(
        &self,
        at: LayoutAt,
        trial: &mut Trial,
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
        let fields = template.elements.iter().flat_map(crate::spec::Element::fields);
        let mut usual = trial.found.usual;
        for (field, place) in fields.zip(&trial.found.texts) {
            if let &Some((from, to)) = place {
                let span = Span::new(start + from, start + to);
                match field.kind {
                    Kind::Int if usual & 1 == 1 => cells.put(field.slots[0], span),
                    _ => fill_usual(field, line, span, &self.plan.zone, &mut trial.dates, &mut cells),
                }
            }
            usual >>= 1;
        }
        let source = with_header(known, header, line, &mut cells);
        let moment = cells.moment;
        block.extra.extend(trial.found.extra.iter().map(|&(from, to)| Span::new(start + from, start + to)));
        let mut row = row(at, segment, line, moment, begun, block);
        row.truncated = trial.found.truncated;
        row.time_source = source;
        row
    }
}

/// What `fill` does, at once where the text is as it usually is.
#[inline]
fn fill_usual(field: &Field, line: Line<'_>, span: Span, zone: &Zone, dates: &mut Dates, cells: &mut Cells<'_>) {
    let text = &line.bytes[span.start()..span.end()];
    match field.kind {
        Kind::Time if field.columns[0] == 0 && !cells.slots[field.slots[0]].is_present() => {
            if let Ok(text) = text.try_into()
                && let Some(us) = dates.read(text)
                && zone.to_utc(us) == us
            {
                cells.moment = Some(us);
                let span = cells.keep(&dates.format(text));
                return cells.put(field.slots[0], span);
            }
        }
        _ => {}
    }
    fill(field, text, span, zone, cells);
}
