//! The kernel's face in Python: `Plan`, `Parser`, `Records`. Work is done without the interpreter's lock.

use std::ffi::c_int;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrow_array::ffi::{FFI_ArrowArray, FFI_ArrowSchema};
use arrow_array::{Array, ArrayRef};
use arrow_data::ArrayData;
use pyo3::exceptions::{PyKeyError, PyValueError};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::{PyBytes, PyCapsule, PyMemoryView};

use crate::block::{Block, TimeSource};
use crate::ids::Ids;
use crate::keys::Schema;
use crate::ndjson::Form;
use crate::parser::{self, Batch, Item, Rendering};
use crate::{arrow, ndjson, pool, select, spec, times};

/// The schemas by name, in the order in which the plan gives names.
const SCHEMAS: [&str; 3] = ["aws", "ecs", "otel"];
/// Stands for a record without a time.
const NO_TIME: i64 = i64::MIN;

/// Formats and settings, ready to be parsed with.
#[pyclass(frozen, module = "tailrace_kernel")]
struct Plan {
    plan: Arc<spec::Plan>,
    schemas: Arc<[Arc<Schema>]>,
}

#[pymethods]
impl Plan {
    #[new]
    fn new(json: &[u8]) -> PyResult<Self> {
        let plan = spec::Plan::from_json(json).map_err(PyValueError::new_err)?;
        let schemas = (0..SCHEMAS.len()).map(|number| Arc::new(Schema::new(&plan, number))).collect();
        Ok(Self { plan: Arc::new(plan), schemas })
    }
}

/// What is seen of the records of a plan.
#[pyclass(frozen, module = "tailrace_kernel")]
struct View {
    view: select::View,
    schemas: Arc<[Arc<Schema>]>,
}

#[pymethods]
impl View {
    #[new]
    fn new(plan: &Plan, json: &[u8]) -> PyResult<Self> {
        let view = select::View::from_json(&plan.plan, json).map_err(PyValueError::new_err)?;
        let schemas = view.schemas.iter().map(Arc::clone).collect();
        Ok(Self { view, schemas })
    }
}

/// Records, a byte for each of those that they were selected from, and how many were kept out.
type Selection<'py> = (Records, Bound<'py, PyBytes>, usize);

/// The name of a schema, and whether records begin with their ids.
type Asked = (String, bool);

fn schema_number(name: &str) -> PyResult<usize> {
    SCHEMAS.iter().position(|&known| known == name).ok_or_else(|| PyKeyError::new_err(name.to_owned()))
}

/// A batch as Python takes it: records, rejects, counts, and the offset up to which everything is told.
type Told<'py> = (Records, Vec<Reject<'py>>, [u64; 11], u64);
/// Offset, lines, reason, payload, length, SHA-256 in hex.
type Reject<'py> = (u64, u64, &'static str, Bound<'py, PyBytes>, u64, String);

/// Reads one item.
#[pyclass(module = "tailrace_kernel")]
struct Parser {
    item: parser::Parser,
    plan: Arc<spec::Plan>,
    schemas: Arc<[Arc<Schema>]>,
    ids: Arc<Ids>,
    rendering: Option<Asked>,
    is_filtered: bool,
    reference: i64,
}

#[pymethods]
impl Parser {
    #[new]
    #[pyo3(signature = (plan, item, identity, rendering, view = None))]
    fn new(
        plan: &Plan,
        item: (String, i64, u64),
        identity: &[u8],
        rendering: Option<Asked>,
        view: Option<&View>,
    ) -> PyResult<Self> {
        let schemas = view.map_or(&plan.schemas, |view| &view.schemas);
        let ids = Arc::new(Ids::new(identity));
        let writing = match &rendering {
            Some((name, with_ids)) => {
                let schema = &schemas[schema_number(name)?];
                let filter = view.and_then(|view| view.view.filter.clone());
                Some(Rendering::new(Arc::clone(schema), with_ids.then(|| Arc::clone(&ids))).filtered(filter))
            }
            None => None,
        };
        let is_filtered = rendering.is_some() && view.is_some_and(|view| view.view.filter.is_some());
        let (kind, reference, offset) = item;
        let item = Item { kind, reference, offset };
        let item = parser::Parser::new(Arc::clone(&plan.plan), item, writing);
        Ok(Self {
            item,
            plan: Arc::clone(&plan.plan),
            schemas: Arc::clone(schemas),
            ids,
            rendering,
            is_filtered,
            reference,
        })
    }

