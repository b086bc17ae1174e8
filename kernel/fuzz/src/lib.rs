//! What the fuzz targets share: plans, inputs, and all that the kernel tells of an input.
//!
//! The first three bytes of an input choose the plan, the size of the pieces in which the kernel gets the rest, whether
//! the data break off, what the kernel alone is to write, and how the records are seen. `tests/fuzzing/twin.py` reads inputs in the same way.

use std::fmt::Write;
use std::sync::{Arc, OnceLock};

use arrow_array::Array;
use serde_json::Value;
use tailrace_kernel::block::{Block, TimeSource};
use tailrace_kernel::ids::Ids;
use tailrace_kernel::keys::Schema;
use tailrace_kernel::ndjson::{self, Form};
use tailrace_kernel::parser::{Batch, Counts, Item, Parser, Rendering};
use tailrace_kernel::select::View;
use tailrace_kernel::spec::Plan;
use tailrace_kernel::{arrow, pool, times};

/// The variable that names the file of plans, which `run` writes.
pub const PLANS: &str = "TAILRACE_FUZZ_PLANS";
/// What the ids of all inputs are made of.
pub const IDENTITY: &[u8] = b"fuzz";

/// One way to read the bytes of an input.
pub struct Way {
    /// The formats and settings.
    pub plan: Arc<Plan>,
    schemas: Vec<Arc<Schema>>,
    views: Vec<View>,
    kind: String,
    reference: i64,
    offset: u64,
}

impl Way {
    fn from_value(value: &Value) -> Self {
        let plan = Plan::from_json(value["plan"].to_string().as_bytes()).expect("a plan");
        Self {
            views: views(&value["views"], &plan),
            schemas: (0..3).map(|number| Arc::new(Schema::new(&plan, number))).collect(),
            plan: Arc::new(plan),
            kind: value["kind"].as_str().expect("a name").to_owned(),
            reference: value["reference"].as_i64().expect("a time"),
            offset: value["offset"].as_u64().expect("an offset"),
        }
    }

    /// The records in a schema; with their ids in the first.
    #[must_use]
    pub fn ndjson(&self, block: &Block, schema: usize) -> Vec<u8> {
        self.ndjson_with(block, schema, &self.schemas)
    }

    fn ndjson_with(&self, block: &Block, schema: usize, schemas: &[Arc<Schema>]) -> Vec<u8> {
        let ids = (schema == 0).then(|| Ids::new(IDENTITY));
        let form = Form { plan: &self.plan, schema: &schemas[schema], ids: ids.as_ref() };
        let (bytes, len) = ndjson::write(block, form);
        let text = bytes[..len].to_vec();
        pool::give_text(bytes);
        text
    }
}

fn views(value: &Value, plan: &Plan) -> Vec<View> {
    let views = value.as_array().expect("a list").iter();
    views.map(|view| View::from_json(plan, view.to_string().as_bytes()).expect("a view")).collect()
}

fn ways() -> &'static [Way] {
    static WAYS: OnceLock<Vec<Way>> = OnceLock::new();
    WAYS.get_or_init(|| {
        let path =
            std::env::var(PLANS).unwrap_or_else(|_| panic!("{PLANS} is not set; start this with kernel/fuzz/run"));
        let plans: Value = serde_json::from_slice(&std::fs::read(path).expect("the file of plans")).expect("JSON");
        plans.as_array().expect("a list").iter().map(Way::from_value).collect()
    })
}

/// An input, taken apart.
pub struct Input<'a> {
    /// How it is to be read.
    pub way: &'static Way,
    /// The size of the pieces; 0 for all at once.
    pub step: usize,
    /// Whether the data break off.
    pub truncated: bool,
    /// The schema in which records are looked at, or none: then they are looked at as columns.
    pub schema: Option<usize>,
    /// How the records are seen.
    pub view: &'static View,
    /// The bytes of the item.
    pub data: &'a [u8],
}

