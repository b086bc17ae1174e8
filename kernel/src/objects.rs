//! Flat JSON objects: the vended copies of AWS's logs, and `HAProxy`'s `+json`. The rules stand in the reference
//! twin's module of the same name.

use std::borrow::Cow;

/// A value as if it had been logged: one text, or the items of an array.
pub enum Value<'a> {
    /// A string, a number, true, false; null is a dash.
    One(Cow<'a, [u8]>),
    /// The items of an array.
    Many(Vec<Cow<'a, [u8]>>),
}

impl Value<'_> {
    /// The text, items joined by the separator.
    #[must_use]
    pub fn join(&self, separator: &[u8]) -> Cow<'_, [u8]> {
        match self {
            Self::One(text) => Cow::Borrowed(text),
            Self::Many(items) => Cow::Owned(items.join(separator)),
        }
    }
}

/// Keys and values in order; of a key that comes twice the last one.
pub type Object<'a> = Vec<(Cow<'a, [u8]>, Value<'a>)>;

/// The keys and values of a flat object, or None.
#[must_use]
pub fn read(line: &[u8]) -> Option<Object<'_>> {
    let mut object: Object<'_> = Vec::new();
    for (key, value, _) in pairs(line)? {
        object.retain(|(known, _)| *known != key);
        object.push((key, value));
    }
    Some(object)
}

/// A key, its value, and where the value stands.
pub type Pair<'a> = (Cow<'a, [u8]>, Value<'a>, (usize, usize));

/// All pairs of a flat object in order, those whose key comes again too, or None.
#[must_use]
pub fn pairs(line: &[u8]) -> Option<Vec<Pair<'_>>> {
    std::str::from_utf8(line).ok()?;
    let mut reader = Reader { line, at: 0 };
    reader.skip();
    reader.take(b'{')?;
    let mut object = Vec::new();
    reader.skip();
    if reader.take(b'}').is_some() {
        return reader.at_end().then_some(object);
    }
    loop {
        let key = reader.string()?;
        reader.skip();
        reader.take(b':')?;
        reader.skip();
        let begin = reader.at;
        let value = reader.value()?;
        object.push((key, value, (begin, reader.at)));
        reader.skip();
        if reader.take(b'}').is_some() {
            return reader.at_end().then_some(object);
        }
        reader.take(b',')?;
        reader.skip();
    }
}

struct Reader<'a> {
    line: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn skip(&mut self) {
        while matches!(self.line.get(self.at), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }

    fn at_end(&mut self) -> bool {
        self.skip();
        self.at == self.line.len()
    }

    fn take(&mut self, byte: u8) -> Option<()> {
        (self.line.get(self.at) == Some(&byte)).then(|| self.at += 1)
    }

    fn value(&mut self) -> Option<Value<'a>> {
        if self.take(b'[').is_none() {
            return self.scalar().map(Value::One);
        }
        let mut items = Vec::new();
        self.skip();
        if self.take(b']').is_some() {
            return Some(Value::Many(items));
        }
        loop {
            items.push(self.scalar()?);
            self.skip();
            if self.take(b']').is_some() {
                return Some(Value::Many(items));
            }
            self.take(b',')?;
            self.skip();
        }
    }

    fn scalar(&mut self) -> Option<Cow<'a, [u8]>> {
        if self.line.get(self.at) == Some(&b'"') {
            return self.string();
        }
        let rest = &self.line[self.at..];
        for word in [b"true".as_slice(), b"false", b"null"] {
            if rest.starts_with(word) {
                self.at += word.len();
                return Some(Cow::Borrowed(if word == b"null" { b"-" } else { word }));
            }
        }
        let len = number_len(rest)?;
        self.at += len;
        Some(Cow::Borrowed(&rest[..len]))
    }

    fn string(&mut self) -> Option<Cow<'a, [u8]>> {
        self.take(b'"')?;
        let start = self.at;
        let mut escaped = false;
        loop {
            match *self.line.get(self.at)? {
                b'"' => break,
                b'\\' => {
                    escaped = true;
                    self.at += escape_len(&self.line[self.at..])?;
                }
                0..0x20 => return None,
                _ => self.at += 1,
            }
        }
        let text = &self.line[start..self.at];
        self.at += 1;
        Some(if escaped { Cow::Owned(unescape(text)) } else { Cow::Borrowed(text) })
    }
}

/// RFC 8259, 6: how long the number is that the text begins with.
fn number_len(text: &[u8]) -> Option<usize> {
    let digits =
        |from: usize| text.get(from..).unwrap_or_default().iter().take_while(|byte| byte.is_ascii_digit()).count();
    let sign = usize::from(text.first() == Some(&b'-'));
    let mut len = sign + if text.get(sign) == Some(&b'0') { 1 } else { digits(sign) };
    if len == sign {
        return None;
    }
    if text.get(len) == Some(&b'.') && digits(len + 1) > 0 {
        len += 1 + digits(len + 1);
    }
    if matches!(text.get(len), Some(b'e' | b'E')) {
        let exponent = len + 1 + usize::from(matches!(text.get(len + 1), Some(b'+' | b'-')));
        if digits(exponent) > 0 {
            len = exponent + digits(exponent);
        }
    }
    Some(len)
}

fn escape_len(text: &[u8]) -> Option<usize> {
    match text.get(1)? {
        b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Some(2),
        b'u' => text.get(2..6)?.iter().all(u8::is_ascii_hexdigit).then_some(6),
        _ => None,
    }
}

fn unescape(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while at < text.len() {
        if text[at] != b'\\' {
            out.push(text[at]);
            at += 1;
        } else if text[at + 1] == b'u' {
            let mut units = Vec::new();
            while text[at..].starts_with(b"\\u") {
                units.push(unit(&text[at + 2..at + 6]));
                at += 6;
            }
            for character in char::decode_utf16(units) {
                let character = character.unwrap_or(char::REPLACEMENT_CHARACTER);
                out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            }
        } else {
            out.push(match text[at + 1] {
                b'b' => 8,
                b'f' => 12,
                b'n' => b'\n',
                b'r' => b'\r',
                b't' => b'\t',
                same => same,
            });
            at += 2;
        }
    }
    out
}

fn unit(digits: &[u8]) -> u16 {
    digits.iter().fold(0, |unit, &digit| unit << 4 | char::from(digit).to_digit(16).unwrap_or_default() as u16)
}
