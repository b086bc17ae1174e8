//! The twin for any processor, and what the others are tested against.

use super::{Cpu, Cut, End, Hot, MOST_FIELDS, Masks, Spans, WINDOW, WORD, WordEnds};
use crate::block::Span;

/// Any processor.
#[derive(Clone, Copy)]
pub struct Scalar;

/// Whether JSON cannot hold a byte as it is, or it may not be ASCII.
pub const fn is_special(byte: u8) -> bool {
    byte < 0x20 || byte > 0x7f || byte == b'"' || byte == b'\\'
}

const SPACE: u8 = 1;
const QUOTE: u8 = 2;
const NEWLINE: u8 = 4;
const DASH: u8 = 8;
const SPECIAL: u8 = 16;

/// What each byte is.
const CLASSES: [u8; 256] = {
    let mut classes = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        if is_special(byte as u8) {
            classes[byte] = SPECIAL;
        }
        byte += 1;
    }
    classes[b' ' as usize] |= SPACE;
    classes[b'"' as usize] |= QUOTE;
    classes[b'\n' as usize] |= NEWLINE;
    classes[b'-' as usize] |= DASH;
    classes
};

const ONES: u64 = 0x0101_0101_0101_0101;

/// The lowest bits of eight bytes, side by side.
#[inline(always)]
fn lowest_bits(bytes: u64) -> u64 {
    (bytes & ONES).wrapping_mul(0x0102_0408_1020_4080) >> 56
}

/// Which of eight bytes are below `limit`, which is 128 at most: the highest bit of each.
#[inline(always)]
fn below(bytes: u64, limit: u8) -> u64 {
    let high = ONES << 7;
    !(((bytes & !high) + ONES * u64::from(128 - limit)) | bytes) & high
}

/// Ask eight bytes at a time.
#[inline(always)]
fn by_eight(bytes: &[u8; WINDOW], ask: impl Fn(u64) -> u64) -> u32 {
    let eights = bytes.as_chunks::<8>().0.iter().rev();
    eights.fold(0, |bits, eight| bits << 8 | lowest_bits(ask(u64::from_le_bytes(*eight)) >> 7) as u32)
}

impl Cpu for Scalar {
    #[inline(always)]
    fn run<W: Hot>(self, work: W) -> W::Output {
        work.run(self)
    }

    #[inline(always)]
    fn masks(self, bytes: &[u8; WORD]) -> Masks {
        let mut masks = Masks { space: 0, quote: 0, newline: 0, dash: 0, special: 0 };
        for (number, eight) in bytes.as_chunks::<8>().0.iter().enumerate() {
            let classes = u64::from_le_bytes(eight.map(|byte| CLASSES[usize::from(byte)]));
            let at = number * 8;
            masks.space |= lowest_bits(classes) << at;
            masks.quote |= lowest_bits(classes >> 1) << at;
            masks.newline |= lowest_bits(classes >> 2) << at;
            masks.dash |= lowest_bits(classes >> 3) << at;
            masks.special |= lowest_bits(classes >> 4) << at;
        }
        masks
    }

    #[inline(always)]
    fn up_to_each(self, mut bits: u64) -> u64 {
        for shift in [1, 2, 4, 8, 16, 32] {
            bits ^= bits << shift;
        }
        bits
    }

    #[inline(always)]
    fn put_ends(self, &WordEnds { word, mut ends, quoted, marked }: &WordEnds, places: &mut [End; WORD]) {
        // Eight at a time, needed or not: how many there are cannot be foretold, and asking would cost more.
        for eight in places.as_chunks_mut::<8>().0 {
            for place in eight {
                let at = ends.trailing_zeros() & 63;
                *place = End::new(word, at, (quoted >> at & 1) as u32, (marked >> at & 1) as u32);
                ends &= ends.wrapping_sub(1);
            }
            if ends == 0 {
                return;
            }
        }
    }

    #[inline(always)]
    fn spans(self, cut: &Cut<'_>, limit: u32, spans: &mut [Span; MOST_FIELDS]) -> Spans {
        let mut told = Spans { are_within: true, ..Spans::default() };
        for (number, span) in spans.iter_mut().enumerate().take(cut.fields) {
            let end = cut.ends[number + 1];
            let quote = u32::from(end.is_quoted());
            let from = cut.ends[number].place().wrapping_add(1 + quote);
            let to = end.place().wrapping_sub(quote);
            let is_dash = end.is_marked() && to.wrapping_sub(from) == 1;
            *span = if is_dash { Span::ABSENT } else { Span::new(from as usize, to as usize) };
            told.empty |= u64::from(from == to) << number;
            told.present |= u64::from(!is_dash) << number;
            told.quoted |= u64::from(quote) << number;
            told.odd |= u64::from(end.is_marked() && !is_dash) << number;
            told.are_within &= from <= to && to <= limit;
        }
        told
    }

    #[inline(always)]
    fn digits(self, bytes: &[u8; WINDOW]) -> u32 {
        by_eight(bytes, |eight| below(eight, b'9' + 1) & !below(eight, b'0'))
    }

    #[inline(always)]
    fn equal(self, bytes: &[u8; WINDOW], byte: u8) -> u32 {
        by_eight(bytes, |eight| below(eight ^ (ONES * u64::from(byte)), 1))
    }

    #[inline(always)]
    fn above(self, bytes: &[u8; WINDOW], byte: u8) -> u32 {
        by_eight(bytes, |eight| !below(eight, byte + 1) & (ONES << 7))
    }

    #[inline(always)]
    fn odd(self, bytes: &[u8; WINDOW], byte: u8) -> u32 {
        by_eight(bytes, |eight| {
            let is = |byte: u8| below(eight ^ (ONES * u64::from(byte)), 1);
            below(eight, b' ') | is(b'"') | is(b'\\') | is(byte) | eight & (ONES << 7)
        })
    }
}
