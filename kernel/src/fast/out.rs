//! A growing text that is made of many short pieces.

use super::part::{LONG, Part, SHORT};
use crate::block::Span;

/// Copy so many bytes.
///
/// # Safety
/// `from` may be read and `to` may be written so far, and they do not overlap.
#[inline(always)]
unsafe fn copy_short(from: *const u8, to: *mut u8) {
    // SAFETY: as the caller promises; neither needs to be aligned.
    unsafe { std::ptr::copy_nonoverlapping(from, to, SHORT) }
}

/// So much more than a value's length may be written with it.
const ROOM: usize = KEY + LONG + 2;

/// Longer beginnings are written another way.
const KEY: usize = 48;

/// What stands around a value in an object, as often as it is written, and where the value is found.
#[derive(Clone)]
#[repr(align(64))]
pub struct Key {
    bytes: [u8; KEY],
    /// What stands behind the value, and how long that is.
    after: [u8; 2],
    after_len: u8,
    len: u8,
    /// The value's slot.
    slot: u32,
    /// The bit at which it is not simply written.
    stop: u8,
    /// It is written only there.
    is_silent: bool,
}

impl Default for Key {
    fn default() -> Self {
        Self { bytes: [0; KEY], after: [0; 2], after_len: 0, len: 0, slot: 0, stop: 0, is_silent: true }
    }
}

impl Key {
    /// What stands before a value and behind it, which is found in that slot; None if it is too long. `stop`: the bit at
    /// which it is not simply written; a silent one is only written there.
    #[must_use]
    pub fn new(before: &[u8], behind: &[u8], slot: usize, (stop, is_silent): (u8, bool)) -> Option<Self> {
        let (len, after_len) = (before.len() as u8, behind.len() as u8);
        let slot = u32::try_from(slot).ok()?;
        let mut key = Self { bytes: [0; KEY], after: [0; 2], after_len, len, slot, stop, is_silent };
        key.bytes.get_mut(..before.len())?.copy_from_slice(before);
        key.after.get_mut(..behind.len())?.copy_from_slice(behind);
        Some(key)
    }
}

