//! A growing text that is made of many short pieces.

/// A short copy moves so many bytes whatever the length, which compiles to two moves.
pub const SHORT: usize = 32;

/// The beginning of a pair of an object, as often as it is written.
#[derive(Clone)]
pub struct Key {
    bytes: [u8; KEY],
    len: usize,
    /// The value is a text: its quote is closed behind it.
    quoted: bool,
}

/// Longer beginnings are written another way.
const KEY: usize = 64;

impl Default for Key {
    fn default() -> Self {
        Self { bytes: [0; KEY], len: 0, quoted: false }
    }
}

impl Key {
    /// A beginning, up to the value's first byte; None if it is too long.
    #[must_use]
    pub fn new(text: &[u8], quoted: bool) -> Option<Self> {
        let mut bytes = [0; KEY];
        bytes.get_mut(..text.len())?.copy_from_slice(text);
        Some(Self { bytes, len: text.len(), quoted })
    }
}

/// A growing text that is made of many short pieces.
///
/// Its memory is kept initialised, also behind the text, so that short copies may write too much.
pub struct Out {
    bytes: Vec<u8>,
    len: usize,
}

impl Out {
    /// An empty text in the memory of `bytes`.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self { bytes, len: 0 }
    }

    /// The memory, and how much of it is the text.
    #[must_use]
    pub fn into_parts(self) -> (Vec<u8>, usize) {
        (self.bytes, self.len)
    }

    /// Make room for so many bytes, and for what short copies write too much.
    #[inline]
    pub fn reserve(&mut self, bytes: usize) {
        let needed = self.len + bytes + 2 * SHORT;
        if needed > self.bytes.len() {
            self.grow(needed);
        }
    }

    #[cold]
    fn grow(&mut self, needed: usize) {
        self.bytes.resize(needed.max(self.bytes.len() * 2), 0);
    }

    /// Append any bytes.
    #[inline]
    pub fn slice(&mut self, bytes: &[u8]) {
        if self.bytes.len() - self.len < bytes.len() {
            self.reserve(bytes.len());
        }
        self.bytes[self.len..self.len + bytes.len()].copy_from_slice(bytes);
        self.len += bytes.len();
    }

    /// Append one byte.
    #[inline(always)]
    pub fn byte(&mut self, byte: u8) {
        match self.bytes.get_mut(self.len) {
            Some(place) => *place = byte,
            None => return self.slice(&[byte]),
        }
        self.len += 1;
    }

    /// Append a key and `len` bytes of `source` from `at` on as its value.
    #[inline(always)]
    pub fn pair(&mut self, key: &Key, source: &[u8], at: usize, len: usize) {
        let read = len.next_multiple_of(SHORT).max(SHORT);
        if self.bytes.len() - self.len < KEY + read + 1 || at + read > source.len() {
            return self.pair_with_care(key, source, at, len);
        }
        // SAFETY: there is room for the longest key, for what is read from `source`, and for a quote (asked above); the
        // key's text is no longer than the longest, and `source` holds what is read (asked above). What is written lies
        // within memory that this owns and that is initialised, so nothing overlaps and any of it may become text.
        unsafe {
            let mut to = self.bytes.as_mut_ptr().add(self.len);
            let bytes = key.bytes.as_ptr();
            to.cast::<[u8; SHORT]>().write_unaligned(bytes.cast::<[u8; SHORT]>().read_unaligned());
            if key.len > SHORT {
                let rest = bytes.add(SHORT).cast::<[u8; SHORT]>().read_unaligned();
                to.add(SHORT).cast::<[u8; SHORT]>().write_unaligned(rest);
            }
            to = to.add(key.len);
            let from = source.as_ptr().add(at);
            let mut copied = 0;
            while copied < read {
                let piece = from.add(copied).cast::<[u8; SHORT]>().read_unaligned();
                to.add(copied).cast::<[u8; SHORT]>().write_unaligned(piece);
                copied += SHORT;
            }
            to.add(len).write(b'"');
        }
        self.len += key.len + len + usize::from(key.quoted);
    }

    #[cold]
    fn pair_with_care(&mut self, key: &Key, source: &[u8], at: usize, len: usize) {
        self.slice(&key.bytes[..key.len]);
        self.slice(&source[at..at + len]);
        if key.quoted {
            self.byte(b'"');
        }
    }

    /// Append `len` bytes of `source` from `at` on.
    #[inline(always)]
    pub fn part(&mut self, source: &[u8], at: usize, len: usize) {
        let from = source.get(at..).and_then(|rest| rest.first_chunk::<SHORT>());
        let to = self.bytes.get_mut(self.len..).and_then(|rest| rest.first_chunk_mut::<SHORT>());
        match (from, to) {
            (Some(from), Some(to)) if len <= SHORT => {
                *to = *from;
                self.len += len;
            }
            _ => self.long_part(source, at, len),
        }
    }

    #[inline(never)]
    fn long_part(&mut self, source: &[u8], at: usize, len: usize) {
        let whole = len.next_multiple_of(SHORT);
        let from = source.get(at..at + whole);
        let to = self.bytes.get_mut(self.len..self.len + whole);
        match (from, to) {
            (Some(from), Some(to)) if len <= 8 * SHORT => {
                for (from, to) in from.as_chunks::<SHORT>().0.iter().zip(to.as_chunks_mut::<SHORT>().0) {
                    *to = *from;
                }
                self.len += len;
            }
            _ => self.slice(&source[at..at + len]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_and_long_parts_are_appended() {
        let source: Vec<u8> = (0..100).collect();
        let mut out = Out::new(Vec::new());
        let mut expected = Vec::new();
        for (at, len) in [(0, 0), (0, 1), (3, 32), (3, 33), (60, 40), (90, 10), (99, 1)] {
            out.part(&source, at, len);
            expected.extend_from_slice(&source[at..at + len]);
        }
        let key = Key::new(b",\"key\":\"", true).expect("short");
        for (at, len) in [(0, 0), (5, 7), (0, 80), (95, 5)] {
            out.pair(&key, &source, at, len);
            expected.extend_from_slice(b",\"key\":\"");
            expected.extend_from_slice(&source[at..at + len]);
            expected.push(b'"');
        }
        let (bytes, len) = out.into_parts();
        assert_eq!(bytes[..len], expected);
    }
}
