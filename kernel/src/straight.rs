//! The straight way through a template: every variable takes the first end that it may have. Nearly every line goes it,
//! and it needs no memory of its own. What is not sure on it is left to the search in `template`, which tries the same
//! ends in the same order.

use crate::spec::{Element, Escape, Field, Format, Kind, Layout, LayoutAt, Shape, Template, Zone};
use crate::template::{LONGEST, Match, STEPS, captures_any, endpoint_end, integer, slack_end, spaces, word_end};
use crate::times::{self, Dates};

/// Where the straight way leads.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Way {
    /// The line matches, and the search would find the same.
    Through,
    /// The line does not match, neither whole nor as a cut one.
    Never,
    /// Only the search can tell.
    Unsure,
}

/// A template that is tried before another one.
pub struct Rival {
    /// The byte that its lines begin with, if that is always the same.
    pub first: Option<u8>,
    /// Its format's lines may stand behind a syslog header.
    pub is_headed: bool,
    /// Where it stands.
    pub at: LayoutAt,
    /// A text that goes the straight way through the other template does not match this one.
    pub is_apart: bool,
}

struct Walk<'a> {
    line: &'a [u8],
    template: &'a Template,
    captures: Option<(usize, usize)>,
    dates: &'a mut Dates,
    found: &'a mut Match,
}

/// Go the straight way. What is found is of no meaning unless it leads through.
pub fn walk(
    line: &[u8],
    template: &Template,
    captures: Option<(usize, usize)>,
    dates: &mut Dates,
    found: &mut Match,
) -> Way {
    let elements = &template.elements;
    if line.len() > LONGEST || elements.len() > STEPS {
        return Way::Unsure;
    }
    found.texts.clear();
    found.extra.clear();
    found.truncated = false;
    (found.usual, found.quoted) = (0, 0);
    let mut walk = Walk { line, template, captures, dates, found };
    let (mut at, mut number, mut is_free) = (0, 0, false);
    while let Some(element) = elements.get(number) {
        let end = match element {
            Element::Text { text } => behind(line, at, text.as_bytes()),
            // Before what clients wrote a space is one, but for the line's end: `are_apart` counts on it.
            Element::Space if is_free || at == line.len() || line[at] == b' ' => spaces(line, at),
            Element::Space if at == 0 || line[at - 1] == b' ' => return Way::Unsure,
            Element::Space => None,
            Element::Variable { shape, .. } => {
                if let Some(end) = walk.at_once(*shape, number, at) {
                    at = end;
                    number += 2;
                    continue;
                }
                is_free |= shape.is_clients();
                walk.variable(element, *shape, number, at)
            }
        };
        match end {
            Some(end) => at = end,
            // Up to here there was no choice, and a line is not cut before all that is required.
            None if !is_free && number < template.required => return Way::Never,
            None => return Way::Unsure,
        }
        number += 1;
    }
    match at == line.len() {
        true => Way::Through,
        false if is_free => Way::Unsure,
        false => Way::Never,
    }
}

#[inline]
fn behind(line: &[u8], at: usize, text: &[u8]) -> Option<usize> {
    let is_there = match text {
        [byte] => line.get(at) == Some(byte),
        [first, ..] => line.get(at) == Some(first) && line[at..].starts_with(text),
        [] => true,
    };
    is_there.then_some(at + text.len())
}

