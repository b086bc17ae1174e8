//! What makes the kernel fast: bit masks of a block's structure, and short copies without a call.
//!
//! All unsafe code of the parsing and writing path is in this file; each block says why it is sound. Masks have a
//! scalar twin (`scalar_block`), which is what other processors run and what the tests compare with.

use crate::block::{Line, Span};
use crate::spec::CutStep;

/// Work that is worth being compiled for newer processors too. `run` must be inlined always: a closure is not.
pub trait Hot {
    /// What comes of it.
    type Output;
    /// Do the work.
    fn run(self) -> Self::Output;
}

/// Do the work as code for this processor, with its instructions for bits and short vectors.
#[inline]
pub fn at_best<W: Hot>(work: W) -> W::Output {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("bmi1")
        && is_x86_feature_detected!("bmi2")
        && is_x86_feature_detected!("popcnt")
        && is_x86_feature_detected!("lzcnt")
    {
        // SAFETY: the processor has these features, which were asked just now.
        return unsafe { x86::at_best(work) };
    }
    work.run()
}

/// Bytes that one step of building masks looks at.
const WORD: usize = 64;
/// A short copy moves so many bytes whatever the length, which compiles to two moves.
const SHORT: usize = 32;

/// One bit for each byte of a block, the first in the lowest place.
#[derive(Default, Clone)]
pub struct Mask {
    /// As bytes, with 8 more behind, so that 8 can be read at any place.
    bytes: Vec<u8>,
}

impl Mask {
    /// A mask that is built in the memory of `bytes`.
    #[must_use]
    pub fn within(bytes: Vec<u8>) -> Self {
        Self { bytes }
    }

    /// The memory of the mask.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// The bits, to be asked.
    #[inline]
    #[must_use]
    pub fn bits(&self) -> Bits<'_> {
        Bits { bytes: &self.bytes }
    }

    fn resize(&mut self, bytes: usize) {
        self.bytes.resize(bytes / WORD * 8 + 24, 0);
    }
}

/// The bits of a mask.
#[derive(Clone, Copy)]
pub struct Bits<'a> {
    bytes: &'a [u8],
}

/// Bits that may be asked up to a place which was checked in advance.
#[derive(Clone, Copy)]
pub struct Checked<'a> {
    bytes: &'a [u8],
    end: usize,
}

impl Checked<'_> {
    /// The bits from `at` on; at least 57 of them are there.
    #[inline(always)]
    fn window(self, at: usize) -> u64 {
        debug_assert!(at <= self.end);
        // SAFETY: `Bits::up_to` has seen 9 bytes from the one that holds the bit `end`, and `at` is `end` at most.
        let bytes = unsafe { self.bytes.as_ptr().add(at / 8).cast::<[u8; 8]>().read() };
        u64::from_le_bytes(bytes) >> (at % 8)
    }

    /// The bits of `from..to`, which are 56 at most, the first in the lowest place.
    #[inline(always)]
    pub fn within(self, from: usize, to: usize) -> u64 {
        self.window(from) & ((1 << (to - from)) - 1)
    }

    /// Whether all bits are set in `from..to`, which are 56 at most.
    #[inline(always)]
    pub fn all(self, from: usize, to: usize) -> bool {
        self.within(from, to) == (1 << (to - from)) - 1
    }
}

/// So many fields are cut at once; a line with more is cut field by field.
const MOST_FIELDS: usize = 64;

/// Where the fields of a line end.
pub struct Ends {
    /// With room for a whole word more than is asked for before each word.
    at: [u32; 2 * MOST_FIELDS],
}

impl Default for Ends {
    fn default() -> Self {
        Self { at: [0; 2 * MOST_FIELDS] }
    }
}

