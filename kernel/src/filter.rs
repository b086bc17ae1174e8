//! Which records pass. What conditions mean stands in the reference twin's module `views`.

use std::cmp::Ordering;

use regex::bytes::{Regex, RegexBuilder};
use serde::Deserialize;

use crate::block::{Block, Row, Span, TimeSource, View};
use crate::cells::{address, request_values};
use crate::escapes::has_escape;
use crate::numbers::{float, integer};
use crate::spec::{Escape, Field, Format, Kind, Layout, LayoutAt, Plan, Role, Type, Writing, Zone, writings};
use crate::{times, values};

/// How a field is compared.
#[derive(Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)]
pub enum Operator {
    #[serde(rename = "present")]
    Present,
    #[serde(rename = "absent")]
    Absent,
    #[serde(rename = "=")]
    Equal,
    #[serde(rename = "!=")]
    Unequal,
    #[serde(rename = "<")]
    Less,
    #[serde(rename = "<=")]
    LessOrEqual,
    #[serde(rename = ">")]
    Greater,
    #[serde(rename = ">=")]
    GreaterOrEqual,
    #[serde(rename = "~")]
    Matching,
    #[serde(rename = "!~")]
    NotMatching,
}

impl Operator {
    /// Whether it holds where its opposite, which is asked of the items, does not hold of any.
    fn is_negated(self) -> bool {
        matches!(self, Self::Unequal | Self::NotMatching)
    }

    /// Whether it, or its opposite, holds of a value that stands so to what it is compared with.
    fn fits(self, order: Ordering) -> bool {
        match self {
            Self::Less => order.is_lt(),
            Self::LessOrEqual => order.is_le(),
            Self::Greater => order.is_gt(),
            Self::GreaterOrEqual => order.is_ge(),
            _ => order.is_eq(),
        }
    }
}

/// A field, an operator, and a value, as the view names them.
#[derive(Deserialize)]
pub struct Condition(String, Operator, String);

/// Groups of conditions.
pub type Groups = Vec<Vec<Condition>>;

/// Which records pass, for each layout of each format.
pub struct Filter {
    formats: Vec<Vec<Rules>>,
    /// Conditions keep nothing out, what they would keep out is counted.
    is_counting: bool,
}

/// What becomes of a record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Verdict {
    /// It is among those that pass.
    pub passes: bool,
    /// Conditions keep it out, or would.
    pub is_filtered: bool,
}

/// The conditions for records of one layout.
struct Rules {
    is_routed: bool,
    includes_all: bool,
    include: Vec<Vec<Test>>,
    exclude: Vec<Vec<Test>>,
    /// Whether they can be asked of fields as they stand in a line whose fields are told by position.
    is_direct: bool,
    separators: Vec<String>,
    slots: usize,
}

struct Test {
    what: What,
    operator: Operator,
    operand: Operand,
}

/// What is compared.
enum What {
    /// No record has it.
    Nothing,
    Format(String),
    Time,
    TimeSource,
    Truncated,
    Invalid,
    Extra,
    Value(Value),
}

/// A column.
#[derive(Clone, Copy)]
struct Value {
    slot: usize,
    writing: Writing,
    r#type: Type,
    /// The number of its field, and what it is of that.
    field: usize,
    piece: Option<Piece>,
}

/// What a column is of the text of a field that stands in a line.
#[derive(Clone, Copy)]
enum Piece {
    Whole,
    /// All, but `-1` is nothing.
    Number,
    /// This part of a request line.
    OfRequest(usize),
    Ip,
    Port,
}

impl Piece {
    fn of(field: &Field, place: usize) -> Option<Self> {
        match (field.kind, place) {
            (Kind::Text | Kind::Texts | Kind::Ints, _) | (Kind::Request, 0) => Some(Self::Whole),
            (Kind::Int | Kind::Float, _) => Some(if field.minus_one_absent { Self::Number } else { Self::Whole }),
            (Kind::Request, _) => Some(Self::OfRequest(place - 1)),
            (Kind::Endpoint, 0) => Some(Self::Ip),
            (Kind::Endpoint, _) => Some(Self::Port),
            _ => None,
        }
    }

    fn span(self, text: &[u8], span: Span) -> Span {
        let colon = || memchr::memrchr(b':', text).unwrap_or(text.len());
        match self {
            Self::Number if text == b"-1" => Span::ABSENT,
            Self::Whole | Self::Number => span,
            Self::OfRequest(number) => {
                request_values(text)[number].map_or(Span::ABSENT, |(from, to)| span.part(from, to))
            }
            Self::Ip => address(&text[..colon()]).map_or(Span::ABSENT, |(from, to)| span.part(from, to)),
            Self::Port => span.part((colon() + 1).min(text.len()), text.len()),
        }
    }
}