impl Walk<'_> {
    /// Behind a number or word and the one byte that is to follow, if they are there as they usually are.
    #[inline(always)]
    fn at_once(&mut self, shape: Shape, number: usize, at: usize) -> Option<usize> {
        let mark = *self.template.marks.get(number)?;
        let (line, mut usual) = (self.line, 0_u64);
        let end = match shape {
            _ if mark == 0 => return None,
            Shape::Integer => {
                let digits = digits(line.get(at..)?.first_chunk()?);
                let is_usual = (line[at] != b'0') | (digits == 1);
                usual = u64::from(is_usual);
                at + digits
            }
            Shape::Word => word_end(line, at, &[mark]),
            _ => return None,
        };
        let is_there = (end > at) & (line.get(end) == Some(&mark));
        if !is_there || (mark == b' ' && line.get(end + 1) == Some(&b' ')) {
            return None;
        }
        self.found.usual |= usual.checked_shl(self.found.texts.len() as u32).unwrap_or(0);
        self.found.texts.push(Some((at, end)));
        Some(end + 1)
    }

    #[inline]
    fn variable(&mut self, element: &Element, shape: Shape, number: usize, at: usize) -> Option<usize> {
        if shape.is_clients() {
            return self.clients(shape, element.fields(), number, at);
        }
        self.own(shape, number, at)
    }

    /// The end of a variable that no client wrote.
    #[inline]
    fn own(&mut self, shape: Shape, number: usize, at: usize) -> Option<usize> {
        let line = self.line;
        let end = match shape {
            Shape::Integer => integer(line, at)?,
            Shape::Word => {
                let end = word_end(line, at, self.template.text_behind(number));
                (end > at).then_some(end)?
            }
            Shape::Date => at + self.date(at)?,
            Shape::Endpoint => endpoint_end(line, at, self.template.text_behind(number))?,
            Shape::Query if matches!(line.get(at), Some(b'?' | b'<')) => {
                word_end(line, at, self.template.text_behind(number))
            }
            Shape::Query => {
                self.found.texts.push(None);
                return Some(at);
            }
            _ => {
                let end = slack_end(line, at);
                if end > at {
                    self.found.extra.push((at + 1, end));
                }
                return Some(end);
            }
        };
        self.found.texts.push(Some((at, end)));
        Some(end)
    }

    /// How long a date is.
    #[inline]
    fn date(&mut self, at: usize) -> Option<usize> {
        // Behind a bracket there is neither a further digit nor a zone.
        if let Some([text @ .., b']']) = self.line[at..].first_chunk::<{ Dates::LEN + 1 }>()
            && self.dates.read(text).is_some()
        {
            return Some(Dates::LEN);
        }
        Some(times::read(&self.line[at..], &Zone::utc())?.len)
    }

    /// The first end of a client's variable; None as well where that is not simple.
    fn clients(&mut self, shape: Shape, fields: &[Field], number: usize, at: usize) -> Option<usize> {
        let line = self.line;
        let rest = &line[at..];
        let texts = &mut self.found.texts;
        match shape {
            Shape::Quoted if fields[0].escape != Escape::Structured && rest.first() == Some(&b'"') => {
                let end = at + 1 + memchr::memchr(b'"', &rest[1..])?;
                texts.push(Some((at + 1, end)));
                self.found.quoted += 1;
                Some(end + 1)
            }
            Shape::Captures if fields[0].quoted => None,
            Shape::Captures if rest.first() != Some(&b'{') || !captures_any(self.captures, &fields[0]) => {
                texts.push(None);
                Some(at)
            }
            Shape::Captures => {
                let end = at + memchr::memchr(b'}', rest)?;
                texts.push(Some((at + 1, end)));
                Some(end + 1)
            }
            Shape::Cookies => {
                let between = at + memchr::memchr(b' ', rest)?;
                let end = between + 1 + memchr::memchr(b' ', &line[between + 1..])?;
                texts.extend([Some((at, between)), Some((between + 1, end))]);
                Some(end)
            }
            Shape::Loose if self.template.is_last(number) => {
                texts.push((at < line.len()).then_some((at, line.len())));
                Some(line.len())
            }
            Shape::Loose if !self.template.text_behind(number).is_empty() => {
                let what = self.template.text_behind(number);
                let end = at + 1 + crate::cells::find(rest.get(1..)?, what)?;
                texts.push(Some((at, end)));
                Some(end)
            }
            _ => None,
        }
    }
}

/// How many decimal digits the bytes begin with.
#[inline(always)]
fn digits(text: &[u8; 8]) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let value = u64::from_le_bytes(*text) ^ (ONES * u64::from(b'0'));
    // The lowest bit that is set is that of the first other byte; those above may be wrong.
    let others = (value | value.wrapping_add(ONES * (0x80 - 10))) & (ONES << 7);
    others.trailing_zeros() as usize / 8
}

/// The byte that follows each element, where that is a text of one byte or spaces, else 0.
#[must_use]
pub fn marks(elements: &[Element]) -> Vec<u8> {
    let mark = |number: usize| match elements.get(number + 1) {
        Some(Element::Space) => b' ',
        Some(Element::Text { text }) if text.len() == 1 => text.as_bytes()[0],
        _ => 0,
    };
    (0..elements.len()).map(mark).collect()
}