/// Cut a line whose quotes are plain: every field that begins with one ends with one, and there are no others. Keeps the
/// fields that the layout knows in their columns; gives how many those are and where the next one begins, or None if the
/// line is not so plain. What it does is what cutting field by field does; it only does not wait for each.
#[inline(always)]
pub fn cut_plain(line: Line<'_>, steps: &[CutStep], slots: &mut [Span], ends: &mut Ends) -> Option<(usize, usize)> {
    let (count, quotes) = separators(line, ends)?;
    let bytes = &line.bytes[..line.end];
    let byte = |at: usize| {
        debug_assert!(at < bytes.len());
        // SAFETY: only places from `from` up to an end are asked, which `separators` found within the line, in order.
        unsafe { *bytes.get_unchecked(at) }
    };
    let known = count.min(steps.len());
    let (mut from, mut quoted) = (line.start, 0);
    for (&to, step) in ends.at[..known].iter().zip(steps) {
        let (begin, mut end) = (from, to as usize);
        from = end + 1;
        let mut first = begin;
        if first < end && byte(first) == b'"' {
            if end - first < 2 || byte(end - 1) != b'"' || byte(end - 2) == b'\\' || step.bare {
                return None;
            }
            quoted += 1;
            (first, end) = (first + 1, end - 1);
        }
        let len = end - first;
        // A field without text at the very end of the line has no byte to look at.
        let is_dash = (len == 1) & (byte(first.min(bytes.len() - 1)) == b'-');
        let is_absent = is_dash | ((len == 0) & step.empty_absent);
        *slots.get_mut(step.column as usize)? = if is_absent { Span::ABSENT } else { Span::new(first, end) };
    }
    for &to in &ends.at[known..count] {
        let (begin, end) = (from, to as usize);
        from = end + 1;
        if begin < end && byte(begin) == b'"' {
            if end - begin < 2 || byte(end - 1) != b'"' || byte(end - 2) == b'\\' {
                return None;
            }
            quoted += 1;
        }
    }
    let next = if known == count { line.end } else { ends.at[known - 1] as usize + 1 };
    (quotes == 2 * quoted && known > 0).then_some((known, next))
}

/// Where fields end: the spaces outside of quotes, and the end of the line. Gives their number and that of the quotes.
#[inline(always)]
fn separators(line: Line<'_>, ends: &mut Ends) -> Option<(usize, usize)> {
    let (first, last) = (line.start / 64, line.end.checked_sub(1)? / 64);
    let spaces = line.spaces.words().get(first..=last)?;
    let quotes = line.quotes.words().get(first..=last)?;
    let (mut count, mut found, mut inside) = (0, 0, 0_u64);
    let mut present = u64::MAX << (line.start % 64);
    for (word, (space, quote)) in spaces.iter().zip(quotes).enumerate() {
        if first + word == last {
            present &= u64::MAX >> (63 - (line.end - 1) % 64);
        }
        let quote = u64::from_le_bytes(*quote) & present;
        found += quote.count_ones() as usize;
        let quoted = up_to_each(quote) ^ inside;
        // All ones if the word ends inside of quotes.
        inside = (quoted.cast_signed() >> 63).cast_unsigned();
        let mut outside = u64::from_le_bytes(*space) & present & !quoted;
        // Eight at a time, needed or not: how many there are cannot be foretold, so asking would cost more.
        let behind = count + outside.count_ones() as usize;
        let base = ((first + word) * 64) as u32;
        if behind > MOST_FIELDS {
            return None;
        }
        while count < behind {
            let places = ends.at.get_mut(count..count + 8)?;
            for place in places {
                *place = base + outside.trailing_zeros();
                outside &= outside.wrapping_sub(1);
            }
            count += 8;
        }
        count = behind;
        present = u64::MAX;
    }
    // Nothing stands behind a space at the end.
    if count == 0 || ends.at[count - 1] as usize + 1 < line.end {
        *ends.at.get_mut(count)? = line.end as u32;
        count += 1;
    }
    (inside == 0 && count <= MOST_FIELDS).then_some((count, found))
}

