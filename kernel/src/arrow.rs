//! Records as Arrow columns.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, BooleanArray, StructArray};
use arrow_buffer::NullBuffer;
use arrow_schema::{Field, Fields};

use crate::block::{Block, Row, Span, TimeSource, View};
use crate::building::{Bits, Ends, Form, RUN, Text, Texts, floats, integers, list, moments};
use crate::cells::split;
use crate::fast::{Cpu, Hot, at_best};
use crate::ids::Ids;
use crate::lending::Growing;
use crate::ndjson::invalid_json;
use crate::numbers::{Times, float, integer};
use crate::spec::{Escape, Format, Layout, Plan, Role, Type, Writing, writings};
use crate::{times, values};

/// Format, day and number of records for each pair that occurs, in the order of their first record.
#[must_use]
pub fn partitions(block: &Block) -> Vec<(usize, Option<i64>, usize)> {
    let mut found: Vec<(usize, Option<i64>, usize)> = Vec::new();
    for row in &block.rows {
        let key = (row.layout.format, day_of(row));
        match found.iter_mut().rev().find(|(format, day, _)| (*format, *day) == key) {
            Some((_, _, count)) => *count += 1,
            None => found.push((key.0, key.1, 1)),
        }
    }
    found
}

/// The day of a record since 1970.
#[must_use]
pub fn day_of(row: &Row) -> Option<i64> {
    (row.time_source != TimeSource::None).then(|| times::day(row.time))
}

/// The records of one format and day as columns: the id, the format's columns, and what it did not know.
#[must_use]
pub fn columns(block: &Block, plan: &Plan, format: usize, day: Option<i64>, ids: &Ids) -> StructArray {
    let mut table = Table::new(plan, format, false);
    table.add(block, plan, day, ids);
    table.take()
}

/// Columns that grow by the records of batch after batch, all of one format.
pub struct Table {
    format: usize,
    layouts: Vec<Filling>,
    names: Vec<String>,
    ids: Column,
    columns: Vec<Column>,
    own: Own,
    times: Times,
    rows: usize,
    dictionaries: bool,
}

/// How the records of a layout fill the columns.
struct Filling {
    slots: usize,
    columns: Vec<(Option<usize>, Writing)>,
    separators: Vec<String>,
}

/// What belongs to no column of the format.
struct Own {
    time_source: Column,
    truncated: Bits,
    invalid: Column,
    extra: Column,
}

struct Column {
    present: Bits,
    values: Values,
}

enum Values {
    Text(Text),
    Int(Growing<i64>),
    Float(Growing<f64>),
    Time(Growing<i64>),
    /// The record's own time, which it knows already.
    OwnTime(Growing<i64>),
    /// Items, and where each list ends.
    Texts(Text, Ends),
    Ints(Growing<i64>, Bits, Ends),
}

/// A record and what its spans stand for.
struct Source<'a> {
    row: &'a Row,
    view: View<'a>,
    slots: &'a [Span],
}

/// Some records of one layout, and which of their values go into a column.
#[derive(Clone, Copy)]
struct Run<'a> {
    sources: &'a [Source<'a>],
    slot: usize,
    role: Role,
    escape: Escape,
    separator: &'a str,
}