    fn feed<'py>(&mut self, py: Python<'py>, data: PyBackedBytes) -> PyResult<Told<'py>> {
        let batch = py.detach(|| self.item.feed(Box::new(data)));
        self.tell(py, batch)
    }

    fn finish<'py>(&mut self, py: Python<'py>, truncated: bool) -> PyResult<Told<'py>> {
        let batch = py.detach(|| self.item.finish(truncated));
        self.tell(py, batch)
    }
}

impl Parser {
    fn tell<'py>(&self, py: Python<'py>, batch: Batch) -> PyResult<Told<'py>> {
        let rejects = batch.rejects.into_iter().map(|reject| {
            let sha256 = hex(&reject.sha256);
            let payload = PyBytes::new(py, &reject.payload);
            (reject.offset, reject.lines, reject.reason.name(), payload, reject.length, sha256)
        });
        let counts = batch.counts;
        let figures = [
            counts.lines,
            counts.records,
            counts.record_lines,
            counts.rejects,
            counts.reject_lines,
            counts.control,
            counts.blank,
            counts.invalid,
            counts.unknown,
            counts.mismatched,
            counts.cut,
        ];
        let written = match &self.rendering {
            Some(wanted) => Some((wanted.clone(), Py::new(py, Buffer::from(batch.text))?)),
            None => None,
        };
        let mask = if self.is_filtered { Some(batch.mask) } else { None };
        let passing = mask.as_ref().map(|mask| mask.iter().map(|&passes| usize::from(passes)).sum());
        let records = Records {
            block: Arc::new(batch.block),
            count: passing.unwrap_or(counts.records as usize),
            mask,
            filtered: batch.filtered,
            written,
            plan: Arc::clone(&self.plan),
            schemas: Arc::clone(&self.schemas),
            ids: Arc::clone(&self.ids),
            reference: self.reference,
        };
        Ok((records, rejects.collect(), figures, batch.end))
    }
}

fn hex(bytes: &[u8]) -> String {
    let digit = |value: u8| char::from_digit(value.into(), 16).unwrap_or_default();
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// The records of one batch.
#[pyclass(frozen, module = "tailrace_kernel")]
struct Records {
    block: Arc<Block>,
    count: usize,
    /// If only those that pass were written: a byte for each of all, and how many were kept out.
    mask: Option<Vec<u8>>,
    filtered: usize,
    /// The text of records that were written at once, and how. Then they are nowhere else.
    written: Option<(Asked, Py<Buffer>)>,
    plan: Arc<spec::Plan>,
    schemas: Arc<[Arc<Schema>]>,
    ids: Arc<Ids>,
    /// A time shortly after the last line of their item.
    reference: i64,
}

#[pymethods]
impl Records {
    fn __len__(&self) -> usize {
        self.count
    }

    #[pyo3(signature = (schema = "aws", *, ids = false))]
    fn ndjson<'py>(&self, py: Python<'py>, schema: &str, ids: bool) -> PyResult<Bound<'py, PyMemoryView>> {
        let keys = &self.schemas[schema_number(schema)?];
        if let Some(((name, with_ids), text)) = &self.written
            && (name == schema, *with_ids) == (true, ids)
        {
            return PyMemoryView::from(text.bind(py).as_any());
        }
        self.are_kept()?;
        let ids = ids.then_some(self.ids.as_ref());
        let text = py.detach(|| ndjson::write(&self.block, Form { plan: &self.plan, schema: keys, ids }));
        Buffer::view(py, text)
    }

    /// Text of all records, ends of each (u64), times in ms (i64, the smallest number for none), offsets in the item (u64).
    fn raw<'py>(&self, py: Python<'py>) -> PyResult<[Bound<'py, PyMemoryView>; 4]> {
        self.are_kept()?;
        let [text, ends, times, offsets] = py.detach(|| raw(&self.block));
        let view = |bytes: Vec<u8>| {
            let len = bytes.len();
            Buffer::view(py, (bytes, len))
        };
        Ok([view(text)?, view(ends)?, view(times)?, view(offsets)?])
    }

    /// For records that were written through a view: a byte for each, and how many were kept out.
    fn shown<'py>(&self, py: Python<'py>) -> Option<(Bound<'py, PyBytes>, usize)> {
        self.mask.as_ref().map(|mask| (PyBytes::new(py, mask), self.filtered))
    }

    /// The records that a view shows.
    fn select<'py>(&self, py: Python<'py>, view: &View) -> PyResult<Selection<'py>> {
        self.are_kept()?;
        let selected = py.detach(|| view.view.select(&self.block, &self.plan, self.reference));
        let count = selected.block.rows.len();
        let records = Self {
            block: Arc::new(selected.block),
            count,
            mask: None,
            filtered: 0,
            written: None,
            plan: Arc::clone(&self.plan),
            schemas: Arc::clone(&view.schemas),
            ids: Arc::clone(&self.ids),
            reference: self.reference,
        };
        Ok((records, PyBytes::new(py, &selected.mask), selected.filtered))
    }

    fn partitions(&self) -> PyResult<Vec<(&str, Option<String>, usize)>> {
        self.are_kept()?;
        let partitions = arrow::partitions(&self.block)
            .into_iter()
            .map(|(format, day, count)| {
                let day = day.map(|day| times::day_text(day * 86_400_000_000));
                (self.plan.formats[format].name.as_str(), day, count)
            })
            .collect();
        Ok(partitions)
    }

    fn columns(&self, format_name: &str, day: Option<&str>) -> PyResult<Columns> {
        self.are_kept()?;
        let missing = || PyKeyError::new_err(format!("{format_name} {day:?}"));
        let format = self.plan.formats.iter().position(|format| format.name == format_name).ok_or_else(missing)?;
        let day = arrow::partitions(&self.block)
            .into_iter()
            .find(|(known, number, _)| {
                *known == format && number.map(|number| times::day_text(number * 86_400_000_000)).as_deref() == day
            })
            .ok_or_else(missing)?
            .1;
        let (block, plan, ids) = (Arc::clone(&self.block), Arc::clone(&self.plan), Arc::clone(&self.ids));
        Ok(Columns { block, plan, ids, format, day })
    }
}