/// For each bit whether an odd number of bits is set up to it.
#[inline(always)]
fn up_to_each(mut bits: u64) -> u64 {
    for shift in [1, 2, 4, 8, 16, 32] {
        bits ^= bits << shift;
    }
    bits
}

impl<'a> Bits<'a> {
    /// The same bits, to be asked up to `end` without another check.
    #[inline(always)]
    pub fn up_to(self, end: usize) -> Checked<'a> {
        assert!(end / 8 + 9 <= self.bytes.len(), "a mask has more bytes than it needs");
        Checked { bytes: self.bytes, end }
    }

    /// The bits in words of 64.
    fn words(self) -> &'a [[u8; 8]] {
        self.bytes.as_chunks().0
    }

    /// The bits from `at` on; at least 57 of them are there.
    #[inline(always)]
    fn window(self, at: usize) -> u64 {
        match self.bytes.get(at / 8..).and_then(|rest| rest.first_chunk()) {
            Some(bytes) => u64::from_le_bytes(*bytes) >> (at % 8),
            None => 0,
        }
    }

    /// The first set bit in `from..to`, or `to`.
    #[inline(always)]
    #[must_use]
    pub fn next(self, from: usize, to: usize) -> usize {
        let window = self.window(from);
        if window != 0 {
            return (from + window.trailing_zeros() as usize).min(to);
        }
        self.next_far((from / 8 + 8) * 8, to)
    }

    #[inline(never)]
    fn next_far(self, mut from: usize, to: usize) -> usize {
        while from < to {
            let window = self.window(from);
            if window != 0 {
                return (from + window.trailing_zeros() as usize).min(to);
            }
            from += WORD;
        }
        to
    }

    /// Whether any bit is set in `from..to`.
    #[inline(always)]
    #[must_use]
    pub fn any(self, from: usize, to: usize) -> bool {
        let len = to - from;
        if len <= 56 {
            return self.window(from) & ((1 << len) - 1) != 0;
        }
        if len <= 112 {
            return self.window(from) & ((1 << 56) - 1) | self.window(from + 56) & ((1 << (len - 56)) - 1) != 0;
        }
        self.next(from, to) < to
    }
}

/// For each byte of a block one bit in each of six masks.
#[derive(Default)]
pub struct Masks {
    /// Spaces.
    pub space: Mask,
    /// Double quotes.
    pub quote: Mask,
    /// Newlines.
    pub newline: Mask,
    /// Decimal digits.
    pub digit: Mask,
    /// Points and colons.
    pub point: Mask,
    /// Bytes that JSON cannot hold as they are, or that may not be ASCII: below 0x20, above 0x7f, `"`, `\`.
    pub special: Mask,
}

/// Space, quote, newline, digit, point, special.
type Block = [u64; 6];

impl Masks {
    fn all(&mut self) -> [&mut Mask; 6] {
        [&mut self.space, &mut self.quote, &mut self.newline, &mut self.digit, &mut self.point, &mut self.special]
    }

    /// Fill the masks for `bytes`.
    pub fn build(&mut self, bytes: &[u8]) {
        for mask in self.all() {
            mask.resize(bytes.len());
        }
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx512bw") {
                // SAFETY: the processor has AVX-512 BW, which was asked just now.
                return unsafe { x86::avx512(self, bytes) };
            }
            if is_x86_feature_detected!("avx2") {
                // SAFETY: the processor has AVX2, which was asked just now.
                return unsafe { x86::avx2(self, bytes) };
            }
        }
        self.build_with(bytes, scalar_block);
    }

    /// All of the bytes that the masks were built for, as one line.
    #[must_use]
    pub fn line<'a>(&'a self, bytes: &'a [u8]) -> Line<'a> {
        let [spaces, quotes, digits, points] =
            [&self.space, &self.quote, &self.digit, &self.point].map(|mask| mask.bits());
        Line { bytes, spaces, quotes, digits, points, start: 0, end: bytes.len() }
    }

    #[inline(always)]
    fn build_with(&mut self, bytes: &[u8], block: impl Fn(&[u8; WORD]) -> Block) {
        let (blocks, rest) = bytes.as_chunks::<WORD>();
        let mut last = [0_u8; WORD];
        last[..rest.len()].copy_from_slice(rest);
        let words = blocks.len() + 1;
        let [space, quote, newline, digit, point, special] =
            self.all().map(|mask| &mut mask.bytes.as_chunks_mut::<8>().0[..words]);
        for at in 0..words {
            let bytes = blocks.get(at).unwrap_or(&last);
            let found = block(bytes).map(u64::to_le_bytes);
            [space[at], quote[at], newline[at], digit[at], point[at], special[at]] = found;
        }
    }
}