/// For each template those that are tried before it.
pub fn find_rivals(formats: &mut [Format]) {
    let templates = |format: usize, known: &Format| -> Vec<LayoutAt> {
        let layouts = known.layouts.iter().enumerate();
        let templates = layouts.filter(|(_, layout)| matches!(layout, Layout::Template(_)));
        templates.map(|(layout, _)| LayoutAt { format, layout }).collect()
    };
    let all: Vec<LayoutAt> = formats.iter().enumerate().flat_map(|(format, known)| templates(format, known)).collect();
    for (number, &at) in all.iter().enumerate() {
        let template = |at: LayoutAt| match &formats[at.format].layouts[at.layout] {
            Layout::Template(template) => template,
            _ => unreachable!("only templates were asked for"),
        };
        let rivals = all[..number].iter().map(|&rival| Rival {
            at: rival,
            first: template(rival).elements.first().and_then(first_byte).filter(|&byte| byte != b' '),
            is_headed: formats[rival.format].syslog.is_some(),
            is_apart: are_apart(template(at), template(rival)),
        });
        let rivals = rivals.collect();
        if let Layout::Template(template) = &mut formats[at.format].layouts[at.layout] {
            template.rivals = rivals;
            template.marks = marks(&template.elements);
            let fields = template.elements.iter().map(Element::fields).enumerate();
            let texts = fields.flat_map(|(element, fields)| {
                let slot = |field: &Field| Some(field.slots[0]).filter(|_| field.kind == Kind::Int);
                fields.iter().enumerate().map(move |(number, field)| (element, number, slot(field)))
            });
            template.texts = texts.collect();
        }
    }
}

/// Whether no text that goes the straight way through the template matches its rival: both begin with the same elements,
/// which have but one end, and go on with texts that begin differently.
fn are_apart(template: &Template, rival: &Template) -> bool {
    for (number, (here, there)) in template.elements.iter().zip(&rival.elements).enumerate() {
        let is_same = match (here, there) {
            (Element::Space, Element::Space) => true,
            (Element::Text { text: here }, Element::Text { text: there }) => here == there,
            (Element::Variable { shape: here, .. }, Element::Variable { shape: there, .. }) => {
                let is_same_behind = || template.text_behind(number) == rival.text_behind(number);
                let ends_alike = matches!(here, Shape::Integer | Shape::Date | Shape::Slack) || is_same_behind();
                here == there && !here.is_clients() && ends_alike
            }
            _ => false,
        };
        if !is_same {
            return matches!((first_byte(here), first_byte(there)), (Some(here), Some(there)) if here != there);
        }
    }
    false
}

/// What an element begins with, if that is always the same.
fn first_byte(element: &Element) -> Option<u8> {
    match element {
        Element::Space => Some(b' '),
        Element::Text { text } => text.bytes().next(),
        Element::Variable { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template(elements: &str) -> Template {
        let json = elements.split(' ').map(|element| match element {
            "_" => r#"{"element":"space"}"#.to_owned(),
            "integer" | "word" | "loose" => {
                format!(r#"{{"element":"variable","shape":"{element}","fields":[]}}"#)
            }
            text => format!(r#"{{"element":"text","text":"{text}"}}"#),
        });
        let json = json.collect::<Vec<_>>().join(",");
        serde_json::from_str(&format!(r#"{{"elements":[{json}],"required":1}}"#)).expect("a template")
    }

    #[test]
    fn templates_are_apart_where_texts_differ_behind_the_same_beginning() {
        for (one, other, expected) in [
            ("integer / integer _ word", "integer / integer / word", true),
            ("a _ integer", "b _ integer", true),
            ("word / integer", "word _ integer", false),
            ("integer / integer", "integer / word", false),
            ("loose _ integer", "loose / integer", false),
            ("integer / integer", "integer / integer", false),
            ("a integer", "ab integer", false),
        ] {
            assert_eq!(are_apart(&template(one), &template(other)), expected, "{one} {other}");
            assert_eq!(are_apart(&template(other), &template(one)), expected, "{other} {one}");
        }
    }

    #[test]
    fn digits_are_counted_up_to_the_first_other_byte() {
        for byte in 0..=u8::MAX {
            for place in 0..8 {
                let mut text = *b"09182736";
                text[place] = byte;
                let expected = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
                assert_eq!(digits(&text), expected, "{text:?}");
            }
        }
    }
}