impl<'a> Input<'a> {
    /// The input that libFuzzer's bytes stand for.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Option<Self> {
        let (&[plan, step, flags], data) = bytes.split_first_chunk()?;
        let (ways, step) = (ways(), usize::from(step));
        let way = &ways[usize::from(plan) % ways.len()];
        Some(Self {
            way,
            view: &way.views[usize::from(flags >> 3) % way.views.len()],
            step: if step < 128 { step } else { (step - 127) * 16 },
            truncated: flags & 1 == 1,
            schema: [Some(0), Some(1), Some(2), None][usize::from(flags >> 1 & 3)],
            data,
        })
    }

    /// All batches that the kernel makes of it.
    #[must_use]
    pub fn batches(&self) -> Vec<Batch> {
        self.batches_as(None)
    }

    /// The same as the view shows them.
    #[must_use]
    pub fn seen(&self) -> Vec<Batch> {
        let seen = |mut batch: Batch| {
            let block = Arc::new(std::mem::take(&mut batch.block));
            batch.block = self.view.select(&block, &self.way.plan, self.way.reference).block;
            batch
        };
        self.batches().into_iter().map(seen).collect()
    }

    /// The same; with a schema, their records are written at once.
    fn batches_as(&self, schema: Option<usize>) -> Vec<Batch> {
        let Way { plan, kind, reference, offset, schemas, .. } = self.way;
        let item = Item { kind: kind.clone(), reference: *reference, offset: *offset };
        let rendering = schema.map(|schema| {
            let ids = (schema == 0).then(|| Arc::new(Ids::new(IDENTITY)));
            Rendering::new(Arc::clone(&schemas[schema]), ids)
        });
        let mut parser = Parser::new(Arc::clone(plan), item, rendering);
        let step = if self.step == 0 { self.data.len().max(1) } else { self.step };
        let mut told: Vec<_> = self.data.chunks(step).map(|piece| parser.feed(Box::new(piece.to_vec()))).collect();
        told.push(parser.finish(self.truncated));
        told
    }
}

fn figures(counts: &Counts) -> [u64; 11] {
    let Counts {
        lines,
        records,
        record_lines,
        rejects,
        reject_lines,
        control,
        blank,
        invalid,
        unknown,
        mismatched,
        cut,
    } = *counts;
    [lines, records, record_lines, rejects, reject_lines, control, blank, invalid, unknown, mismatched, cut]
}

/// Panics if what was told of an input cannot be right, whatever the input.
pub fn check(input: &Input<'_>, batches: &[Batch]) {
    let (mut lines, mut end) = (0, input.way.offset);
    for batch in batches {
        let counts = &batch.counts;
        assert_eq!(counts.lines, counts.record_lines + counts.reject_lines + counts.control + counts.blank, "balance");
        assert_eq!(counts.records as usize, batch.block.rows.len(), "records");
        assert!(batch.end >= end, "the end goes back");
        lines += counts.lines;
        end = batch.end;
        match input.schema {
            _ if batch.block.rows.is_empty() => {}
            Some(schema) => check_objects(input.way, batch, schema),
            None => check_columns(input.way, batch),
        }
        check_places(input, batch);
    }
    check_rendering(input, batches);
    assert_eq!(end, input.way.offset + input.data.len() as u64, "the last batch ends with the item");
    let newlines = input.data.iter().filter(|&&byte| byte == b'\n').count() as u64;
    let rest = input.data.last().is_some_and(|&byte| byte != b'\n') && !input.truncated;
    assert_eq!(lines, newlines + u64::from(rest), "every line is accounted for");
}

/// Records that are written at once are written as they would be later, and everything else is told alike.
fn check_rendering(input: &Input<'_>, batches: &[Batch]) {
    let Some(schema) = input.schema else { return };
    let at_once = input.batches_as(Some(schema));
    assert_eq!(at_once.len(), batches.len(), "batches");
    for (batch, kept) in at_once.iter().zip(batches) {
        let (bytes, len) = &batch.text;
        let later = input.way.ndjson(&kept.block, schema);
        assert_eq!(String::from_utf8_lossy(&bytes[..*len]), String::from_utf8_lossy(&later), "written at once");
        assert_eq!(figures(&batch.counts), figures(&kept.counts), "counts");
        assert_eq!((batch.end, batch.rejects.len()), (kept.end, kept.rejects.len()), "rejects");
        assert!(batch.block.rows.is_empty(), "nothing is kept");
    }
}