/// How an ASCII byte stands in a JSON string, and how long that is.
static IN_STRING: [([u8; 8], usize); 128] = {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    const SHORT_ONES: [(u8, u8); 7] =
        [(b'"', b'"'), (b'\\', b'\\'), (8, b'b'), (b'\t', b't'), (b'\n', b'n'), (12, b'f'), (b'\r', b'r')];
    let mut table = [([0; 8], 1); 128];
    let mut byte = 0;
    while byte < 128 {
        table[byte].0[0] = byte as u8;
        if byte < 0x20 {
            table[byte] = ([b'\\', b'u', b'0', b'0', HEX[byte >> 4], HEX[byte & 15], 0, 0], 6);
        }
        byte += 1;
    }
    let mut number = 0;
    while number < SHORT_ONES.len() {
        let (byte, letter) = SHORT_ONES[number];
        table[byte as usize] = ([b'\\', letter, 0, 0, 0, 0, 0, 0], 2);
        number += 1;
    }
    table
};

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

    /// How long the text is.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The text from a place on.
    #[must_use]
    pub fn behind(&self, from: usize) -> &[u8] {
        &self.bytes[from..self.len]
    }

    /// Make room for so many bytes, and for what short copies write too much.
    #[inline]
    pub fn reserve(&mut self, bytes: usize) {
        let needed = self.len + bytes + ROOM;
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

    /// Append what stands before a key's value.
    #[inline(always)]
    pub fn before(&mut self, key: &Key) {
        match self.bytes.get_mut(self.len..).and_then(|rest| rest.first_chunk_mut()) {
            Some(place) => {
                *place = key.bytes;
                self.len += usize::from(key.len);
            }
            None => self.slice(&key.bytes[..usize::from(key.len)]),
        }
    }

    /// Append two bytes.
    #[inline(always)]
    pub fn two(&mut self, bytes: [u8; 2]) {
        match self.bytes.get_mut(self.len..).and_then(|rest| rest.first_chunk_mut()) {
            Some(place) => *place = bytes,
            None => return self.slice(&bytes),
        }
        self.len += 2;
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

    /// Append the parts of `source` in `slots` with their keys from a number on, up to a key at whose bit it is to stop,
    /// and which has a value; tells that key's number. With `PLAIN` there is no bit.
    #[inline(always)]
    pub fn pairs<const PLAIN: bool>(
        &mut self,
        keys: &[Key],
        from: usize,
        source: &[u8],
        slots: &[Span],
        stops: u64,
    ) -> usize {
        let mut pen = self.pen();
        let mut left = keys.get(from..).unwrap_or_default();
        while let [key, rest @ ..] = left {
            let span = slots.get(key.slot as usize).copied().unwrap_or(Span::ABSENT);
            if span.is_present() {
                let is_stop = !PLAIN && stops >> (key.stop & 63) & 1 == 1;
                let mut is_put = || Part::of(source, span).is_some_and(|part| pen.put(key, part));
                if is_stop || ((PLAIN || !key.is_silent) && !is_put()) {
                    break;
                }
            }
            left = rest;
        }
        pen.done();
        keys.len() - left.len()
    }

    /// What appends parts of texts.
    #[inline(always)]
    pub fn pen(&mut self) -> Pen<'_> {
        let memory = self.bytes.as_mut_ptr_range();
        // SAFETY: the text ends within its memory, or where that ends.
        let to = unsafe { memory.start.add(self.len) };
        Pen { out: self, to, end: memory.end }
    }

    /// Forget what stands behind a place.
    pub fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }

    /// Append a part of `source` with its key.
    #[inline(always)]
    pub fn pair(&mut self, key: &Key, source: &[u8], span: Span) {
        let behind = usize::from(key.after_len);
        self.before(key);
        self.part(source, span.start(), span.len());
        match self.bytes.get_mut(self.len..).and_then(|rest| rest.first_chunk_mut()) {
            Some(place) => {
                *place = key.after;
                self.len += behind;
            }
            None => self.slice(&key.after[..behind]),
        }
    }

    /// Append the first bytes of a window.
    #[inline(always)]
    pub fn window(&mut self, bytes: &[u8; SHORT], len: usize) {
        match self.bytes.get_mut(self.len..).and_then(|rest| rest.first_chunk_mut()) {
            Some(place) => *place = *bytes,
            None => return self.slice(&bytes[..len]),
        }
        self.len += len.min(SHORT);
    }

    /// Append an ASCII byte as it stands in a JSON string.
    #[inline(always)]
    pub fn ascii(&mut self, byte: u8) {
        let (text, len) = &IN_STRING[usize::from(byte & 0x7f)];
        match self.bytes.get_mut(self.len..).and_then(|rest| rest.first_chunk_mut()) {
            Some(place) => *place = *text,
            None => return self.slice(&text[..*len]),
        }
        self.len += len;
    }

    /// Put UTC's sign behind a time whose quote is written already.
    #[inline(always)]
    pub fn add_zone(&mut self) {
        self.len -= 1;
        self.byte(b'Z');
        self.byte(b'"');
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

/// Appends parts of texts with their keys. What was appended counts when it is done.
pub struct Pen<'a> {
    out: &'a mut Out,
    to: *mut u8,
    /// Where the memory ends.
    end: *mut u8,
}