impl Records {
    fn are_kept(&self) -> PyResult<()> {
        let Some(((name, ids), _)) = &self.written else { return Ok(()) };
        let wanted = format!("these records were asked for as NDJSON (schema {name}, ids {ids}), and are nothing else");
        Err(PyValueError::new_err(wanted))
    }
}

/// Text of all records, and ends, times and offsets as bytes of 64-bit numbers.
fn raw(block: &Block) -> [Vec<u8>; 4] {
    let [mut text, mut ends, mut times, mut offsets] = [const { Vec::new() }; 4];
    for row in &block.rows {
        text.extend_from_slice(block.view(row).text(row.text));
        ends.extend_from_slice(&(text.len() as u64).to_ne_bytes());
        let time = if row.time_source == TimeSource::None { NO_TIME } else { row.time.div_euclid(1000) };
        times.extend_from_slice(&time.to_ne_bytes());
        offsets.extend_from_slice(&row.offset.to_ne_bytes());
    }
    [text, ends, times, offsets]
}

/// The records of one format and day, to be made columns.
#[pyclass(frozen, module = "tailrace_kernel")]
struct Columns {
    block: Arc<Block>,
    plan: Arc<spec::Plan>,
    ids: Arc<Ids>,
    format: usize,
    day: Option<i64>,
}

#[pymethods]
impl Columns {
    /// The schema and the array. Another schema cannot be asked for; what is asked is not looked at, as the interface allows.
    #[pyo3(signature = (requested_schema = None))]
    fn __arrow_c_array__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Capsules<'py>> {
        drop(requested_schema);
        let array = py.detach(|| arrow::columns(&self.block, &self.plan, self.format, self.day, &self.ids));
        capsules(py, &array.to_data())
    }

    /// An empty table for these records and others of their format.
    fn table(&self) -> Table {
        let found =
            spare().extract_if(.., |(plan, format, _)| Arc::ptr_eq(plan, &self.plan) && *format == self.format).next();
        let (plan, format) = (Arc::clone(&self.plan), self.format);
        let table = found.map_or_else(|| arrow::Table::new(&plan, format, true), |(_, _, table)| table);
        Table { inner: Some(table), plan, format }
    }
}

/// Columns that grow.
#[pyclass(module = "tailrace_kernel")]
struct Table {
    /// None only while it is dropped.
    inner: Option<arrow::Table>,
    plan: Arc<spec::Plan>,
    format: usize,
}

/// So many tables that are used no more wait for the next item, for the sake of their memory.
const SPARE: usize = 2;

type Spare = Vec<(Arc<spec::Plan>, usize, arrow::Table)>;

