//! What makes the kernel fast: bit masks of a block's structure, and short copies without a call.
//!
//! All unsafe code of the parsing and writing path is in this file; each block says why it is sound. Masks have a
//! scalar twin (`scalar_block`), which is what other processors run and what the tests compare with.

use crate::block::{Line, Span};

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
struct Ends {
    /// With room for a whole word more than is asked for before each word.
    at: [u32; 2 * MOST_FIELDS],
}

/// What was found of a line whose quotes are plain.
struct Found {
    fields: usize,
    /// No byte of the line needs more than copying, but for the quotes around fields.
    is_plain: bool,
}

type Find = fn(Line<'_>, &mut Ends) -> Option<Found>;

/// Cuts lines whose quotes are plain: every field that begins with one ends with one, and there are no others. What it
/// does is what cutting field by field does; it only does not wait for each.
pub struct Cutter {
    find: Find,
    ends: Ends,
}

/// A line that was cut.
pub struct CutLine {
    /// How many of its fields have a slot.
    pub known: usize,
    /// Where the first field without a slot begins; the line's end if there is none.
    pub rest: usize,
    /// No text of it needs more than copying.
    pub is_plain: bool,
}

impl Default for Cutter {
    fn default() -> Self {
        let ends = Ends { at: [0; 2 * MOST_FIELDS] };
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512vbmi2")
            && is_x86_feature_detected!("bmi2")
            && is_x86_feature_detected!("popcnt")
        {
            // SAFETY: the processor has these features, which were asked just now.
            return Self { find: |line, ends| unsafe { x86::find_ends(line, ends) }, ends };
        }
        Self { find: |line, ends| find_ends(line, ends, put_places), ends }
    }
}

impl Cutter {
    /// Keep the texts of the fields in the slots, one each, a dash as none; None if the line's quotes are not plain.
    #[inline(always)]
    pub fn cut(&mut self, line: Line<'_>, slots: &mut [Span]) -> Option<CutLine> {
        let found = (self.find)(line, &mut self.ends)?;
        let known = found.fields.min(slots.len());
        let mut at = line.start;
        for (slot, &end) in slots.iter_mut().zip(&self.ends.at[..known]) {
            let end = end as usize;
            let quote = usize::from(*line.bytes.get(at)? == b'"');
            let (from, to) = (at + quote, end - quote);
            let is_dash = (to == from + 1) & (*line.bytes.get(from)? == b'-');
            *slot = if is_dash { Span::ABSENT } else { Span::new(from, to) };
            at = end + 1;
        }
        Some(CutLine { known, rest: at.min(line.end), is_plain: found.is_plain })
    }
}

/// What is carried from word to word: each is about the byte before the next word.
#[derive(Default)]
struct Carried {
    /// All ones inside of quotes.
    inside: u64,
    /// It separates fields.
    separated: u64,
    /// It is a quote that closes.
    closed: u64,
    /// It is special, and no quote.
    odd: u64,
    /// Special bytes of the line so far that are no quotes.
    all_odd: u64,
}

impl Carried {
    /// Where fields end in the next word, or None where a quote neither opens nor closes a field. `present` are the
    /// word's bytes that belong to the line, `end` is the one behind it; what is around the line counts as separators.
    #[inline(always)]
    fn word(&mut self, [space, quote, special]: [u64; 3], present: u64, end: u64) -> Option<u64> {
        let quote = quote & present;
        let quoted = up_to_each(quote) ^ self.inside;
        let separator = (space | !present) & !quoted;
        let (opening, closing) = (quote & quoted, quote & !quoted);
        let odd = special & !quote & present;
        let behind_separator = separator << 1 | self.separated;
        let behind_closing = closing << 1 | self.closed;
        // An opening quote stands behind a separator; a closing one before, and behind neither a backslash nor another
        // byte that wants a closer look.
        let wrong = (opening & !behind_separator) | (behind_closing & !separator) | (closing & (odd << 1 | self.odd));
        *self = Self {
            // The highest bit, spread.
            inside: (quoted.cast_signed() >> 63).cast_unsigned(),
            separated: separator >> 63,
            closed: closing >> 63,
            odd: odd >> 63,
            all_odd: self.all_odd | odd,
        };
        // The last field ends with the line, but for a separator before, behind which nothing stands.
        (wrong == 0).then_some(separator & present | end & !behind_separator)
    }
}

/// Where the fields of a line end; `put` writes the places of a word's bits behind those that are there.
#[inline(always)]
fn find_ends(line: Line<'_>, ends: &mut Ends, put: impl Fn(u64, u32, &mut [u32; 64])) -> Option<Found> {
    let (first, last) = (line.start / 64, line.end / 64);
    let mut carried = Carried { separated: 1, ..Carried::default() };
    let mut fields = 0;
    let spaces = line.spaces.words().get(first..=last)?;
    let quotes = line.quotes.words().get(first..=last)?;
    let specials = line.specials.words().get(first..=last)?;
    for (number, ((space, quote), special)) in spaces.iter().zip(quotes).zip(specials).enumerate() {
        let (mut present, mut end) = (u64::MAX, 0);
        if number == 0 {
            present <<= line.start % 64;
        }
        if first + number == last {
            end = 1 << (line.end % 64);
            present &= end - 1;
        }
        let word = carried.word([space, quote, special].map(|word| u64::from_le_bytes(*word)), present, end)?;
        put(word, ((first + number) * 64) as u32, ends.at.get_mut(fields..)?.first_chunk_mut()?);
        fields += word.count_ones() as usize;
    }
    let is_sound = carried.inside == 0 && fields <= MOST_FIELDS;
    is_sound.then_some(Found { fields, is_plain: carried.all_odd == 0 })
}

/// Write the places of a word's bits, eight at a time, needed or not: how many there are cannot be foretold, and asking
/// would cost more.
#[inline(always)]
fn put_places(mut bits: u64, base: u32, places: &mut [u32; 64]) {
    for eight in places.as_chunks_mut::<8>().0 {
        for place in eight {
            *place = base.wrapping_add(bits.trailing_zeros());
            bits &= bits.wrapping_sub(1);
        }
        if bits == 0 {
            return;
        }
    }
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
    #[inline(always)]
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
        let [spaces, quotes, specials, digits, points] =
            [&self.space, &self.quote, &self.special, &self.digit, &self.point].map(|mask| mask.bits());
        Line { bytes, spaces, quotes, specials, digits, points, start: 0, end: bytes.len() }
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
    use super::{Block, Ends, Found, Hot, Masks, WORD};
    use crate::block::Line;
    use std::arch::x86_64::{
        __m256i, _mm256_cmpeq_epi8, _mm256_cmpgt_epi8, _mm256_loadu_si256, _mm256_min_epu8, _mm256_movemask_epi8,
        _mm256_set1_epi8, _mm256_sub_epi8, _mm512_add_epi32, _mm512_castsi512_si128, _mm512_cmpeq_epi8_mask,
        _mm512_cmplt_epu8_mask, _mm512_cvtepu8_epi32, _mm512_loadu_si512, _mm512_maskz_compress_epi8,
        _mm512_movepi8_mask, _mm512_set1_epi8, _mm512_set1_epi32, _mm512_shuffle_i32x4, _mm512_storeu_si512,
        _mm512_sub_epi8,
    };

    /// Where the fields of a line end. The processor must have the features.
    #[target_feature(enable = "avx512bw,avx512vbmi2,bmi2,popcnt")]
    pub(super) fn find_ends(line: Line<'_>, ends: &mut Ends) -> Option<Found> {
        super::find_ends(line, ends, |bits, base, places| put_places(bits, base, places))
    }

    /// Write the places of a word's bits: all at once as bytes, then sixteen at a time as numbers.
    #[inline]
    #[target_feature(enable = "avx512bw,avx512vbmi2")]
    fn put_places(bits: u64, base: u32, places: &mut [u32; 64]) {
        const COUNT: [i8; 64] = {
            let mut count = [0; 64];
            let mut at = 0;
            while at < 64 {
                count[at] = at as i8;
                at += 1;
            }
            count
        };
        // SAFETY: the array holds the 64 bytes that are read; the load needs no alignment.
        let count = unsafe { _mm512_loadu_si512(COUNT.as_ptr().cast()) };
        let mut found = _mm512_maskz_compress_epi8(bits, count);
        for (number, sixteen) in places.as_chunks_mut::<16>().0.iter_mut().enumerate() {
            let numbers = _mm512_cvtepu8_epi32(_mm512_castsi512_si128(found));
            let numbers = _mm512_add_epi32(numbers, _mm512_set1_epi32(base.cast_signed()));
            // SAFETY: the array has room for the 16 numbers that are written; the store needs no alignment.
            unsafe { _mm512_storeu_si512(sixteen.as_mut_ptr().cast(), numbers) };
            if bits.count_ones() as usize <= 16 * (number + 1) {
                return;
            }
            found = _mm512_shuffle_i32x4::<0b11_11_10_01>(found, found);
        }
    }

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
