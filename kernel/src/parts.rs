//! The parts of a field's text, and which of its bytes are replaced. The rules stand in the reference twin's module
//! `redaction`.

use std::borrow::Cow;
use std::net::Ipv6Addr;

use blake2::Blake2bMac;
use blake2::digest::Mac;
use blake2::digest::consts::U16;
use serde::Deserialize;

use crate::cells::{address, integer, is_digits, request_parts, split};
use crate::escapes::decode;
use crate::spec::{Escape, Field, Kind};
use crate::values::lossy;

/// Stands for a value that is removed.
pub const NOTHING: &[u8] = b"-";
const MASKED: &[u8] = b"***";

/// What is shown instead of a field.
#[derive(Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum Method {
    Remove,
    Mask,
    Hash,
    Network,
    Query,
}

/// Where the text of a column stands in its field's, and how it is decoded.
#[derive(Clone, Copy)]
#[allow(missing_docs)]
pub struct Part {
    /// The number of its column within the field.
    pub place: usize,
    pub from: usize,
    pub to: usize,
    pub escape: Escape,
    pub of_number: bool,
    pub is_list: bool,
}

/// Bytes that are replaced.
#[allow(missing_docs)]
pub struct Range {
    pub from: usize,
    pub to: usize,
    pub by: Vec<u8>,
}

/// Whether the text stands for no value.
#[must_use]
pub fn is_absent(field: &Field, text: &[u8]) -> bool {
    text == b"-"
        || (field.bare && text == b"\"-\"")
        || (field.minus_one_absent && text == b"-1")
        || (text.is_empty() && field.is_empty_absent())
}

/// The parts of a field's text that have a value, or do not fit their column.
#[must_use]
pub fn parts(field: &Field, text: &[u8]) -> Vec<Part> {
    let part = |place, from, to| Part { place, from, to, escape: Escape::None, of_number: false, is_list: false };
    let whole = part(0, 0, text.len());
    if is_absent(field, text) {
        return Vec::new();
    }
    match field.kind {
        Kind::Endpoint => endpoint(text, 0),
        Kind::Request => {
            let values = request_parts(text).into_iter().enumerate();
            let values = values.filter(|&(_, (from, to))| from < to && text[from..to] != *NOTHING);
            let values = values.map(|(number, (from, to))| Part { escape: field.escape, ..part(number + 1, from, to) });
            std::iter::once(whole).chain(values).collect()
        }
        Kind::Target => {
            let colon = memchr::memrchr(b':', text);
            let is_address = colon.is_some_and(|colon| {
                let number = &text[colon + 1..];
                address(&text[..colon]).is_some() && is_digits(number) && integer(number).is_some()
            });
            std::iter::once(whole).chain(if is_address { endpoint(text, 1) } else { Vec::new() }).collect()
        }
        Kind::Text => (0..field.columns.len()).map(|place| Part { place, escape: field.escape, ..whole }).collect(),
        Kind::Texts | Kind::Ints | Kind::Captures | Kind::Offers => {
            vec![Part { escape: field.escape, is_list: true, of_number: field.kind == Kind::Ints, ..whole }]
        }
        Kind::Int | Kind::Float | Kind::Time => vec![Part { of_number: true, ..whole }],
    }
}

/// Address and port, which fill the columns from the number `place` on.
fn endpoint(text: &[u8], place: usize) -> Vec<Part> {
    let colon = memchr::memrchr(b':', text);
    let has_port = |&colon: &usize| address(&text[..colon]).is_some() || address(text).is_none();
    let host_end = colon.filter(has_port);
    let host = &text[..host_end.unwrap_or(text.len())];
    let (from, to) = address(host).unwrap_or((0, host.len()));
    let part = Part { place, from, to, escape: Escape::None, of_number: false, is_list: false };
    let ip = (host != NOTHING).then_some(part);
    let number = host_end.map(|end| end + 1).filter(|&at| text[at..] != *NOTHING);
    let number = number.map(|from| Part { place: place + 1, from, to: text.len(), of_number: true, ..part });
    ip.into_iter().chain(number).collect()
}

/// The bytes of some fields' text that are replaced, in order; of those within others, or equal ones, the first.
#[must_use]
pub fn ranges(fields: &[&Field], text: &[u8], method_of: impl Fn(usize) -> Option<Method>, key: &[u8]) -> Vec<Range> {
    let mut all = Vec::new();
    for field in fields {
        let parts = parts(field, text);
        for part in &parts {
            let Some(method) = method_of(field.columns[part.place]) else { continue };
            if method == Method::Query && field.kind == Kind::Request && part.place == 0 {
                let urls = parts.iter().filter(|part| part.place == 2);
                urls.for_each(|url| add(&mut all, *url, field, text, (method, key)));
            } else {
                add(&mut all, *part, field, text, (method, key));
            }
        }
    }
    all.sort_by_key(|range| (range.from, std::cmp::Reverse(range.to)));
    let mut end = 0;
    let mut is_first = true;
    all.retain(|range| {
        let is_kept = is_first || range.from >= end;
        if is_kept {
            (is_first, end) = (false, range.to);
        }
        is_kept
    });
    all
}

