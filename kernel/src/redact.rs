//! Records without what is not to be seen of them. The rules stand in the reference twin's module of the same name.

use std::collections::HashMap;

use crate::block::{Block, Line, Row, Span, TimeSource, keep, kept};
use crate::cells::{Begun, fill};
use crate::columns::{Cursor, is_tabbed, tabbed};
use crate::keys::json;
use crate::objects;
use crate::parts::{Method, NOTHING, Range, parts, ranges, replace, replaced};
use crate::spec::{Columns, Element, Escape, Field, Kind, Layout, Objects, Plan, Template, Zone};
use crate::straight::{self, Way};
use crate::syslog::{self, Header};
use crate::template::{self, Match};
use crate::times::{Dates, Stamps};
use crate::values::lossy;

/// What is redacted in the records of a plan.
pub struct Redaction {
    formats: Vec<OfFormat>,
    key: Vec<u8>,
}

struct OfFormat {
    /// For each column how it is redacted.
    methods: Vec<Option<Method>>,
    /// What a syslog header tells, as fields.
    header: Vec<Field>,
    /// For each layout by position the numbers of its fields some of whose columns are redacted.
    touched: Vec<Vec<usize>>,
}

/// Where fields stand in a record's text; without any: what is not known.
struct Place<'p> {
    fields: Vec<&'p Field>,
    from: usize,
    to: usize,
    /// What the fields are read from, where the line holds it as a value of JSON.
    text: Option<Vec<u8>>,
}

impl<'p> Place<'p> {
    fn unknown(from: usize, to: usize) -> Self {
        Self { fields: Vec::new(), from, to, text: None }
    }

    fn of(field: &'p Field, from: usize, to: usize) -> Self {
        Self { fields: vec![field], from, to, text: None }
    }
}

/// Reads records again to redact them, and keeps from one to the next what makes that faster.
pub struct Redactor<'p> {
    plan: &'p Plan,
    redaction: &'p Redaction,
    reference: i64,
    dates: Dates,
    stamps: Stamps,
    found: Match,
    utc: Zone,
    /// What a field's text stands for before it is redacted.
    before: Block,
    /// Where the fields of a line stand.
    cut: Vec<(usize, usize)>,
    edits: Vec<Range>,
}

impl Redaction {
    /// Fields by name and methods; the hash has a key. None if there is nothing to redact.
    #[must_use]
    pub fn new(plan: &Plan, methods: &[(String, Method)], key: Vec<u8>) -> Option<Self> {
        let methods: HashMap<&str, Method> = methods.iter().map(|(name, method)| (name.as_str(), *method)).collect();
        let formats = plan.formats.iter().map(|known| {
            let of_columns = known.columns.iter().map(|column| methods.get(column.names[0].as_str()).copied());
            let of_columns: Vec<_> = of_columns.collect();
            let is_touched = |field: &Field| field.columns.iter().any(|&column| of_columns[column].is_some());
            let touched = known.layouts.iter().map(|layout| {
                let numbered = layout.fields().enumerate().filter(|(_, field)| is_touched(field));
                numbered.map(|(number, _)| number).collect()
            });
            let header = known.syslog.iter().flatten().enumerate();
            let header = header.map(|(place, &column)| of_header(place, column)).collect();
            OfFormat { touched: touched.collect(), header, methods: of_columns }
        });
        (!methods.is_empty()).then(|| Self { formats: formats.collect(), key })
    }
}

/// What a syslog header tells, as a field: its priority is a number.
fn of_header(place: usize, column: usize) -> Field {
    Field {
        kind: if place == 0 { Kind::Int } else { Kind::Text },
        columns: vec![column],
        bare: false,
        quoted: false,
        escape: Escape::None,
        minus_one_absent: false,
        empty_absent: false,
        separator: " ".to_owned(),
        key: String::new(),
        of_response: false,
        slots: vec![column],
    }
}

impl<'p> Redactor<'p> {
    /// For records of an item with a time shortly after its last line.
    #[must_use]
    pub fn new(plan: &'p Plan, redaction: &'p Redaction, reference: i64) -> Self {
        Self {
            plan,
            redaction,
            reference,
            dates: Dates::default(),
            stamps: Stamps::default(),
            found: Match::default(),
            utc: Zone::utc(),
            before: Block::default(),
            cut: Vec::new(),
            edits: Vec::new(),
        }
    }

    /// Add the record of another block as it is to be seen. The arena of the block begins with the other's.
    pub fn add(&mut self, row: &Row, base: &Block, block: &mut Block) {
        let known = &self.plan.formats[row.layout.format];
        let layout = self.plan.layout(row.layout);
        let line = base.line(row);
        self.edits.clear();
        let (places, zone) = match layout {
            Layout::Columns(layout) => return self.add_by_position(row, line, layout, base, block),
            Layout::Template(layout) => (self.in_template(row, line, layout), Some(&self.plan.zone)),
            Layout::Objects(layout) => (self.in_object(row, line, layout), known.syslog.map(|_| &self.plan.zone)),
        };
        let slots = layout.slots(known.columns.len());
        let begun = Begun::new(block, slots);
        for place in &places {
            if let Some(edit) = self.place(place, (row, line), zone, begun, block) {
                self.edits.push(edit);
            }
        }
        if row.time_source == TimeSource::Syslog {
            block.slots[begun.slots] = base.slots(row, slots)[0];
        }
        self.edits.sort_by_key(|edit| edit.from);
        self.end(row, line, begun, block);
    }

