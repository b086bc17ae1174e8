//! Escapes: what the bytes of a field stand for. Nothing is decoded twice.

use std::borrow::Cow;

use crate::spec::Escape;

/// Reads one escape at the start of a text: the byte it stands for, and how long it is.
pub type Read = fn(&[u8]) -> Option<(u8, usize)>;

/// The byte that escapes begin with, and how they are read.
#[must_use]
pub fn reading(escape: Escape) -> Option<(u8, Read)> {
    match escape {
        Escape::None => None,
        Escape::Hex => Some((b'\\', hex)),
        Escape::Backslash => Some((b'\\', quote)),
        Escape::Hash => Some((b'#', hash)),
        Escape::Structured => Some((b'\\', structured)),
        Escape::Both => Some((b'#', both)),
    }
}

/// The other byte that escapes begin with, where there are two.
fn other_mark(escape: Escape, mark: u8) -> u8 {
    if escape == Escape::Both { b'\\' } else { mark }
}

/// Whether there is anything to decode.
#[must_use]
pub fn has_escape(text: &[u8], escape: Escape) -> bool {
    reading(escape).is_some_and(|(mark, read)| {
        memchr::memchr2_iter(mark, other_mark(escape, mark), text).any(|at| read(&text[at..]).is_some())
    })
}

/// The text with its escapes decoded; borrowed if it has none.
#[must_use]
pub fn decode(text: &[u8], escape: Escape) -> Cow<'_, [u8]> {
    let Some((mark, read)) = reading(escape) else { return Cow::Borrowed(text) };
    let other = other_mark(escape, mark);
    let Some(mut at) = memchr::memchr2(mark, other, text) else { return Cow::Borrowed(text) };
    if !has_escape(text, escape) {
        return Cow::Borrowed(text);
    }
    let mut decoded = Vec::with_capacity(text.len());
    decoded.extend_from_slice(&text[..at]);
    while at < text.len() {
        let byte = text[at];
        let (byte, len) =
            if byte == mark || byte == other { read(&text[at..]).unwrap_or((byte, 1)) } else { (byte, 1) };
        decoded.push(byte);
        at += len;
    }
    Cow::Owned(decoded)
}

/// `\x000000HH`, `\xHH`, `\"`: the byte, and how long its escape is.
fn hex(text: &[u8]) -> Option<(u8, usize)> {
    match text {
        [_, b'x', b'0', b'0', b'0', b'0', b'0', b'0', high, low, ..] if both_hex(*high, *low) => {
            Some((pair(*high, *low), 10))
        }
        [_, b'x', high, low, ..] if both_hex(*high, *low) => Some((pair(*high, *low), 4)),
        _ => quote(text),
    }
}

fn quote(text: &[u8]) -> Option<(u8, usize)> {
    (text.get(1) == Some(&b'"')).then_some((b'"', 2))
}

fn hash(text: &[u8]) -> Option<(u8, usize)> {
    match text {
        [b'#', high, low, ..] if both_hex(*high, *low) => Some((pair(*high, *low), 3)),
        _ => None,
    }
}

fn structured(text: &[u8]) -> Option<(u8, usize)> {
    text.get(1).filter(|byte| matches!(byte, b'"' | b'\\' | b']')).map(|&byte| (byte, 2))
}

fn both(text: &[u8]) -> Option<(u8, usize)> {
    if text.first() == Some(&b'#') { hash(text) } else { structured(text) }
}

fn both_hex(high: u8, low: u8) -> bool {
    high.is_ascii_hexdigit() && low.is_ascii_hexdigit()
}

fn pair(high: u8, low: u8) -> u8 {
    let digit = |byte: u8| (byte & 15) + 9 * (byte >> 6);
    digit(high) << 4 | digit(low)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_escape_decodes_its_own() {
        assert_eq!(decode(br"a\x22b\x00000041\x4z\\", Escape::Hex).as_ref(), br#"a"bA\x4z\\"#);
        assert_eq!(decode(br#"\"a\x22\""#, Escape::Backslash).as_ref(), br#""a\x22""#);
        assert_eq!(decode(b"#22q#7cz#g0#", Escape::Hash).as_ref(), b"\"q|z#g0#");
        assert_eq!(decode(br#"\\\"\]\n"#, Escape::Structured).as_ref(), br#"\"]\n"#);
        assert_eq!(decode(br"\\#22\]#5C\x#zz", Escape::Both).as_ref(), br#"\"]\\x#zz"#);
        assert!(matches!(decode(b"plain", Escape::Hex), Cow::Borrowed(_)));
    }
}