fn add(all: &mut Vec<Range>, part: Part, field: &Field, text: &[u8], (method, key): (Method, &[u8])) {
    if method == Method::Remove {
        return all.push(Range { from: part.from, to: part.to, by: NOTHING.to_vec() });
    }
    let whole = &text[part.from..part.to];
    let items: Vec<(usize, usize)> =
        if part.is_list { split(whole, field.separator.as_bytes()).collect() } else { vec![(0, whole.len())] };
    for (from, to) in items {
        let item = &whole[from..to];
        if item.is_empty() || item == NOTHING {
            continue;
        }
        let (from, to) = (part.from + from, part.from + to);
        let by = match method {
            Method::Query => {
                let values = query_values(item).into_iter();
                all.extend(values.map(|(start, end)| Range {
                    from: from + start,
                    to: from + end,
                    by: MASKED.to_vec(),
                }));
                continue;
            }
            Method::Network => network(item).unwrap_or_else(|| MASKED.to_vec()),
            Method::Hash => hash(lossy(&decode(item, part.escape)).as_bytes(), key),
            _ => MASKED.to_vec(),
        };
        all.push(Range { from, to, by });
    }
}

/// 32 hex digits of keyed `BLAKE2b`.
fn hash(text: &[u8], key: &[u8]) -> Vec<u8> {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let key = (!key.is_empty()).then_some(key);
    let Ok(mac) = Blake2bMac::<U16>::new_with_salt_and_personal(key, &[], &[]) else { return MASKED.to_vec() };
    let digest = mac.chain_update(text).finalize().into_bytes();
    digest.iter().flat_map(|byte| [byte >> 4, byte & 15]).map(|digit| DIGITS[usize::from(digit)]).collect()
}

/// A part of a text with the ranges within it replaced.
#[must_use]
pub fn replaced(text: &[u8], from: usize, to: usize, ranges: &[Range]) -> Vec<u8> {
    let mut new = Vec::with_capacity(to - from);
    replace(text, from, to, ranges, &mut new);
    new
}

/// The same behind other bytes.
pub fn replace(text: &[u8], from: usize, to: usize, ranges: &[Range], new: &mut Vec<u8>) {
    let mut at = from;
    for range in ranges.iter().filter(|range| range.to <= to) {
        if range.from < at {
            continue;
        }
        new.extend_from_slice(&text[at..range.from]);
        new.extend_from_slice(&range.by);
        at = range.to;
    }
    new.extend_from_slice(&text[at..to]);
}

/// Where the values of a URL's query string stand; a parameter without `=` is a value.
fn query_values(text: &[u8]) -> Vec<(usize, usize)> {
    let Some(mark) = memchr::memchr(b'?', text) else { return Vec::new() };
    let mut at = mark + 1;
    let mut found = Vec::new();
    for parameter in text[at..].split(|&byte| byte == b'&') {
        let end = at + parameter.len();
        let begin = memchr::memchr(b'=', parameter).map_or(at, |equals| at + equals + 1);
        if begin < end {
            found.push((begin, end));
        }
        at = end + 1;
    }
    found
}

/// The /24 or /48 of an address, which may stand in brackets and before a port.
fn network(text: &[u8]) -> Option<Vec<u8>> {
    let colon = memchr::memrchr(b':', text).filter(|&colon| {
        let host = &text[..colon];
        is_digits(&text[colon + 1..]) && (!host.contains(&b':') || host.ends_with(b"]"))
    });
    let Some(colon) = colon else { return network_of_address(text) };
    Some([&network_of_address(&text[..colon])?, &text[colon..]].concat())
}

fn network_of_address(text: &[u8]) -> Option<Vec<u8>> {
    let (from, to) = address(text).filter(|_| text != b"unix")?;
    let known = std::str::from_utf8(&text[from..to]).ok()?;
    let zeroed: Cow<'_, str> = if known.contains(':') {
        zeroed_6(known.parse().ok()?).into()
    } else {
        format!("{}.0", known.rsplit_once('.')?.0).into()
    };
    Some(if from > 0 { format!("[{zeroed}]").into_bytes() } else { zeroed.into_owned().into_bytes() })
}

fn zeroed_6(address: Ipv6Addr) -> String {
    if let Some(mapped) = address.to_ipv4_mapped() {
        let [first, second, third, _] = mapped.octets();
        return format!("::ffff:{first}.{second}.{third}.0");
    }
    let groups = &address.segments()[..3];
    let len = groups.iter().rposition(|&group| group != 0).map_or(0, |last| last + 1);
    let groups: Vec<String> = groups[..len].iter().map(|group| format!("{group:x}")).collect();
    groups.join(":") + "::"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_zeroed_behind_their_prefix() {
        for (address, expected) in [
            ("192.0.2.77", "192.0.2.0"),
            ("192.0.2.77:8080", "192.0.2.0:8080"),
            ("2001:db8:1:2::9", "2001:db8:1::"),
            ("[2001:db8:0:2::9]:443", "[2001:db8::]:443"),
            ("0:0:1::9", "0:0:1::"),
            ("::1", "::"),
            ("::ffff:192.0.2.77", "::ffff:192.0.2.0"),
        ] {
            assert_eq!(network(address.as_bytes()), Some(expected.as_bytes().to_vec()), "{address}");
        }
        for other in ["unix", "host", "192.0.2.300", "[::1", ":80", "[::1]:80:90", ""] {
            assert_eq!(network(other.as_bytes()), None, "{other}");
        }
    }

    #[test]
    fn the_values_of_a_query_are_found() {
        assert_eq!(query_values(b"http://h/p?a=1&b=&=2&token#x&&c=3=4"), [(13, 14), (19, 20), (21, 28), (32, 35)]);
        assert!(query_values(b"http://h/a=1&b=2").is_empty());
    }
}