/// What it is compared with.
struct Operand {
    text: Vec<u8>,
    integer: Option<i64>,
    float: Option<f64>,
    pattern: Option<Regex>,
}

impl Filter {
    /// The filter for the records of a plan: formats by name, conditions.
    ///
    /// # Errors
    /// Says which regular expression cannot be.
    pub fn new(
        plan: &Plan,
        formats: &[String],
        (include, exclude): (&Groups, &Groups),
        is_counting: bool,
    ) -> Result<Self, String> {
        let rules = |known: &Format, layout: &Layout| {
            let (writings, separators) = writings(known, layout);
            let tests = |groups: &Groups| -> Result<Vec<Vec<Test>>, String> {
                let test = |condition: &Condition| Test::new(plan, known, (layout, &writings), condition);
                groups.iter().map(|group| group.iter().map(test).collect()).collect()
            };
            let (include_tests, exclude_tests) = (tests(include)?, tests(exclude)?);
            let mut all = include_tests.iter().chain(&exclude_tests).flatten();
            Ok(Rules {
                is_routed: formats.is_empty() || formats.contains(&known.name),
                includes_all: include.is_empty(),
                is_direct: !matches!(layout, Layout::Columns(_)) || all.all(Test::is_direct),
                include: include_tests,
                exclude: exclude_tests,
                separators,
                slots: layout.slots(known.columns.len()),
            })
        };
        let of_format = |known: &Format| known.layouts.iter().map(|layout| rules(known, layout)).collect();
        let formats: Result<_, String> = plan.formats.iter().map(of_format).collect();
        Ok(Self { formats: formats?, is_counting })
    }

    /// What becomes of a record, whose bytes are in the view.
    #[must_use]
    pub fn verdict(&self, row: &Row, view: View<'_>, block: &Block) -> Verdict {
        let rules = &self.formats[row.layout.format][row.layout.layout];
        let slots = block.slots(row, rules.slots);
        self.judge(rules, Record { row: Some(row), view, slots, separators: &rules.separators })
    }

    /// Whether its conditions can be asked of fields as they stand, where fields are told by position.
    #[must_use]
    pub fn is_direct(&self) -> bool {
        self.formats.iter().flatten().all(|rules| rules.is_direct)
    }

    /// What becomes of a record without anything unusual, whose fields stand so in a line.
    #[must_use]
    pub fn direct_verdict(&self, at: LayoutAt, view: View<'_>, fields: &[Span]) -> Verdict {
        let rules = &self.formats[at.format][at.layout];
        self.judge(rules, Record { row: None, view, slots: fields, separators: &rules.separators })
    }

    fn judge(&self, rules: &Rules, record: Record<'_>) -> Verdict {
        if !rules.is_routed {
            return Verdict { passes: false, is_filtered: false };
        }
        let holds = |groups: &[Vec<Test>]| groups.iter().any(|group| group.iter().all(|test| record.holds(test)));
        let is_filtered = !(rules.includes_all || holds(&rules.include)) || holds(&rules.exclude);
        Verdict { passes: self.is_counting || !is_filtered, is_filtered }
    }
}