impl Pen<'_> {
    /// Append a part with its key; false if there is too little room.
    #[inline(always)]
    pub fn put(&mut self, key: &Key, part: Part<'_>) -> bool {
        self.append::<1>(key, part)
    }

    /// The same for one that may be a little longer than a short copy: it is not asked whether it is, for that cannot be
    /// foretold.
    #[inline(always)]
    pub fn put_text(&mut self, key: &Key, part: Part<'_>) -> bool {
        self.append::<2>(key, part)
    }

    /// The same for one of any length.
    #[inline(always)]
    pub fn put_any(&mut self, key: &Key, part: Part<'_>) -> bool {
        self.append::<4>(key, part)
    }

    /// So many short copies are always made.
    #[inline(always)]
    fn append<const COPIES: usize>(&mut self, key: &Key, part: Part<'_>) -> bool {
        let (from, len) = (part.place(), part.len());
        if self.to as usize + len + ROOM > self.end as usize {
            return false;
        }
        // SAFETY: there is room for the longest key, for the value up to whole short copies, and for what stands behind
        // (asked above); the key's text is no longer than the longest, and of a part may be read so much more. What is
        // written lies within memory that `out` owns, which is lent to this alone, and that is initialised, so nothing
        // overlaps and any of it may become text. Nothing moves that memory meanwhile.
        unsafe {
            copy_short(key.bytes.as_ptr(), self.to);
            let before = usize::from(key.len);
            if before > SHORT {
                // Up to the longest key's last byte.
                copy_short(key.bytes.as_ptr().add(KEY - SHORT), self.to.add(KEY - SHORT));
            }
            let place = self.to.add(before);
            copy_short(from, place);
            for number in 1..COPIES {
                copy_short(from.add(number * SHORT), place.add(number * SHORT));
            }
            if len > COPIES * SHORT {
                for number in COPIES..LONG / SHORT {
                    copy_short(from.add(number * SHORT), place.add(number * SHORT));
                }
                if len > LONG {
                    std::ptr::copy_nonoverlapping(from.add(LONG), place.add(LONG), len - LONG);
                }
            }
            place.add(len).cast::<[u8; 2]>().write_unaligned(key.after);
            self.to = place.add(len + usize::from(key.after_len));
        }
        true
    }

    /// Let what was appended count.
    #[inline(always)]
    pub fn done(self) {
        self.out.len = self.to as usize - self.out.bytes.as_ptr() as usize;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pen_writes_as_long_as_there_is_room() {
        let (source, key) = ([b'x'; 300], Key::new(&[b'k'; KEY], b"\",", 0, (0, false)).expect("short"));
        for size in (0..4).chain(ROOM - 2..ROOM + 400) {
            for value in [0, 1, SHORT, SHORT + 1, LONG, LONG + 1, LONG + 40] {
                let mut out = Out::new(vec![0; size]);
                let mut pen = out.pen();
                let part = Part::of(&source, Span::new(1, 1 + value)).expect("far from the end");
                let written =
                    std::iter::repeat_with(
                        || if size % 2 == 0 { pen.put(&key, part) } else { pen.put_any(&key, part) },
                    )
                    .take_while(|&is_put| is_put);
                let count = written.count();
                pen.done();
                // Nothing is written if the memory cannot hold what may be written too much.
                let pair = KEY + value + 2;
                let expected = size.checked_sub(value + ROOM).map_or(0, |room| room / pair + 1);
                assert_eq!((count, out.len()), (expected, expected * pair), "{size} {value}");
            }
        }
    }

    #[test]
    fn short_and_long_parts_are_appended() {
        let source: Vec<u8> = (0..100).collect();
        let mut out = Out::new(Vec::new());
        let mut expected = Vec::new();
        for (at, len) in [(0, 0), (0, 1), (3, 32), (3, 33), (60, 40), (90, 10), (99, 1)] {
            out.part(&source, at, len);
            expected.extend_from_slice(&source[at..at + len]);
        }
        let key = Key::new(b",\"key\":\"", b"\"", 0, (0, false)).expect("short");
        for (at, len) in [(0, 0), (5, 7), (0, 80), (95, 5)] {
            out.pair(&key, &source, Span::new(at, at + len));
            out.reserve(100);
            let keys = [key.clone()];
            assert_eq!(out.pairs::<true>(&keys, 0, &source, &[Span::ABSENT], 0), 1);
            expected.extend_from_slice(b",\"key\":\"");
            expected.extend_from_slice(&source[at..at + len]);
            expected.push(b'"');
        }
        let (bytes, len) = out.into_parts();
        assert_eq!(bytes[..len], expected);
    }
}
