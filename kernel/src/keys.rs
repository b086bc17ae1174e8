//! What stands around the values of records in NDJSON: keys, quotes and brackets, found once for a plan and a schema.

use std::collections::HashMap;

use crate::direct::Direct;
use crate::fast::Key;
use crate::spec::{Column, Format, Layout, Plan, Role, Writing, writings};

/// Everything about a plan that does not change from record to record, for one schema.
pub struct Schema {
    pub(crate) formats: Vec<FormatKeys>,
    pub(crate) id: Vec<u8>,
    pub(crate) time_source: Vec<u8>,
    pub(crate) truncated: Vec<u8>,
    pub(crate) invalid: Vec<u8>,
    pub(crate) extra: Vec<u8>,
    /// What stands at the end of each object: constants, the bracket and the newline.
    pub(crate) tail: Vec<u8>,
}

/// Names that were given instead of others, and pairs that every object has.
#[derive(Default)]
pub struct Naming {
    /// By the name that it has in the first schema what a field is called in all.
    pub rename: HashMap<String, String>,
    /// Names and values, in JSON.
    pub constants: Vec<(String, String)>,
}

impl Naming {
    /// The name of a field that is called so in the first schema, and in the one that is asked for.
    fn of<'a>(&'a self, names: &'a [String], schema: usize) -> &'a str {
        self.rename.get(&names[0]).unwrap_or(&names[schema])
    }
}

pub(crate) struct FormatKeys {
    /// `{"format":"alb"`, and the same as a key if it is short.
    pub(crate) head: Vec<u8>,
    pub(crate) short_head: Option<Key>,
    pub(crate) layouts: Vec<LayoutKeys>,
    /// How long all keys are together.
    pub(crate) width: usize,
}

/// How the columns of a layout's records are written.
pub(crate) struct LayoutKeys {
    /// For each pair its key, for values that are copied as they stand; none if that cannot be.
    pub(crate) keys: Vec<Key>,
    /// Those that are written if the record is plain.
    pub(crate) plain: Vec<Key>,
    pub(crate) pairs: Vec<Pair>,
    /// A bit for each field some of whose values are never simply copied.
    pub(crate) always: u64,
    pub(crate) separators: Vec<String>,
    /// How lines are written at once, if they are.
    pub(crate) direct: Option<Direct>,
    /// How many slots a record has.
    pub(crate) slots: usize,
}

pub(crate) struct Pair {
    pub(crate) slot: usize,
    /// The number of its field, where fields are told by position.
    pub(crate) field: u32,
    pub(crate) what: What,
    pub(crate) writing: Writing,
    /// `,"name":`
    pub(crate) name: Vec<u8>,
    /// Taken off the value.
    pub(crate) prefix: String,
    /// Tells it apart from all others of the schema.
    pub(crate) number: u32,
}

/// What is done with a value that needs no more than copying.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    Copied,
    /// Copied; if it does not end with its zone, that is added.
    Time,
    /// Copied as the only item, if there is but one.
    Single,
    /// Nothing: it is written as another column.
    Raw,
    Other,
}

impl Schema {
    /// The keys of the schema of that number.
    #[must_use]
    pub fn new(plan: &Plan, schema: usize) -> Self {
        Self::named(plan, schema, &Naming::default())
    }

    /// The same with other names.
    #[must_use]
    pub fn named(plan: &Plan, schema: usize, naming: &Naming) -> Self {
        let names = &plan.names;
        let key = |of: &[String]| key_of(naming.of(of, schema));
        let name = naming.of(&names.format, schema);
        let formats = plan.formats.iter().map(|format| FormatKeys::new(format, name, schema, naming));
        let mut formats: Vec<FormatKeys> = formats.collect();
        let layouts = formats.iter_mut().flat_map(|format| &mut format.layouts);
        let mut numbers = 0..;
        for layout in layouts {
            let steps = layout.direct.iter_mut().flat_map(|direct| &mut direct.steps).map(|step| &mut step.number);
            let pairs = layout.pairs.iter_mut().map(|pair| &mut pair.number);
            pairs.chain(steps).zip(&mut numbers).for_each(|(number, next)| *number = next);
        }
        Self {
            formats,
            id: format!("{}:\"", json(&names.id)).into_bytes(),
            time_source: key(&names.time_source),
            truncated: key(&names.truncated),
            invalid: key(&names.invalid),
            extra: key(&names.extra),
            tail: {
                let pairs = naming.constants.iter().map(|(name, value)| format!(",{}:{value}", json(name)));
                (pairs.collect::<String>() + "}\n").into_bytes()
            },
        }
    }
}