impl Test {
    fn new(
        plan: &Plan,
        known: &Format,
        (layout, writings): (&Layout, &[Writing]),
        Condition(field, operator, value): &Condition,
    ) -> Result<Self, String> {
        let names = &plan.names;
        let what = match known.columns.iter().position(|column| column.names[0] == *field) {
            _ if *field == names.format[0] => What::Format(known.name.clone()),
            _ if *field == names.time_source[0] => What::TimeSource,
            _ if *field == names.truncated[0] => What::Truncated,
            _ if *field == names.invalid[0] => What::Invalid,
            _ if *field == names.extra[0] => What::Extra,
            Some(0) => What::Time,
            Some(column) => layout.slot_of(column).map_or(What::Nothing, |slot| {
                let numbered = layout.fields().enumerate();
                let found = numbered.filter_map(|(number, field)| {
                    field.columns.iter().position(|&filled| filled == column).map(|place| (number, field, place))
                });
                let (field, piece) =
                    found.last().map_or((0, None), |(number, field, place)| (number, Piece::of(field, place)));
                let (writing, r#type) = (writings[column], known.columns[column].r#type);
                What::Value(Value { slot, writing, r#type, field, piece })
            }),
            None => What::Nothing,
        };
        let is_pattern = matches!(operator, Operator::Matching | Operator::NotMatching);
        let pattern = is_pattern.then(|| RegexBuilder::new(value).unicode(false).build()).transpose();
        let operand = Operand {
            text: value.clone().into_bytes(),
            integer: value.parse().ok(),
            float: value.parse().ok(),
            pattern: pattern.map_err(|error| format!("{value}: {error}"))?,
        };
        Ok(Self { what, operator: *operator, operand })
    }

    /// Whether it can be asked of a field as it stands.
    fn is_direct(&self) -> bool {
        match self.what {
            What::Value(value) => value.piece.is_some(),
            What::Nothing | What::Format(_) => true,
            _ => false,
        }
    }

    fn fits_text(&self, text: &[u8]) -> bool {
        match &self.operand.pattern {
            Some(pattern) => pattern.is_match(text),
            None => self.operator.fits(text.cmp(&self.operand.text)),
        }
    }

    /// `text`: as JSON has it.
    fn fits_number(&self, text: &[u8], r#type: Type) -> bool {
        if self.operand.pattern.is_some() {
            return self.fits_text(text);
        }
        let order = match (r#type, self.operand.integer) {
            (Type::Int | Type::Ints, Some(wanted)) => integer(text).map(|value| value.cmp(&wanted)),
            _ => float(text).zip(self.operand.float).and_then(|(value, wanted)| value.partial_cmp(&wanted)),
        };
        order.is_some_and(|order| self.operator.fits(order))
    }

    fn fits_time(&self, us: i64) -> bool {
        self.operand.integer.is_some_and(|wanted| self.operator.fits(us.cmp(&wanted)))
    }
}

/// A record that conditions are asked of.
#[derive(Clone, Copy)]
struct Record<'a> {
    /// None if it has nothing unusual; then its slots are those of its fields.
    row: Option<&'a Row>,
    view: View<'a>,
    slots: &'a [Span],
    separators: &'a [String],
}

impl Record<'_> {
    fn holds(&self, test: &Test) -> bool {
        match test.operator {
            Operator::Present => self.is_present(&test.what),
            Operator::Absent => !self.is_present(&test.what),
            operator => self.any_fits(test) != operator.is_negated(),
        }
    }

    /// Where the value of a column stands.
    fn span(&self, value: Value) -> Span {
        match (self.row, value.piece) {
            (Some(_), _) | (_, None) => self.slots[value.slot],
            (None, Some(piece)) => match self.slots.get(value.field) {
                Some(&span) if span.is_present() => piece.span(self.view.text(span), span),
                _ => Span::ABSENT,
            },
        }
    }

    fn is_present(&self, what: &What) -> bool {
        if let What::Value(value) = *what {
            let (span, Writing { role, escape, .. }) = (self.span(value), value.writing);
            return span.is_present() && (role != Role::Raw || has_escape(self.view.text(span), escape));
        }
        let Some(row) = self.row else { return matches!(what, What::Format(_)) };
        match *what {
            What::Nothing | What::Value(_) => false,
            What::Format(_) => true,
            What::Time => row.time_source != TimeSource::None,
            What::TimeSource => row.time_source != TimeSource::Own,
            What::Truncated => row.truncated,
            What::Invalid => row.invalid.0 < row.invalid.1,
            What::Extra => row.extra.0 < row.extra.1,
        }
    }

    fn any_fits(&self, test: &Test) -> bool {
        let (time, source) = self.row.map_or((0, TimeSource::None), |row| (row.time, row.time_source));
        match test.what {
            What::Nothing | What::Truncated | What::Invalid | What::Extra => false,
            What::Format(ref name) => test.fits_text(name.as_bytes()),
            What::Time => source != TimeSource::None && test.fits_time(time),
            What::TimeSource => match source {
                TimeSource::Own => false,
                TimeSource::Syslog => test.fits_text(b"syslog"),
                TimeSource::None => test.fits_text(b"none"),
            },
            What::Value(value) => {
                let span = self.span(value);
                span.is_present() && self.value_fits(test, span, value.writing, value.r#type)
            }
        }
    }

    fn value_fits(&self, asked: &Test, span: Span, Writing { role, escape, separator }: Writing, r#type: Type) -> bool {
        let (source, text) = (self.view, self.view.text(span));
        let separator = self.separators.get(separator).map_or("", String::as_str);
        match role {
            Role::Number => asked.fits_number(text, r#type),
            Role::Time => times::read_whole(text, &Zone::utc()).is_some_and(|moment| asked.fits_time(moment.us)),
            Role::Text if source.is_plain(span, escape) => asked.fits_text(text),
            Role::Text => asked.fits_text(values::decoded(source, span, escape).as_bytes()),
            Role::Plain | Role::Unused => asked.fits_text(values::decoded(source, span, Escape::None).as_bytes()),
            Role::Raw => {
                values::raw_if_changed(source, span, escape).is_some_and(|raw| asked.fits_text(raw.as_bytes()))
            }
            Role::Texts if text.is_empty() => false,
            Role::Texts | Role::Captures => {
                values::texts(text, separator, escape).any(|item| asked.fits_text(item.as_bytes()))
            }
            Role::Offers => values::offers(text, separator).iter().any(|item| asked.fits_text(item.as_bytes())),
            Role::Numbers => {
                values::numbers(text, separator).flatten().any(|number| asked.fits_number(&number, r#type))
            }
        }
    }
}