    /// Add a record whose fields are told by position: no two of them fill the same column, so that those in which nothing
    /// is redacted have the values that they had.
    fn add_by_position(&mut self, row: &Row, line: Line<'_>, layout: &Columns, base: &Block, block: &mut Block) {
        let of_format = &self.redaction.formats[row.layout.format];
        let begun = Begun::with(block, base.slots(row, layout.steps.slots));
        let (fields, mut cut) = (layout.fields.len(), std::mem::take(&mut self.cut));
        let open = cut_line(line, layout, &mut cut);
        let mut refilled = Vec::new();
        if let Some(field) = layout.fields.get(cut.len()).filter(|_| open.is_some()) {
            refilled.push(field.columns[0]);
        }
        for &number in &of_format.touched[row.layout.layout] {
            let (Some(&(from, to)), Some(field)) = (cut.get(number), layout.fields.get(number)) else { continue };
            let text = &line.bytes[from..to];
            let changes = ranges(&[field], text, |column| of_format.methods[column], &self.redaction.key);
            if changes.is_empty() {
                continue;
            }
            field.slots.iter().for_each(|slot| block.slots[begun.slots + slot] = Span::ABSENT);
            refilled.extend_from_slice(&field.columns);
            self.around(field, text, &changes, None, begun, block);
            let at = from - line.start;
            let moved = changes.into_iter().map(|range| Range { from: at + range.from, to: at + range.to, ..range });
            self.edits.extend(moved);
        }
        let unknown = cut.iter().skip(fields).copied().chain(open.map(|at| (at, line.end)));
        let unknown =
            unknown.map(|(from, to)| Range { from: from - line.start, to: to - line.start, by: NOTHING.to_vec() });
        self.edits.extend(unknown);
        let invalid = base.invalid[row.invalid.0..row.invalid.1].iter();
        block.invalid.extend(invalid.filter(|(column, _)| !refilled.contains(column)));
        self.cut = cut;
        self.end(row, line, begun, block);
    }

    /// Add the row, now that its values are there.
    fn end(&mut self, row: &Row, line: Line<'_>, begun: Begun, block: &mut Block) {
        let text = line.text();
        let arena = block.arena.len();
        replace(text, 0, text.len(), &self.edits, &mut block.arena);
        let text = kept(&block.arena, arena);
        block.invalid[begun.invalid..].sort_by_key(|&(column, _)| column);
        block.rows.push(Row {
            text,
            odd: None,
            slots: begun.slots,
            extra: (0, 0),
            invalid: (begun.invalid, block.invalid.len()),
            ..row.clone()
        });
    }

