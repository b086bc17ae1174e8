//! Records without what is not to be seen of them. The rules stand in the reference twin's module of the same name.

use std::collections::HashMap;

use crate::block::{Block, Line, Row, Span, TimeSource, keep};
use crate::cells::{Begun, fill};
use crate::columns::{Cursor, is_tabbed, tabbed};
use crate::keys::json;
use crate::objects;
use crate::parts::{Method, NOTHING, Range, parts, ranges, replaced};
use crate::spec::{Columns, Escape, Field, Kind, Layout, Objects, Plan, Template, Zone};
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
}

impl Redaction {
    /// Fields by name and methods; the hash has a key. None if there is nothing to redact.
    #[must_use]
    pub fn new(plan: &Plan, methods: &[(String, Method)], key: Vec<u8>) -> Option<Self> {
        let methods: HashMap<&str, Method> = methods.iter().map(|(name, method)| (name.as_str(), *method)).collect();
        let formats = plan.formats.iter().map(|known| OfFormat {
            methods: known.columns.iter().map(|column| methods.get(column.names[0].as_str()).copied()).collect(),
            header: known.syslog.iter().flatten().enumerate().map(|(place, &column)| of_header(place, column)).collect(),
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
        }
    }

    /// Add the record of another block as it is to be seen. The arena of the block begins with the other's.
    pub fn add(&mut self, row: &Row, base: &Block, block: &mut Block) {
        let known = &self.plan.formats[row.layout.format];
        let layout = self.plan.layout(row.layout);
        let line = base.line(row);
        let (places, zone) = match layout {
            Layout::Columns(layout) => (in_columns(line, layout), None),
            Layout::Template(layout) => (self.in_template(row, line, layout), Some(&self.plan.zone)),
            Layout::Objects(layout) => {
                (self.in_object(row, line, layout), known.syslog.map(|_| &self.plan.zone))
            }
        };
        let slots = layout.slots(known.columns.len());
        let begun = Begun::new(block, slots);
        let mut edits = Vec::new();
        for place in &places {
            if let Some(edit) = self.place(place, (row, line), zone, begun, block) {
                edits.push(edit);
            }
        }
        if row.time_source == TimeSource::Syslog {
            block.slots[begun.slots] = base.slots(row, slots)[0];
        }
        edits.sort_by_key(|edit| edit.from);
        let text = line.text();
        let text = keep(&mut block.arena, &replaced(text, 0, text.len(), &edits));
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
                value.into_iter().for_each(|span| cells.put(slot, span));
                invalid.into_iter().for_each(|span| cells.refuse(column, span));
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
            let fields = layout.elements.iter().flat_map(|element| element.fields());
            let known = fields.zip(&self.found.texts).filter_map(|(field, place)| {
                place.map(|(from, to)| Place::of(field, at + from, at + to))
            });
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

/// The fields of a line by position.
fn in_columns<'p>(line: Line<'_>, layout: &'p Columns) -> Vec<Place<'p>> {
    let mut places = Vec::with_capacity(layout.fields.len());
    let mut add = |from: usize, to: usize| {
        let (from, to) = (from - line.start, to - line.start);
        let place = layout.fields.get(places.len()).map(|field| Place::of(field, from, to));
        places.push(place.unwrap_or_else(|| Place::unknown(from, to)));
    };
    if is_tabbed(line) {
        tabbed(line).for_each(|(from, to)| add(from, to));
        return places;
    }
    let mut cursor = Cursor::new(line, layout);
    while let Some((from, to)) = cursor.next(layout.fields.get(cursor.count).is_some_and(|field| field.bare)) {
        add(from, to);
    }
    if let Some(open) = cursor.open_at {
        places.push(Place::unknown(open - line.start, line.end - line.start));
    }
    places
}
