//! Records as Arrow columns.

use std::sync::Arc;

use arrow_array::builder::{
    BooleanBuilder, Float64Builder, Int64Builder, ListBuilder, StringBuilder, TimestampMicrosecondBuilder,
};
use arrow_array::{ArrayRef, StructArray};
use arrow_schema::{DataType, Field, Fields, TimeUnit};

use crate::block::{Block, Row, Span, TimeSource};
use crate::ids::Ids;
use crate::ndjson::invalid_json;
use crate::spec::{Escape, Format, Plan, Role, Type, Writing, Zone, writings};
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
    let known = &plan.formats[format];
    let layouts: Vec<_> = known.layouts.iter().map(|layout| writings(known, layout)).collect();
    let is_wanted = |row: &&Row| row.layout.format == format && day_of(row) == day;
    let rows: Vec<&Row> = block.rows.iter().filter(is_wanted).collect();
    let table = Table { block, rows, known, layouts };
    let mut fields = vec![Field::new(&plan.names.id, DataType::Utf8, true)];
    let mut arrays: Vec<ArrayRef> = vec![table.ids(ids)];
    for (column, declared) in known.columns.iter().enumerate() {
        fields.push(Field::new(&declared.names[0], data_type(declared.r#type), true));
        arrays.push(table.column(column, declared.r#type));
    }
    let text_list = data_type(Type::Texts);
    let own = [
        (&plan.names.time_source[0], DataType::Utf8, table.time_sources()),
        (&plan.names.truncated[0], DataType::Boolean, table.truncated()),
        (&plan.names.invalid[0], DataType::Utf8, table.invalid(plan)),
        (&plan.names.extra[0], text_list, table.extra()),
    ];
    for (name, data_type, array) in own {
        fields.push(Field::new(name, data_type, true));
        arrays.push(array);
    }
    StructArray::new(Fields::from(fields), arrays, None)
}

fn data_type(r#type: Type) -> DataType {
    let list = |item| DataType::List(Arc::new(Field::new_list_field(item, true)));
    match r#type {
        Type::Text => DataType::Utf8,
        Type::Int => DataType::Int64,
        Type::Float => DataType::Float64,
        Type::Time => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        Type::Texts => list(DataType::Utf8),
        Type::Ints => list(DataType::Int64),
    }
}

struct Table<'a> {
    block: &'a Block,
    rows: Vec<&'a Row>,
    known: &'a Format,
    layouts: Vec<(Vec<Writing>, Vec<String>)>,
}

impl<'a> Table<'a> {
    /// Each record with its value of a column, if it has one, and how that is written.
    fn cells(&self, column: usize) -> impl Iterator<Item = (&'a Row, Option<Span>, Writing)> + '_ {
        self.rows.iter().map(move |&row| {
            let layout = &self.known.layouts[row.layout.layout];
            let slots = self.block.slots(row, layout.slots(self.known.columns.len()));
            let span = layout.slot_of(column).map(|slot| slots[slot]).filter(|span| span.is_present());
            (row, span, self.layouts[row.layout.layout].0[column])
        })
    }

    fn separator(&self, row: &Row, writing: Writing) -> &str {
        &self.layouts[row.layout.layout].1[writing.separator]
    }

    fn column(&self, column: usize, r#type: Type) -> ArrayRef {
        match r#type {
            Type::Text => self.texts(column),
            Type::Int => self.integers(column),
            Type::Float => self.decimals(column),
            Type::Time => self.times(column),
            Type::Texts => self.text_lists(column),
            Type::Ints => self.integer_lists(column),
        }
    }

    fn texts(&self, column: usize) -> ArrayRef {
        let bytes = self.cells(column).map(|(_, span, _)| span.map_or(0, Span::len)).sum();
        let mut builder = StringBuilder::with_capacity(self.rows.len(), bytes);
        for (row, span, writing) in self.cells(column) {
            let Some(span) = span else {
                builder.append_null();
                continue;
            };
            let escape = if writing.role == Role::Plain { Escape::None } else { writing.escape };
            let view = self.block.view(row);
            let plain = view.is_plain(span, escape);
            match (writing.role, plain) {
                (Role::Raw, true) => builder.append_null(),
                (Role::Raw, false) => builder.append_option(values::raw_if_changed(view, span, escape)),
                (_, true) => builder.append_value(std::str::from_utf8(self.block.view(row).text(span)).unwrap_or_default()),
                (_, false) => builder.append_value(values::decoded(view, span, escape)),
            }
        }
        Arc::new(builder.finish())
    }

    /// The digits of a number; they were found to be such when the record was read.
    fn digits(&self, row: &Row, span: Option<Span>) -> Option<&'a str> {
        std::str::from_utf8(self.block.view(row).text(span?)).ok()
    }

    fn integers(&self, column: usize) -> ArrayRef {
        let mut builder = Int64Builder::with_capacity(self.rows.len());
        for (row, span, _) in self.cells(column) {
            builder.append_option(self.digits(row, span).and_then(|digits| digits.parse().ok()));
        }
        Arc::new(builder.finish())
    }

    fn decimals(&self, column: usize) -> ArrayRef {
        let mut builder = Float64Builder::with_capacity(self.rows.len());
        for (row, span, _) in self.cells(column) {
            builder.append_option(self.digits(row, span).and_then(|digits| digits.parse().ok()));
        }
        Arc::new(builder.finish())
    }

    fn times(&self, column: usize) -> ArrayRef {
        let utc = Zone::utc();
        let mut builder = TimestampMicrosecondBuilder::with_capacity(self.rows.len());
        for (row, span, _) in self.cells(column) {
            let moment = span.and_then(|span| times::read(self.block.view(row).text(span), &utc));
            builder.append_option(if column == 0 { span.map(|_| row.time) } else { moment.map(|moment| moment.us) });
        }
        Arc::new(builder.finish().with_timezone("UTC"))
    }

    fn text_lists(&self, column: usize) -> ArrayRef {
        let mut builder = ListBuilder::new(StringBuilder::new());
        for (row, span, writing) in self.cells(column) {
            let separator = self.separator(row, writing);
            if let Some(span) = span {
                let text = self.block.view(row).text(span);
                match writing.role {
                    Role::Offers => builder.values().extend(values::offers(text, separator).into_iter().map(Some)),
                    Role::Texts if text.is_empty() => {}
                    _ => builder.values().extend(values::texts(text, separator, writing.escape).map(Some)),
                }
            }
            builder.append(span.is_some());
        }
        Arc::new(builder.finish())
    }

    fn integer_lists(&self, column: usize) -> ArrayRef {
        let mut builder = ListBuilder::new(Int64Builder::new());
        for (row, span, writing) in self.cells(column) {
            let separator = self.separator(row, writing);
            if let Some(span) = span {
                for number in values::numbers(self.block.view(row).text(span), separator) {
                    let digits = number.as_deref().and_then(|digits| std::str::from_utf8(digits).ok());
                    builder.values().append_option(digits.and_then(|digits| digits.parse().ok()));
                }
            }
            builder.append(span.is_some());
        }
        Arc::new(builder.finish())
    }

    fn ids(&self, ids: &Ids) -> ArrayRef {
        let mut builder = StringBuilder::with_capacity(self.rows.len(), self.rows.len() * 32);
        for row in &self.rows {
            builder.append_value(std::str::from_utf8(&ids.hex(row.offset)).unwrap_or_default());
        }
        Arc::new(builder.finish())
    }

    fn time_sources(&self) -> ArrayRef {
        let mut builder = StringBuilder::new();
        for row in &self.rows {
            builder.append_option(match row.time_source {
                TimeSource::Own => None,
                TimeSource::Syslog => Some("syslog"),
                TimeSource::None => Some("none"),
            });
        }
        Arc::new(builder.finish())
    }

    fn truncated(&self) -> ArrayRef {
        let mut builder = BooleanBuilder::new();
        for row in &self.rows {
            builder.append_option(row.truncated.then_some(true));
        }
        Arc::new(builder.finish())
    }

    fn invalid(&self, plan: &Plan) -> ArrayRef {
        let mut builder = StringBuilder::new();
        for row in &self.rows {
            builder.append_option((row.invalid.0 < row.invalid.1).then(|| invalid_json(self.block, plan, row)));
        }
        Arc::new(builder.finish())
    }

    fn extra(&self) -> ArrayRef {
        let mut builder = ListBuilder::new(StringBuilder::new());
        for row in &self.rows {
            for &word in &self.block.extra[row.extra.0..row.extra.1] {
                builder.values().append_value(values::decoded(self.block.view(row), word, Escape::None));
            }
            builder.append(row.extra.0 < row.extra.1);
        }
        Arc::new(builder.finish())
    }
}