impl FormatKeys {
    fn new(format: &Format, name: &str, schema: usize, naming: &Naming) -> Self {
        let head = format!("{{{}:{}", json(name), json(&format.name)).into_bytes();
        let layouts = format.layouts.iter().map(|layout| {
            let (writings, separators) = writings(format, layout);
            let pairs =
                writings.into_iter().zip(&format.columns).enumerate().filter_map(|(number, (writing, column))| {
                    let slot = layout.slot_of(number)?;
                    let field = layout.fields().position(|field| field.columns.contains(&number)).unwrap_or(0);
                    let name = naming.of(&column.names, schema);
                    Some(Pair::new((slot, field as u32), writing, (column, name, &separators), schema))
                });
            let (keys, pairs): (Vec<Key>, Vec<Pair>) = pairs.unzip();
            let plain = keys.iter().zip(&pairs).filter(|(_, pair)| pair.what != What::Raw).map(|(key, _)| key.clone());
            let never_copied = pairs.iter().filter(|pair| pair.what == What::Other || pair.field > LAST_BIT);
            let always = never_copied.fold(0, |bits, pair| bits | pair.bit());
            let slots = layout.slots(format.columns.len());
            let direct = match layout {
                Layout::Columns(columns) => Direct::new(format, columns, &pairs, &keys),
                _ => None,
            };
            LayoutKeys { plain: plain.collect(), keys, pairs, always, separators, slots, direct }
        });
        let names = format.columns.iter().map(|column| json(naming.of(&column.names, schema)).len() + 6);
        let constants = naming.constants.iter().map(|(name, value)| json(name).len() + value.len() + 2);
        let width = names.chain(constants).sum::<usize>() + head.len();
        let short_head = Key::new(&head, b"", 0, (0, false));
        Self { head, short_head, layouts: layouts.collect(), width }
    }
}

impl LayoutKeys {
    /// The number that a plain pair has among all.
    #[cold]
    pub(crate) fn place_of_plain(&self, number: usize) -> usize {
        let plain = self.pairs.iter().enumerate().filter(|(_, pair)| pair.what != What::Raw);
        plain.map(|(place, _)| place).nth(number).unwrap_or(self.pairs.len())
    }
}

impl Pair {
    fn new(
        (slot, field): (usize, u32),
        writing: Writing,
        (column, name, separators): (&Column, &str, &[String]),
        schema: usize,
    ) -> (Key, Self) {
        let name = key_of(name);
        let prefix = if schema == 0 { String::new() } else { column.drop_prefix.clone() };
        let what = match writing.role {
            Role::Text if !prefix.is_empty() => What::Other,
            Role::Number | Role::Plain | Role::Text => What::Copied,
            Role::Time => What::Time,
            Role::Raw => What::Raw,
            Role::Numbers => What::Single,
            Role::Texts if separators[writing.separator].len() == 1 => What::Single,
            _ => What::Other,
        };
        let (opening, closing): (&[u8], &[u8]) = match (what, writing.role) {
            (_, Role::Number) => (b"", b""),
            (What::Single, Role::Texts) => (b"[\"", b"\"]"),
            (What::Single, _) => (b"[", b"]"),
            _ => (b"\"", b"\""),
        };
        let before = [name.as_slice(), opening].concat();
        let stop = (field.min(LAST_BIT) as u8, what == What::Raw);
        let (key, what) = if let Some(key) = Key::new(&before, closing, slot, stop) {
            (key, what)
        } else {
            let never = Key::new(b"", b"", slot, (stop.0, true)).unwrap_or_default();
            (never, if what == What::Raw { what } else { What::Other })
        };
        (key, Self { slot, field, what, writing, name, prefix, number: 0 })
    }

    /// Whether values that need more than copying are likely to come again.
    pub(crate) fn is_repeated(&self) -> bool {
        !matches!(self.writing.role, Role::Number | Role::Time)
    }

    /// The bit of its field, among those that tell which fields need more than copying.
    pub(crate) fn bit(&self) -> u64 {
        1 << self.field.min(LAST_BIT)
    }
}

/// It stands for all fields that follow too.
const LAST_BIT: u32 = 63;

fn key_of(name: &str) -> Vec<u8> {
    format!(",{}:", json(name)).into_bytes()
}

pub(crate) fn json(text: &str) -> String {
    serde_json::to_string(text).unwrap_or_default()
}