fn spare() -> MutexGuard<'static, Spare> {
    static TABLES: Mutex<Spare> = Mutex::new(Vec::new());
    // A panic elsewhere leaves the list whole: nothing in here can panic half way.
    TABLES.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Drop for Table {
    fn drop(&mut self) {
        let Some(mut table) = self.inner.take() else { return };
        table.clear();
        let mut spare = spare();
        if spare.len() >= SPARE {
            spare.remove(0);
        }
        spare.push((Arc::clone(&self.plan), self.format, table));
    }
}

#[pymethods]
impl Table {
    #[getter]
    fn rows(&self) -> usize {
        self.inner.as_ref().map_or(0, arrow::Table::rows)
    }

    #[getter]
    fn memory(&self) -> usize {
        self.inner.as_ref().map_or(0, arrow::Table::memory)
    }

    fn add(&mut self, py: Python<'_>, columns: &Columns) -> PyResult<()> {
        if columns.format != self.format || !Arc::ptr_eq(&columns.plan, &self.plan) {
            return Err(PyValueError::new_err("columns of another format or plan"));
        }
        if let Some(table) = &mut self.inner {
            py.detach(|| table.add(&columns.block, &columns.plan, columns.day, &columns.ids));
        }
        Ok(())
    }

    /// Each column with its name. They are apart because whoever keeps a part of an array keeps all that came with it.
    fn take(&mut self, py: Python<'_>) -> Vec<(String, Taken)> {
        let Some(table) = &mut self.inner else { return Vec::new() };
        let (fields, arrays, _) = py.detach(|| table.take()).into_parts();
        let names = fields.iter().map(|field| field.name().clone());
        names.zip(arrays.into_iter().map(|array| Taken { array })).collect()
    }
}

/// A column, by the `PyCapsule` interface.
#[pyclass(frozen, module = "tailrace_kernel")]
struct Taken {
    array: ArrayRef,
}

#[pymethods]
impl Taken {
    #[pyo3(signature = (requested_schema = None))]
    fn __arrow_c_array__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Capsules<'py>> {
        drop(requested_schema);
        capsules(py, &self.array.to_data())
    }
}

type Capsules<'py> = (Bound<'py, PyCapsule>, Bound<'py, PyCapsule>);

/// Schema and array for Python.
fn capsules<'py>(py: Python<'py>, array: &ArrayData) -> PyResult<Capsules<'py>> {
    let schema = FFI_ArrowSchema::try_from(array.data_type());
    let schema = schema.map_err(|error| PyValueError::new_err(error.to_string()))?;
    let array = FFI_ArrowArray::new(array);
    Ok((PyCapsule::new_with_value(py, schema, c"arrow_schema")?, PyCapsule::new_with_value(py, array, c"arrow_array")?))
}

/// Bytes that Python may look at without a copy.
#[pyclass(frozen, module = "tailrace_kernel")]
struct Buffer {
    bytes: Vec<u8>,
    len: usize,
}

impl From<(Vec<u8>, usize)> for Buffer {
    fn from((bytes, len): (Vec<u8>, usize)) -> Self {
        Self { bytes, len }
    }
}

impl Buffer {
    fn view(py: Python<'_>, text: (Vec<u8>, usize)) -> PyResult<Bound<'_, PyMemoryView>> {
        PyMemoryView::from(Bound::new(py, Self::from(text))?.as_any())
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        pool::give_text(std::mem::take(&mut self.bytes));
    }
}

#[pymethods]
impl Buffer {
    #[allow(clippy::needless_pass_by_value)] // as the interpreter gives them
    unsafe fn __getbuffer__(slf: Bound<'_, Self>, view: *mut ffi::Py_buffer, flags: c_int) -> PyResult<()> {
        let Self { bytes, len } = slf.get();
        // SAFETY: the interpreter gives a valid view; the bytes are never changed, and live as long as this object, to
        // which the view holds a reference.
        let status = unsafe {
            ffi::PyBuffer_FillInfo(view, slf.as_ptr(), bytes.as_ptr().cast_mut().cast(), len.cast_signed(), 1, flags)
        };
        if status == 0 { Ok(()) } else { Err(PyErr::fetch(slf.py())) }
    }
}

/// The module.
#[pymodule]
fn tailrace_kernel(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add("NO_TIME", NO_TIME)?;
    module.add_class::<Plan>()?;
    module.add_class::<Parser>()?;
    module.add_class::<View>()?;
    module.add_class::<Records>()
}
