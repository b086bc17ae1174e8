//! The values of records as texts: decoded, and as UTF-8.

use std::borrow::Cow;

use crate::block::{Span, View};
use crate::cells::{Digits, integer, split};
use crate::escapes::{decode, has_escape};
use crate::spec::Escape;

/// The text of a span with its escapes decoded, and bytes that are no UTF-8 replaced.
#[must_use]
pub fn decoded(view: View<'_>, span: Span, escape: Escape) -> Cow<'_, str> {
    match decode(view.text(span), escape) {
        Cow::Borrowed(text) => lossy(text),
        Cow::Owned(text) => Cow::Owned(lossy(&text).into_owned()),
    }
}

/// Bytes as text; what is no UTF-8 reads as U+FFFD, once for each maximal part.
#[inline]
#[must_use]
pub fn lossy(bytes: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

/// The text as written, if decoding changes it: every escape stands for fewer characters than it has.
#[must_use]
pub fn raw_if_changed(view: View<'_>, span: Span, escape: Escape) -> Option<Cow<'_, str>> {
    let text = view.text(span);
    has_escape(text, escape).then(|| lossy(text))
}

/// The items of a list of texts.
pub fn texts<'a>(text: &'a [u8], separator: &'a str, escape: Escape) -> impl Iterator<Item = Cow<'a, str>> + 'a {
    split(text, separator.as_bytes()).map(move |(from, to)| match decode(&text[from..to], escape) {
        Cow::Borrowed(text) => lossy(text),
        Cow::Owned(text) => Cow::Owned(lossy(&text).into_owned()),
    })
}

/// The items of a list of integers, as JSON writes them; a dash is None.
pub fn numbers<'a>(text: &'a [u8], separator: &'a str) -> impl Iterator<Item = Option<Cow<'a, [u8]>>> + 'a {
    let parts = (!text.is_empty()).then(|| split(text, separator.as_bytes())).into_iter().flatten();
    parts.map(move |(from, to)| {
        let part = &text[from..to];
        integer(part).map(|digits| match digits {
            Digits::From(at) => Cow::Borrowed(&part[at..]),
            Digits::Anew(digits) => Cow::Owned(digits),
        })
    })
}

/// The entries of a list of protocols, without their quotes.
pub fn offers(text: &[u8], separator: &str) -> Vec<String> {
    let mut plain = Vec::with_capacity(text.len());
    let mut at = 0;
    while at < text.len() {
        at += usize::from(text[at..].starts_with(b"\\\""));
        plain.push(text[at]);
        at += 1;
    }
    split(&plain, separator.as_bytes()).map(|(from, to)| lossy(trim_quotes(&plain[from..to])).into_owned()).collect()
}

fn trim_quotes(mut text: &[u8]) -> &[u8] {
    while let Some(inner) = text.strip_prefix(b"\"") {
        text = inner;
    }
    while let Some(inner) = text.strip_suffix(b"\"") {
        text = inner;
    }
    text
}
