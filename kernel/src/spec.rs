//! The plan as it comes from Python (JSON), and as the parser uses it. Layouts are declared there and only there.

use serde::Deserialize;

use crate::straight::{self, Rival};
use crate::words;

/// No layout by position may fill more columns, nor have more fields.
pub const MOST_SLOTS: usize = 256;

/// What a parser is told once, before any bytes.
#[derive(Deserialize)]
pub struct Plan {
    /// The formats, in the order in which they are tried.
    pub formats: Vec<Format>,
    /// The user named the format: every line is read as the first.
    pub explicit: bool,
    /// For dates without a zone.
    pub zone: Zone,
    /// How many headers `HAProxy` captures from requests and responses, if that is known.
    pub captures: Option<(usize, usize)>,
    /// A longer line is a reject.
    pub max_line: usize,
    /// Names that every record has, by schema.
    pub names: Names,
    /// The numbers of the formats whose lines are told by how they begin.
    #[serde(skip)]
    pub told_by_begin: Vec<usize>,
    /// For each byte whether such a line may begin with it.
    #[serde(skip)]
    pub begins: Vec<bool>,
}

impl Plan {
    /// Read a plan from JSON.
    ///
    /// # Errors
    /// Says where the JSON is not a plan.
    pub fn from_json(json: &[u8]) -> Result<Self, String> {
        let mut plan: Self = serde_json::from_slice(json).map_err(|error| format!("not a plan: {error}"))?;
        for format in &mut plan.formats {
            for layout in &mut format.layouts {
                layout
                    .place(format.columns.len())
                    .ok_or_else(|| format!("not a plan: {} fills a column twice, or too many", format.name))?;
            }
        }
        let is_told = |known: &Format| known.layouts.iter().any(|layout| !matches!(layout, Layout::Template(_)));
        let told = plan.formats.iter().enumerate().filter(|(_, known)| is_told(known));
        plan.told_by_begin = told.map(|(number, _)| number).collect();
        let layouts = || plan.formats.iter().flat_map(|known| &known.layouts);
        let may_begin = |byte| {
            layouts().any(|layout| match layout {
                Layout::Columns(layout) => words::may_begin_with(byte, &layout.starts),
                Layout::Objects(_) => byte == b'{',
                Layout::Template(_) => false,
            })
        };
        plan.begins = (0..=u8::MAX).map(may_begin).collect();
        straight::find_rivals(&mut plan.formats);
        Ok(plan)
    }

    /// The layout of that number within a format.
    #[must_use]
    pub fn layout(&self, place: LayoutAt) -> &Layout {
        &self.formats[place.format].layouts[place.layout]
    }
}

/// Where a layout stands in a plan.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LayoutAt {
    /// The format's number.
    pub format: usize,
    /// The layout's number within it.
    pub layout: usize,
}

/// Offsets to UTC by local time, all in µs.
#[derive(Deserialize)]
pub struct Zone {
    begins: Vec<i64>,
    /// One more than there are begins.
    offsets: Vec<i64>,
}

impl Zone {
    /// UTC.
    #[must_use]
    pub const fn utc() -> Self {
        Self { begins: Vec::new(), offsets: Vec::new() }
    }

    /// UTC of a local time.
    #[must_use]
    pub fn to_utc(&self, local: i64) -> i64 {
        local - self.offsets.get(self.begins.partition_point(|&begin| begin <= local)).unwrap_or(&0)
    }
}

/// Names of what is not a column of a layout: one for each schema.
#[derive(Deserialize)]
pub struct Names {
    /// `_id`
    pub id: String,
    /// `format`
    pub format: Vec<String>,
    /// `time_source`
    pub time_source: Vec<String>,
    /// `truncated`
    pub truncated: Vec<String>,
    /// `invalid`
    pub invalid: Vec<String>,
    /// `extra`
    pub extra: Vec<String>,
}

/// A format: its columns, `time` first, and its layouts.
#[derive(Deserialize)]
pub struct Format {
    /// The name users write.
    pub name: String,
    /// Every column that a record can have.
    pub columns: Vec<Column>,
    /// Tried in order.
    pub layouts: Vec<Layout>,
    /// Lines may stand behind a syslog header, which fills these columns: priority, host, program, process id.
    pub syslog: Option<[usize; 4]>,
}