/// Every record is one JSON object on a line of its own.
fn check_objects(way: &Way, batch: &Batch, schema: usize) {
    let text = String::from_utf8(way.ndjson(&batch.block, schema)).expect("UTF-8");
    assert_eq!(text.bytes().filter(|&byte| byte == b'\n').count(), batch.block.rows.len(), "an object for each");
    for line in text.split_terminator('\n') {
        let value: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert!(value.is_object(), "{line}");
    }
}

/// What a view shows are objects and columns too.
pub fn check_seen(input: &Input<'_>) {
    for batch in input.seen().iter().filter(|batch| !batch.block.rows.is_empty()) {
        match input.schema {
            Some(schema) => check_objects(input.way, batch, schema),
            None => check_columns(input.way, batch),
        }
    }
}

/// Every record is a row of one partition.
fn check_columns(way: &Way, batch: &Batch) {
    let ids = Ids::new(IDENTITY);
    let mut rows = 0;
    for (format, day, count) in arrow::partitions(&batch.block) {
        let columns = arrow::columns(&batch.block, &way.plan, format, day, &ids);
        columns.to_data().validate_full().expect("sound columns");
        assert_eq!(columns.len(), count, "rows of a partition");
        rows += count;
    }
    assert_eq!(rows, batch.block.rows.len(), "every record is in one partition");
}

/// Records and rejects stand where they say they do.
fn check_places(input: &Input<'_>, batch: &Batch) {
    let data_at = |offset: u64| &input.data[(offset - input.way.offset) as usize..];
    for row in &batch.block.rows {
        let text = batch.block.view(row).text(row.text);
        let first = text.split(|&byte| byte == b'\n').next().unwrap_or_default();
        assert!(data_at(row.offset).starts_with(first), "the record's text is the item's");
        assert_eq!(text.iter().filter(|&&byte| byte == b'\n').count() as u64 + 1, row.lines, "lines of a record");
    }
    for reject in &batch.rejects {
        let first = reject.payload.split(|&byte| byte == b'\n').next().unwrap_or_default();
        assert!(data_at(reject.offset).starts_with(first), "the reject's payload is the item's");
        assert!(reject.payload.len() as u64 <= reject.length, "a payload is not longer than the reject");
    }
}

/// Everything that was told, as text that the reference twin can write as well.
#[must_use]
pub fn told(input: &Input<'_>, batches: &[Batch]) -> Vec<u8> {
    let way = input.way;
    let mut out = Vec::new();
    for batch in batches {
        let mut head = format!("batch {:?} {}\n", figures(&batch.counts), batch.end);
        for reject in &batch.rejects {
            let _ =
                write!(head, "reject {} {} {} {} ", reject.offset, reject.lines, reject.reason.name(), reject.length);
            reject.sha256.iter().chain(&reject.payload).for_each(|byte| write!(head, "{byte:02x}").unwrap_or_default());
            head.push('\n');
        }
        for (format, day, count) in arrow::partitions(&batch.block) {
            let day = day.map_or("-".to_owned(), |day| times::day_text(day * 86_400_000_000));
            let _ = writeln!(head, "partition {} {day} {count}", way.plan.formats[format].name);
        }
        for row in &batch.block.rows {
            let ms = if row.time_source == TimeSource::None { i64::MIN } else { row.time.div_euclid(1000) };
            let _ = write!(head, "raw {ms} ");
            batch.block.view(row).text(row.text).iter().for_each(|byte| write!(head, "{byte:02x}").unwrap_or_default());
            head.push('\n');
        }
        out.extend_from_slice(head.as_bytes());
        let schemas = &input.view.schemas;
        (0..3).for_each(|schema| out.extend(way.ndjson_with(&batch.block, schema, schemas)));
    }
    out
}
