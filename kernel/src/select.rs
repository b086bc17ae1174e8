//! What a view shows of records: some of them, under other names, or otherwise than they were logged.

use std::collections::HashMap;
use std::sync::Arc;

use serde::Deserialize;

use crate::block::{Block, Row};
use crate::filter::{Filter, Groups, Verdict};
use crate::keys::{Naming, Schema};
use crate::parts::Method;
use crate::pool;
use crate::redact::{Redaction, Redactor};
use crate::spec::Plan;

/// A view as Python tells it.
#[derive(Deserialize)]
struct Told {
    formats: Vec<String>,
    include: Groups,
    exclude: Groups,
    counted: bool,
    rename: HashMap<String, String>,
    redact: Vec<(String, Method)>,
    key: Vec<u8>,
    constants: Vec<(String, String)>,
}

/// How records are seen.
pub struct View {
    /// Which pass, if not all.
    pub filter: Option<Arc<Filter>>,
    redaction: Option<Redaction>,
    /// The keys of each schema.
    pub schemas: Vec<Arc<Schema>>,
}

/// Records that were selected.
pub struct Selected {
    /// They alone.
    pub block: Block,
    /// A byte for each of all: whether it is among them.
    pub mask: Vec<u8>,
    /// How many were kept out by conditions, or would have been.
    pub filtered: usize,
}

impl View {
    /// Read a view of a plan's records from JSON.
    ///
    /// # Errors
    /// Says what is no view.
    pub fn from_json(plan: &Plan, json: &[u8]) -> Result<Self, String> {
        let told: Told = serde_json::from_slice(json).map_err(|error| format!("not a view: {error}"))?;
        let filters = !(told.formats.is_empty() && told.include.is_empty() && told.exclude.is_empty());
        let filter = filters
            .then(|| Filter::new(plan, &told.formats, (&told.include, &told.exclude), told.counted))
            .transpose()?
            .map(Arc::new);
        let redaction = Redaction::new(plan, &told.redact, told.key);
        let naming = Naming { rename: told.rename, constants: told.constants };
        let schemas = (0..plan.names.format.len()).map(|number| Arc::new(Schema::named(plan, number, &naming)));
        Ok(Self { filter, redaction, schemas: schemas.collect() })
    }

    /// The records of a block that it shows; `reference`: a time shortly after the last line of their item.
    #[must_use]
    pub fn select(&self, base: &Arc<Block>, plan: &Plan, reference: i64) -> Selected {
        let mut redactor = self.redaction.as_ref().map(|redaction| Redactor::new(plan, redaction, reference));
        let mut selected = Selected { block: Block::default(), mask: Vec::new(), filtered: 0 };
        let block = &mut selected.block;
        block.arena = pool::arena();
        block.arena.extend_from_slice(&base.arena);
        block.extra.clone_from(&base.extra);
        block.invalid.clone_from(&base.invalid);
        for row in &base.rows {
            let verdict = match &self.filter {
                Some(filter) => filter.verdict(row, base.view(row), base),
                None => Verdict { passes: true, is_filtered: false },
            };
            selected.filtered += usize::from(verdict.is_filtered);
            selected.mask.push(verdict.passes.into());
            match &mut redactor {
                _ if !verdict.passes => {}
                Some(redactor) if !row.text.in_arena() => redactor.add(row, base, block),
                _ => keep(row, base, plan, block),
            }
        }
        let root = base.base.as_ref().unwrap_or(base);
        block.base = Some(Arc::clone(root));
        selected
    }
}

/// Add a record of another block as it is.
fn keep(row: &Row, base: &Block, plan: &Plan, block: &mut Block) {
    let columns = plan.formats[row.layout.format].columns.len();
    let slots = base.slots(row, plan.layout(row.layout).slots(columns));
    block.rows.push(Row { slots: block.slots.len(), ..row.clone() });
    block.slots.extend_from_slice(slots);
}