/// What a column holds.
#[derive(Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
#[serde(rename_all = "lowercase")]
pub enum Type {
    /// Text.
    Text,
    /// Integer of 64 bits.
    Int,
    /// Decimal number.
    Float,
    /// Time of day.
    Time,
    /// List of texts.
    Texts,
    /// List of integers.
    Ints,
}

/// One named value.
#[derive(Deserialize)]
pub struct Column {
    /// What it holds.
    pub r#type: Type,
    /// The names by schema; the first is Tailrace's own.
    pub names: Vec<String>,
    /// Taken off the value under the other schemas.
    pub drop_prefix: String,
}

/// How a field's text becomes values.
#[derive(Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum Kind {
    Text,
    Int,
    Float,
    Time,
    Endpoint,
    Target,
    Request,
    Texts,
    Ints,
    Offers,
    Captures,
}

/// What is decoded.
#[derive(Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum Escape {
    #[serde(rename = "")]
    None,
    Hex,
    Backslash,
    Hash,
    Structured,
    Both,
}

/// One field of a line.
#[derive(Deserialize)]
#[allow(clippy::struct_excessive_bools)] // they are independent, and named so in the plan
pub struct Field {
    /// How its text becomes values.
    pub kind: Kind,
    /// The numbers of the columns it fills.
    pub columns: Vec<usize>,
    /// A quote at its start is part of it.
    pub bare: bool,
    /// It is written in quotes.
    pub quoted: bool,
    /// What is decoded.
    pub escape: Escape,
    /// `-1` is no value.
    pub minus_one_absent: bool,
    /// `""` is no value.
    pub empty_absent: bool,
    /// Between the items of a list.
    pub separator: String,
    /// Its key in a JSON object.
    pub key: String,
    /// It holds what `HAProxy` captured from responses.
    pub of_response: bool,
    /// The slots of a record that hold its columns.
    #[serde(skip)]
    pub slots: Vec<usize>,
}

impl Field {
    /// Whether `""` is no value.
    #[must_use]
    pub fn is_empty_absent(&self) -> bool {
        self.empty_absent && self.kind != Kind::Captures
    }
}

/// What one of a line's first words looks like.
#[derive(Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum Token {
    Any,
    Time,
    Name,
    Path,
    Ip,
    Endpoint,
    Integer,
    Float,
    Version,
}

/// How a template's variable finds its end.
#[derive(Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum Shape {
    Integer,
    Word,
    Query,
    Date,
    Endpoint,
    Quoted,
    Captures,
    Listed,
    Cookies,
    Request,
    Loose,
    Slack,
}

impl Shape {
    /// Whether what it holds was written by a client.
    #[must_use]
    pub fn is_clients(self) -> bool {
        matches!(self, Self::Quoted | Self::Captures | Self::Listed) || self.is_open_ended()
    }

    /// Whether nothing in the text itself tells its end.
    #[must_use]
    pub fn is_open_ended(self) -> bool {
        matches!(self, Self::Cookies | Self::Request | Self::Loose)
    }
}

/// An element of a template.
#[derive(Deserialize)]
#[serde(tag = "element", rename_all = "lowercase")]
pub enum Element {
    /// Literal text.
    Text {
        /// The text.
        text: String,
    },
    /// Spaces.
    Space,
    /// A variable.
    Variable {
        /// How it finds its end.
        shape: Shape,
        /// The fields it fills.
        fields: Vec<Field>,
    },
}

impl Element {
    /// The fields that it fills.
    #[must_use]
    pub fn fields(&self) -> &[Field] {
        match self {
            Self::Variable { fields, .. } => fields,
            _ => &[],
        }
    }
}

/// One way in which the lines of a format are written.
#[derive(Deserialize)]
#[serde(tag = "layout", rename_all = "lowercase")]
#[allow(clippy::large_enum_variant)] // there are few
pub enum Layout {
    /// Fields by position.
    Columns(Columns),
    /// Literal text and variables.
    Template(Template),
    /// A flat JSON object.
    Objects(Objects),
}

/// Fields by position.
#[derive(Deserialize)]
#[allow(missing_docs)]
pub struct Columns {
    pub fields: Vec<Field>,
    pub required: usize,
    pub starts: Vec<Token>,
    pub multiline: bool,
    pub backslash_escapes: bool,
    #[serde(skip)]
    pub steps: Steps,
}