impl Table {
    /// An empty table; with `dictionaries` texts that repeat are kept once.
    #[must_use]
    pub fn new(plan: &Plan, format: usize, dictionaries: bool) -> Self {
        let known = &plan.formats[format];
        let names = &plan.names;
        let own = [&names.time_source[0], &names.truncated[0], &names.invalid[0], &names.extra[0]];
        let names = std::iter::once(&names.id).chain(known.columns.iter().map(|column| &column.names[0])).chain(own);
        let column = |r#type| Column { present: Bits::default(), values: Values::new(r#type, dictionaries) };
        let mut columns: Vec<_> = known.columns.iter().map(|declared| column(declared.r#type)).collect();
        columns[0].values = Values::OwnTime(Growing::default());
        Self {
            format,
            layouts: known.layouts.iter().map(|layout| Filling::new(known, layout)).collect(),
            names: names.cloned().collect(),
            ids: Column { present: Bits::default(), values: Values::new(Type::Text, false) },
            columns,
            own: Own {
                time_source: column(Type::Text),
                truncated: Bits::default(),
                invalid: column(Type::Text),
                extra: column(Type::Texts),
            },
            times: Times::default(),
            rows: 0,
            dictionaries,
        }
    }

    /// How many records.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// How many bytes of memory they take.
    #[must_use]
    pub fn memory(&self) -> usize {
        let own = [&self.ids, &self.own.time_source, &self.own.invalid, &self.own.extra];
        self.columns.iter().chain(own).map(Column::memory).sum::<usize>() + self.own.truncated.memory()
    }

    /// Add the records of the table's format and of that day.
    pub fn add(&mut self, block: &Block, plan: &Plan, day: Option<i64>, ids: &Ids) {
        if self.rows == 0 {
            let own = [&mut self.ids, &mut self.own.time_source, &mut self.own.invalid, &mut self.own.extra];
            self.columns.iter_mut().chain(own).for_each(Column::reuse);
            self.own.truncated.reuse();
        }
        at_best(Adding { table: self, block, plan, day, ids });
    }

    /// All records; none are left.
    pub fn take(&mut self) -> StructArray {
        let mut arrays = vec![self.ids.take()];
        arrays.extend(self.columns.iter_mut().map(Column::take));
        let truncated = self.own.truncated.take();
        let nulls = NullBuffer::new(truncated.clone());
        arrays.push(self.own.time_source.take());
        arrays.push(Arc::new(BooleanArray::new(truncated, Some(nulls))));
        arrays.push(self.own.invalid.take());
        arrays.push(self.own.extra.take());
        self.rows = 0;
        let typed = self.names.iter().zip(&arrays);
        let fields: Fields = typed.map(|(name, array)| Field::new(name, array.data_type().clone(), true)).collect();
        StructArray::new(fields, arrays, None)
    }

    /// Forget all records, and what their texts have taught.
    pub fn clear(&mut self) {
        drop(self.take());
        let own = [&mut self.own.time_source, &mut self.own.invalid, &mut self.own.extra];
        for column in self.columns.iter_mut().chain(own) {
            if let Values::Text(texts) | Values::Texts(texts, _) = &mut column.values {
                texts.restart(self.dictionaries);
            }
        }
    }

    /// Add records of one layout.
    #[inline(always)]
    fn add_run(&mut self, sources: &[Source<'_>], block: &Block, plan: &Plan, ids: &Ids) {
        let Some(first) = sources.first() else { return };
        let filling = &self.layouts[first.row.layout.layout];
        self.ids.add_texts(sources, |source| Some(ids.hex(source.row.offset)));
        for (column, &(slot, writing)) in self.columns.iter_mut().zip(&filling.columns) {
            let Some(slot) = slot else {
                column.add_nulls(sources.len());
                continue;
            };
            let escape = if writing.role == Role::Plain { Escape::None } else { writing.escape };
            let separator = filling.separators.get(writing.separator).map_or("", String::as_str);
            column.add(Run { sources, slot, role: writing.role, escape, separator }, &mut self.times);
        }
        self.own.add(sources, block, plan);
        self.rows += sources.len();
    }
}

struct Adding<'t, 'a> {
    table: &'t mut Table,
    block: &'a Block,
    plan: &'a Plan,
    day: Option<i64>,
    ids: &'a Ids,
}

impl Hot for Adding<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<C: Cpu>(self, _cpu: C) {
        let format = self.table.format;
        let slots: Vec<usize> = self.table.layouts.iter().map(|filling| filling.slots).collect();
        let wanted = |row: &&Row| row.layout.format == format && day_of(row) == self.day;
        let mut sources: Vec<Source<'_>> = Vec::with_capacity(RUN);
        for row in self.block.rows.iter().filter(wanted) {
            if sources.len() == RUN || sources.last().is_some_and(|last| last.row.layout != row.layout) {
                self.table.add_run(&sources, self.block, self.plan, self.ids);
                sources.clear();
            }
            let slots = self.block.slots(row, slots[row.layout.layout]);
            sources.push(Source { row, view: self.block.view(row), slots });
        }
        self.table.add_run(&sources, self.block, self.plan, self.ids);
    }
}

impl Filling {
    fn new(known: &Format, layout: &Layout) -> Self {
        let (writings, separators) = writings(known, layout);
        let columns = writings.into_iter().enumerate().map(|(column, writing)| (layout.slot_of(column), writing));
        Self { slots: layout.slots(known.columns.len()), columns: columns.collect(), separators }
    }
}

impl Own {
    fn add(&mut self, sources: &[Source<'_>], block: &Block, plan: &Plan) {
        let is_usual = |source: &Source<'_>| {
            let row = source.row;
            row.time_source == TimeSource::Own
                && !row.truncated
                && row.invalid.0 == row.invalid.1
                && row.extra.0 == row.extra.1
        };
        if sources.iter().all(is_usual) {
            for column in [&mut self.time_source, &mut self.invalid, &mut self.extra] {
                column.add_nulls(sources.len());
            }
            return self.truncated.add(0, sources.len());
        }
        self.time_source.add_texts(sources, |source| match source.row.time_source {
            TimeSource::Own => None,
            TimeSource::Syslog => Some("syslog"),
            TimeSource::None => Some("none"),
        });
        let truncated = bits(sources.iter().map(|source| source.row.truncated));
        self.truncated.add(truncated, sources.len());
        self.invalid.add_texts(sources, |Source { row, view, .. }| {
            (row.invalid.0 < row.invalid.1).then(|| invalid_json(block, *view, plan, row))
        });
        self.extra.add_items(sources, |Source { row, view, .. }, items| {
            for &word in &block.extra[row.extra.0..row.extra.1] {
                items.text(values::decoded(*view, word, Escape::None).as_bytes());
            }
            row.extra.0 < row.extra.1
        });
    }
}

/// The bits of at most a word, the first in the lowest place.
#[inline(always)]
fn bits(each: impl Iterator<Item = bool>) -> u64 {
    each.enumerate().fold(0, |bits, (place, bit)| bits | u64::from(bit) << place)
}

/// The parts between separators. They are short, and separators mostly one byte: a search would be dearer than a look.
#[inline(always)]
fn parts<'a>(text: &'a [u8], separator: &str, add: impl FnMut(&'a [u8])) {
    match *separator.as_bytes() {
        [separator] => text.split(|&byte| byte == separator).for_each(add),
        _ => split(text, separator.as_bytes()).map(|(from, to)| &text[from..to]).for_each(add),
    }
}

impl<'a> Run<'a> {
    /// Hand over each record with its value, if it has one; the bits tell which have become one.
    #[inline(always)]
    fn each(self, mut add: impl FnMut(&Source<'a>, Option<Span>) -> bool) -> u64 {
        bits(self.sources.iter().map(|source| {
            let span = source.slots[self.slot];
            add(source, span.is_present().then_some(span))
        }))
    }

    /// Whether the value needs no more than copying.
    #[inline(always)]
    fn is_plain(self, source: &Source<'_>, span: Span) -> bool {
        source.view.is_plain(span, self.escape)
    }

    #[inline(always)]
    fn add_to(self, texts: &mut impl Texts) -> u64 {
        self.each(|source, span| {
            let Some(span) = span else {
                texts.none();
                return false;
            };
            if !self.is_plain(source, span) {
                return self.add_decoded(source.view, span, texts);
            }
            if self.role == Role::Raw {
                texts.none();
                return false;
            }
            texts.part(source.view.bytes, span.start(), span.len());
            true
        })
    }

    #[inline(never)]
    fn add_decoded(self, view: View<'_>, span: Span, texts: &mut impl Texts) -> bool {
        if self.role != Role::Raw {
            texts.text(values::decoded(view, span, self.escape).as_bytes());
            return true;
        }
        let raw = values::raw_if_changed(view, span, self.escape);
        match &raw {
            Some(raw) => texts.text(raw.as_bytes()),
            None => texts.none(),
        }
        raw.is_some()
    }

    /// Add the items of a list of texts.
    #[inline(always)]
    fn add_items(self, source: &Source<'_>, span: Span, items: &mut Text) {
        let text = source.view.text(span);
        match self.role {
            Role::Offers => values::offers(text, self.separator).iter().for_each(|item| items.text(item.as_bytes())),
            Role::Texts if text.is_empty() => {}
            _ if self.is_plain(source, span) => {
                let mut at = span.start();
                parts(text, self.separator, |part| {
                    items.part(source.view.bytes, at, part.len());
                    at += part.len() + self.separator.len();
                });
            }
            _ => values::texts(text, self.separator, self.escape).for_each(|item| items.text(item.as_bytes())),
        }
    }
}

impl Values {
    fn new(r#type: Type, dictionaries: bool) -> Self {
        match r#type {
            Type::Text => Self::Text(Text::new(dictionaries)),
            Type::Int => Self::Int(Growing::default()),
            Type::Float => Self::Float(Growing::default()),
            Type::Time => Self::Time(Growing::default()),
            Type::Texts => Self::Texts(Text::new(dictionaries), Ends::default()),
            Type::Ints => Self::Ints(Growing::default(), Bits::default(), Ends::default()),
        }
    }
}

impl Column {
    #[inline(always)]
    fn add(&mut self, run: Run<'_>, times: &mut Times) {
        let bits = match &mut self.values {
            Values::Text(texts) => match texts.form() {
                Form::Dense(texts) => run.add_to(texts),
                Form::Dictionary(texts) => run.add_to(texts),
            },
            Values::Int(values) => {
                run.each(|source, span| put(values, span.and_then(|span| integer(source.view.text(span)))))
            }
            Values::Float(values) => {
                run.each(|source, span| put(values, span.and_then(|span| float(source.view.text(span)))))
            }
            Values::Time(values) => {
                run.each(|source, span| put(values, span.and_then(|span| times.read(source.view.text(span)))))
            }
            Values::OwnTime(values) => run.each(|source, span| put(values, span.map(|_| source.row.time))),
            Values::Texts(items, ends) => run.each(|source, span| {
                span.inspect(|&span| run.add_items(source, span, items));
                ends.push(items.len());
                span.is_some()
            }),
            Values::Ints(items, present, ends) => run.each(|source, span| {
                if let Some(text) = span.map(|span| source.view.text(span)).filter(|text| !text.is_empty()) {
                    parts(text, run.separator, |part| present.add(put(items, integer(part)).into(), 1));
                }
                ends.push(items.len());
                span.is_some()
            }),
        };
        self.present.add(bits, run.sources.len());
        self.look();
    }

    fn add_texts<T: AsRef<[u8]>>(&mut self, sources: &[Source<'_>], text: impl Fn(&Source<'_>) -> Option<T>) {
        if let Values::Text(texts) = &mut self.values {
            let bits = bits(sources.iter().map(|source| {
                let text = text(source);
                match &text {
                    Some(text) => texts.text(text.as_ref()),
                    None => texts.none(),
                }
                text.is_some()
            }));
            self.present.add(bits, sources.len());
        }
        self.look();
    }

    fn add_items(&mut self, sources: &[Source<'_>], add: impl Fn(&Source<'_>, &mut Text) -> bool) {
        if let Values::Texts(items, ends) = &mut self.values {
            let bits = bits(sources.iter().map(|source| {
                let is_present = add(source, items);
                ends.push(items.len());
                is_present
            }));
            self.present.add(bits, sources.len());
        }
        self.look();
    }

    fn add_nulls(&mut self, count: usize) {
        match &mut self.values {
            Values::Text(texts) => (0..count).for_each(|_| texts.none()),
            Values::Int(values) | Values::Time(values) | Values::OwnTime(values) => {
                values.extend(std::iter::repeat_n(0, count));
            }
            Values::Float(values) => values.extend(std::iter::repeat_n(0.0, count)),
            Values::Texts(_, ends) | Values::Ints(_, _, ends) => ends.repeat(count),
        }
        self.present.add(0, count);
    }

    /// Let texts change their form.
    #[inline(always)]
    fn look(&mut self) {
        if let Values::Text(texts) | Values::Texts(texts, _) = &mut self.values {
            texts.look();
        }
    }

    fn memory(&self) -> usize {
        self.present.memory()
            + match &self.values {
                Values::Text(texts) => texts.memory(),
                Values::Int(values) | Values::Time(values) | Values::OwnTime(values) => values.memory(),
                Values::Float(values) => values.memory(),
                Values::Texts(items, ends) => items.memory() + ends.memory(),
                Values::Ints(items, present, ends) => items.memory() + present.memory() + ends.memory(),
            }
    }

    /// Use memory again that has come back.
    fn reuse(&mut self) {
        self.present.reuse();
        match &mut self.values {
            Values::Text(texts) => texts.reuse(),
            Values::Int(values) | Values::Time(values) | Values::OwnTime(values) => values.reuse(),
            Values::Float(values) => values.reuse(),
            Values::Texts(items, ends) => {
                items.reuse();
                ends.reuse();
            }
            Values::Ints(items, present, ends) => {
                items.reuse();
                present.reuse();
                ends.reuse();
            }
        }
    }

    fn take(&mut self) -> ArrayRef {
        let nulls = self.present.take_nulls();
        match &mut self.values {
            Values::Text(texts) => texts.take(nulls),
            Values::Int(values) => Arc::new(integers(values, nulls)),
            Values::Float(values) => Arc::new(floats(values, nulls)),
            Values::Time(values) | Values::OwnTime(values) => Arc::new(moments(values, nulls)),
            Values::Texts(items, ends) => list(items.take(None), ends, nulls),
            Values::Ints(items, present, ends) => list(Arc::new(integers(items, present.take_nulls())), ends, nulls),
        }
    }
}

/// Add a value, or one of no meaning; tells which.
#[inline(always)]
fn put<T: Default>(values: &mut Vec<T>, value: Option<T>) -> bool {
    let is_present = value.is_some();
    values.push(value.unwrap_or_default());
    is_present
}