/// The masks of one block, byte by byte.
fn scalar_block(bytes: &[u8; WORD]) -> Block {
    let mut masks = [0_u64; 6];
    for (place, &byte) in bytes.iter().enumerate() {
        let special = byte < 0x20 || byte > 0x7f || byte == b'"' || byte == b'\\';
        let found = [
            byte == b' ',
            byte == b'"',
            byte == b'\n',
            byte.is_ascii_digit(),
            byte == b'.' || byte == b':',
            special,
        ];
        for (mask, found) in masks.iter_mut().zip(found) {
            *mask |= u64::from(found) << place;
        }
    }
    masks
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{Block, Hot, Masks, WORD};
    use std::arch::x86_64::{
        __m256i, _mm256_cmpeq_epi8, _mm256_cmpgt_epi8, _mm256_loadu_si256, _mm256_min_epu8, _mm256_movemask_epi8,
        _mm256_set1_epi8, _mm256_sub_epi8, _mm512_cmpeq_epi8_mask, _mm512_cmplt_epu8_mask, _mm512_loadu_si512,
        _mm512_movepi8_mask, _mm512_set1_epi8, _mm512_sub_epi8,
    };

    /// Run `work`. The processor must have the features.
    #[target_feature(enable = "avx2,bmi1,bmi2,popcnt,lzcnt")]
    pub(super) fn at_best<W: Hot>(work: W) -> W::Output {
        work.run()
    }

    /// Fill the masks 64 bytes at a time. The processor must have AVX-512 BW.
    #[target_feature(enable = "avx512bw")]
    pub(super) fn avx512(masks: &mut Masks, bytes: &[u8]) {
        masks.build_with(bytes, |block| avx512_block(block));
    }

    /// Fill the masks 32 bytes at a time. The processor must have AVX2.
    #[target_feature(enable = "avx2")]
    pub(super) fn avx2(masks: &mut Masks, bytes: &[u8]) {
        masks.build_with(bytes, |block| avx2_block(block));
    }

    #[inline]
    #[target_feature(enable = "avx512bw")]
    fn avx512_block(bytes: &[u8; WORD]) -> Block {
        // SAFETY: the array holds the 64 bytes that are read; the load needs no alignment.
        let block = unsafe { _mm512_loadu_si512(bytes.as_ptr().cast()) };
        let quote = _mm512_cmpeq_epi8_mask(block, _mm512_set1_epi8(b'"'.cast_signed()));
        let backslash = _mm512_cmpeq_epi8_mask(block, _mm512_set1_epi8(b'\\'.cast_signed()));
        let low = _mm512_cmplt_epu8_mask(block, _mm512_set1_epi8(0x20));
        let value = _mm512_sub_epi8(block, _mm512_set1_epi8(b'0'.cast_signed()));
        let equal = |byte: u8| _mm512_cmpeq_epi8_mask(block, _mm512_set1_epi8(byte.cast_signed()));
        [
            equal(b' '),
            quote,
            equal(b'\n'),
            _mm512_cmplt_epu8_mask(value, _mm512_set1_epi8(10)),
            equal(b'.') | equal(b':'),
            quote | backslash | low | _mm512_movepi8_mask(block),
        ]
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn avx2_block(bytes: &[u8; WORD]) -> Block {
        let mut masks = [0; 6];
        for half in 0..2 {
            // SAFETY: the array holds 64 bytes, so 32 from its start and 32 from its middle; no alignment is needed.
            let block = unsafe { _mm256_loadu_si256(bytes.as_ptr().add(half * 32).cast::<__m256i>()) };
            let quote = _mm256_cmpeq_epi8(block, _mm256_set1_epi8(b'"'.cast_signed()));
            let backslash = _mm256_cmpeq_epi8(block, _mm256_set1_epi8(b'\\'.cast_signed()));
            // Signed: bytes above 0x7f are negative, so they are below 0x20 as well.
            let outside = _mm256_cmpgt_epi8(_mm256_set1_epi8(0x20), block);
            let value = _mm256_sub_epi8(block, _mm256_set1_epi8(b'0'.cast_signed()));
            let digit = _mm256_cmpeq_epi8(_mm256_min_epu8(value, _mm256_set1_epi8(9)), value);
            let bits = |compared: __m256i| u64::from(_mm256_movemask_epi8(compared).cast_unsigned());
            let equal = |byte: u8| bits(_mm256_cmpeq_epi8(block, _mm256_set1_epi8(byte.cast_signed())));
            let found = [
                equal(b' '),
                bits(quote),
                equal(b'\n'),
                bits(digit),
                equal(b'.') | equal(b':'),
                bits(quote) | bits(backslash) | bits(outside),
            ];
            for (mask, bits) in masks.iter_mut().zip(found) {
                *mask |= bits << (half * 32);
            }
        }
        masks
    }
}

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

    fn sample(seed: u64, len: usize) -> Vec<u8> {
        let mut state = seed;
        let mut bytes = Vec::new();
        for _ in 0..len {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let pick = (state >> 33) as u8;
            bytes.push(if pick < 0x60 { b" \"\n\\\x1f\x7f\x80a09:.;/-\xff"[usize::from(pick % 16)] } else { pick });
        }
        bytes
    }

    fn same(left: &Masks, right: &Masks) {
        assert_eq!(left.space.bytes, right.space.bytes);
        assert_eq!(left.quote.bytes, right.quote.bytes);
        assert_eq!(left.newline.bytes, right.newline.bytes);
        assert_eq!(left.digit.bytes, right.digit.bytes);
        assert_eq!(left.point.bytes, right.point.bytes);
        assert_eq!(left.special.bytes, right.special.bytes);
    }

    #[test]
    fn every_way_builds_the_same_masks() {
        for len in [0, 1, 63, 64, 65, 127, 128, 1000] {
            let bytes = sample(len as u64 + 1, len);
            let [mut fast, mut slow] = [Masks::default(), Masks::default()];
            fast.build(&bytes);
            for mask in slow.all() {
                mask.resize(len);
            }
            slow.build_with(&bytes, scalar_block);
            same(&fast, &slow);
            #[cfg(target_arch = "x86_64")]
            if is_x86_feature_detected!("avx2") {
                // SAFETY: the processor has AVX2.
                unsafe { x86::avx2(&mut fast, &bytes) };
                same(&fast, &slow);
            }
        }
    }

    #[test]
    fn next_and_any_find_what_a_search_finds() {
        let bytes = sample(7, 700).into_iter().map(|byte| if byte % 5 == 0 { byte } else { b'x' }).collect::<Vec<_>>();
        let mut masks = Masks::default();
        masks.build(&bytes);
        for from in 0..=bytes.len() {
            for to in [from, from + 1, from + 56, from + 57, from + 70, bytes.len()] {
                let to = to.clamp(from, bytes.len());
                let found = bytes[from..to].iter().position(|&byte| byte == b' ').map_or(to, |at| from + at);
                assert_eq!(masks.space.bits().next(from, to), found);
                assert_eq!(masks.space.bits().any(from, to), found < to);
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