/// What is done with the fields of a line, in an order that suits the processor: all are cut first, each into the slot of
/// its number, then those of each kind are looked at together. Each has the slots it fills, and its field's number.
#[derive(Default)]
pub struct Steps {
    /// How many slots a record has, and which of them holds each column.
    pub slots: usize,
    /// For each column its slot.
    pub slot_of: Vec<Option<usize>>,
    /// A bit for each of the first fields in which a quote at the start is part of the text.
    pub bare: u64,
    /// A bit for each field whose `""` is no value; the last stands for all that follow too.
    pub empty_absent: u64,
    /// Slots that hold the text of another one as well, to be written raw.
    pub raws: Vec<(usize, usize)>,
    /// Integers and lists of them.
    pub integers: Vec<(usize, usize)>,
    /// A bit for each field that is a list of integers.
    pub integer_lists: u64,
    /// Lists of texts, and what stands between two.
    pub text_lists: Vec<(usize, u8)>,
    /// Decimal numbers, and whether `-1` is none.
    pub decimals: Vec<(usize, usize, bool)>,
    /// Times, and whether one is the record's.
    pub times: Vec<(usize, usize, bool)>,
    /// Addresses with a port.
    pub endpoints: Vec<([usize; 2], usize)>,
    /// Request lines and their parts.
    pub requests: Vec<([usize; 4], usize)>,
    /// Whatever else is more than a text.
    pub others: Vec<(usize, usize)>,
}

impl Steps {
    /// The steps for these fields, which are told their slots; None if two of them fill the same column, or
    /// there are too many.
    fn new(fields: &mut [Field], columns: usize) -> Option<Self> {
        let mut steps = Self { slots: fields.len(), slot_of: vec![None; columns], ..Self::default() };
        for (number, field) in fields.iter_mut().enumerate() {
            for (place, &column) in field.columns.iter().enumerate() {
                let slot = if place == 0 { number } else { steps.slots };
                steps.slots += usize::from(place > 0);
                field.slots.push(slot);
                if steps.slot_of[column].replace(slot).is_some() {
                    return None;
                }
            }
            steps.add(number, field);
        }
        (steps.slots <= MOST_SLOTS).then_some(steps)
    }

    fn add(&mut self, number: usize, field: &Field) {
        self.bare |= u64::from(field.bare).checked_shl(number as u32).unwrap_or(0);
        self.empty_absent |= u64::from(field.is_empty_absent()) << number.min(63);
        self.integer_lists |= u64::from(field.kind == Kind::Ints) << number.min(63);
        match (field.kind, field.slots.as_slice()) {
            (Kind::Text, &[text, raw]) => self.raws.push((text, raw)),
            (Kind::Texts, _) if field.separator.len() == 1 => {
                self.text_lists.push((number, field.separator.as_bytes()[0]));
            }
            (Kind::Text | Kind::Texts | Kind::Captures | Kind::Offers, _) => {}
            (Kind::Int | Kind::Ints, _) => self.integers.push((number, number)),
            (Kind::Float, _) => self.decimals.push((number, number, field.minus_one_absent)),
            (Kind::Time, _) => self.times.push((number, number, field.columns[0] == 0)),
            (Kind::Endpoint, &[ip, port]) => self.endpoints.push(([ip, port], number)),
            (Kind::Request, &[whole, method, url, version]) => {
                self.requests.push(([whole, method, url, version], number));
            }
            _ => self.others.push((number, number)),
        }
    }
}

/// Literal text and variables.
#[derive(Deserialize)]
#[allow(missing_docs)]
pub struct Template {
    pub elements: Vec<Element>,
    pub required: usize,
    /// Templates that are tried before.
    #[serde(skip)]
    pub rivals: Vec<Rival>,
    /// The byte that follows each element, where that is always the same and alone, else 0.
    #[serde(skip)]
    pub marks: Vec<u8>,
    /// For each text of a match its element's number, its field's number there, and the slot if it is an integer.
    #[serde(skip)]
    pub texts: Vec<(usize, usize, Option<usize>)>,
}

impl Template {
    /// The literal text that follows an element; empty at the end of the template and before another variable.
    #[inline]
    #[must_use]
    pub fn text_behind(&self, number: usize) -> &[u8] {
        match self.elements.get(number + 1) {
            Some(Element::Space) => b" ",
            Some(Element::Text { text }) => text.as_bytes(),
            Some(Element::Variable { shape: Shape::Query, .. }) => b"?",
            _ => b"",
        }
    }