    /// Give the columns of a place their values; what stands there instead, if that is something else.
    fn place(
        &mut self,
        place: &Place<'_>,
        (row, line): (&Row, Line<'_>),
        zone: Option<&Zone>,
        begun: Begun,
        block: &mut Block,
    ) -> Option<Range> {
        let of_format = &self.redaction.formats[row.layout.format];
        let logged = &line.text()[place.from..place.to];
        let text = place.text.as_deref().unwrap_or(logged);
        let changes = ranges(&place.fields, text, |column| of_format.methods[column], &self.redaction.key);
        if changes.is_empty() && !place.fields.is_empty() {
            let span = match &place.text {
                Some(text) => keep(&mut block.arena, text),
                None => Span::new(line.start + place.from, line.start + place.to),
            };
            let zone = zone.unwrap_or(&self.utc);
            let mut cells = begun.cells(block);
            place.fields.iter().for_each(|field| fill(field, text, span, zone, &mut cells));
            return None;
        }
        for field in &place.fields {
            self.around(field, text, &changes, zone, begun, block);
        }
        let by = match (&place.text, place.fields.is_empty()) {
            (None, true) => NOTHING.to_vec(),
            (None, false) => replaced(text, 0, text.len(), &changes),
            (Some(_), true) => b"null".to_vec(),
            (Some(_), false) => match replaced(text, 0, text.len(), &changes).as_slice() {
                NOTHING => b"null".to_vec(),
                new => json(&lossy(new)).into_bytes(),
            },
        };
        Some(Range { from: place.from, to: place.to, by })
    }

    /// Give the columns of a field the values that are left.
    fn around(
        &mut self,
        field: &Field,
        text: &[u8],
        changes: &[Range],
        zone: Option<&Zone>,
        begun: Begun,
        block: &mut Block,
    ) {
        let before = &mut self.before;
        before.forget();
        let whole = keep(&mut before.arena, text);
        let slots = block.slots.len() - begun.slots;
        let was = Begun::new(before, slots);
        fill(field, text, whole, zone.unwrap_or(&self.utc), &mut was.cells(before));
        for part in parts(field, text) {
            let (column, slot) = (field.columns[part.place], field.slots[part.place]);
            let invalid = before.invalid.iter().find(|(noted, _)| *noted == column).map(|&(_, span)| span);
            let touches = |range: &&Range| range.from < part.to && part.from < range.to;
            let touching = || changes.iter().filter(touches);
            let mut cells = begun.cells(block);
            if touching().next().is_none() {
                let mut copied = |span: Span| cells.keep(&before.arena[span.start()..span.end()]);
                let value = Some(before.slots[slot]).filter(|span| span.is_present()).map(&mut copied);
                let invalid = invalid.map(&mut copied);
                if let Some(span) = value {
                    cells.put(slot, span);
                }
                if let Some(span) = invalid {
                    cells.refuse(column, span);
                }
                continue;
            }
            let new = replaced(text, part.from, part.to, changes);
            if new == NOTHING || touching().any(|range| range.from < part.from || part.to < range.to) {
                continue;
            }
            if invalid.is_some() {
                let span = cells.keep(&new);
                cells.refuse(column, span);
            } else if !part.of_number {
                let span = cells.keep(&new);
                cells.put(slot, span);
            }
        }
    }

    fn header(&mut self, row: &Row, line: Line<'_>) -> Option<Header> {
        self.plan.formats[row.layout.format].syslog?;
        Some(syslog::read(line.text(), self.reference, &self.plan.zone, &mut self.stamps))
    }

    /// The fields of a line that matches a template, behind its header or from its start.
    fn in_template(&mut self, row: &Row, line: Line<'_>, layout: &'p Template) -> Vec<Place<'p>> {
        let header = self.header(row, line);
        let none = Some(Header::default()).filter(|_| header.is_none_or(|header| header.text_at > 0));
        for header in [header, none].into_iter().flatten() {
            let at = header.text_at;
            if !self.matches(&line.text()[at..], layout, row.truncated) {
                continue;
            }
            let fields = layout.elements.iter().flat_map(Element::fields);
            let known = fields
                .zip(&self.found.texts)
                .filter_map(|(field, place)| place.map(|(from, to)| Place::of(field, at + from, at + to)));
            let unknown = self.found.extra.iter().map(|&(from, to)| Place::unknown(at + from, at + to));
            let mut places: Vec<Place<'p>> = known.chain(unknown).collect();
            let (behind, end) = (places.iter().map(|place| place.to).max().unwrap_or(at), line.text().len());
            if row.truncated && behind < end {
                places.push(Place::unknown(behind, end));
            }
            places.extend(self.in_header(row, &header));
            return places;
        }
        vec![Place::unknown(0, line.text().len())]
    }

    fn matches(&mut self, text: &[u8], layout: &Template, truncated: bool) -> bool {
        let captures = self.plan.captures;
        match straight::walk(text, layout, captures, &mut self.dates, &mut self.found) {
            Way::Never => false,
            Way::Through if !truncated => true,
            _ => {
                let found = template::find(text, layout, captures, truncated);
                let found = found.filter(|found| found.truncated == truncated);
                found.map(|found| self.found = found).is_some()
            }
        }
    }

    /// What a header tells.
    fn in_header(&self, row: &Row, header: &Header) -> Vec<Place<'p>> {
        let fields = self.redaction.formats[row.layout.format].header.iter().zip(header.values);
        fields.filter_map(|(field, place)| place.map(|(from, to)| Place::of(field, from, to))).collect()
    }

    /// The values of a JSON object; of those that come again under the same key all but the last are unknown.
    fn in_object(&mut self, row: &Row, line: Line<'_>, layout: &'p Objects) -> Vec<Place<'p>> {
        let header = self.header(row, line).unwrap_or_default();
        let at = header.text_at;
        let pairs = objects::pairs(&line.text()[at..]).unwrap_or_default();
        let mut places = Vec::with_capacity(pairs.len());
        for (number, (key, value, (from, to))) in pairs.iter().enumerate() {
            let fields: Vec<&Field> = layout.fields.iter().filter(|field| **key == *field.key.as_bytes()).collect();
            let comes_again = pairs[number + 1..].iter().any(|(other, _, _)| other == key);
            let text = match fields.last() {
                Some(field) if !comes_again => value.join(field.separator.as_bytes()).into_owned(),
                _ => Vec::new(),
            };
            let fields = if comes_again { Vec::new() } else { fields };
            places.push(Place { fields, from: at + from, to: at + to, text: Some(text) });
        }
        places.extend(self.in_header(row, &header));
        places
    }
}

/// Where the fields of a line stand; gives the place of the quote that opens a field which nothing closes.
fn cut_line(line: Line<'_>, layout: &Columns, cut: &mut Vec<(usize, usize)>) -> Option<usize> {
    cut.clear();
    if is_tabbed(line) {
        cut.extend(tabbed(line));
        return None;
    }
    let mut cursor = Cursor::new(line, layout);
    while let Some(place) = cursor.next(layout.fields.get(cursor.count).is_some_and(|field| field.bare)) {
        cut.push(place);
    }
    cursor.open_at
}