    /// Whether nothing but spaces follows an element.
    #[must_use]
    pub fn is_last(&self, number: usize) -> bool {
        self.elements[number + 1..].iter().all(|element| matches!(element, Element::Space))
    }
}

/// A flat JSON object.
#[derive(Deserialize)]
#[allow(missing_docs)]
pub struct Objects {
    pub fields: Vec<Field>,
    pub mark: String,
}

impl Layout {
    /// Give the columns of its records their slots; None if two fields fill the same column.
    fn place(&mut self, columns: usize) -> Option<()> {
        let fields: Vec<&mut Field> = match self {
            Self::Columns(layout) => {
                layout.steps = Steps::new(&mut layout.fields, columns)?;
                return Some(());
            }
            Self::Objects(layout) => layout.fields.iter_mut().collect(),
            Self::Template(layout) => {
                let variables = layout.elements.iter_mut().filter_map(|element| match element {
                    Element::Variable { fields, .. } => Some(fields),
                    _ => None,
                });
                variables.flatten().collect()
            }
        };
        for field in fields {
            field.slots.clone_from(&field.columns);
        }
        Some(())
    }

    /// How many slots a record has.
    #[must_use]
    pub fn slots(&self, columns: usize) -> usize {
        match self {
            Self::Columns(layout) => layout.steps.slots,
            _ => columns,
        }
    }

    /// The slot that holds a column, if these records have one.
    #[must_use]
    pub fn slot_of(&self, column: usize) -> Option<usize> {
        match self {
            Self::Columns(layout) => layout.steps.slot_of[column],
            _ => Some(column),
        }
    }

    /// The fields of the layout, in order.
    #[must_use]
    pub fn fields(&self) -> Box<dyn Iterator<Item = &Field> + '_> {
        match self {
            Self::Columns(layout) => Box::new(layout.fields.iter()),
            Self::Objects(layout) => Box::new(layout.fields.iter()),
            Self::Template(layout) => Box::new(layout.elements.iter().flat_map(Element::fields)),
        }
    }
}

/// How a column of a layout's records is written.
#[derive(Clone, Copy)]
pub struct Writing {
    /// As what.
    pub role: Role,
    /// What is decoded.
    pub escape: Escape,
    /// The number of the field it comes from, to find its separator.
    pub separator: usize,
}

/// What a column's text is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)]
pub enum Role {
    Unused,
    /// Text, decoded.
    Text,
    /// Text as written, if decoding changes it.
    Raw,
    /// Text as written.
    Plain,
    Number,
    Time,
    Texts,
    Captures,
    Numbers,
    Offers,
}

/// For each column of a format, how a layout's records fill it.
#[must_use]
pub fn writings(format: &Format, layout: &Layout) -> (Vec<Writing>, Vec<String>) {
    let unused = Writing { role: Role::Unused, escape: Escape::None, separator: 0 };
    let mut writings = vec![unused; format.columns.len()];
    let mut separators = Vec::new();
    for field in layout.fields() {
        separators.push(field.separator.clone());
        for (place, &column) in field.columns.iter().enumerate() {
            let role = role(field.kind, place, format.columns[column].r#type);
            writings[column] = Writing { role, escape: field.escape, separator: separators.len() - 1 };
        }
    }
    if writings[0].role == Role::Unused {
        writings[0].role = Role::Time;
    }
    if let Some(columns) = format.syslog {
        for (place, &column) in columns.iter().enumerate() {
            writings[column].role = if place == 0 { Role::Number } else { Role::Plain };
        }
    }
    (writings, separators)
}

fn role(kind: Kind, place: usize, r#type: Type) -> Role {
    match (kind, place) {
        (Kind::Text, 1) => Role::Raw,
        (Kind::Request, 0) | (Kind::Target, _) if r#type == Type::Text => Role::Plain,
        (Kind::Endpoint, 0) => Role::Plain,
        (Kind::Offers, _) => Role::Offers,
        (Kind::Texts, _) => Role::Texts,
        (Kind::Captures, _) => Role::Captures,
        (Kind::Ints, _) => Role::Numbers,
        (Kind::Time, _) => Role::Time,
        _ if matches!(r#type, Type::Int | Type::Float) => Role::Number,
        _ => Role::Text,
    }
}
