//! Instructions of AVX2, and what is older. A value of `Avx2` exists only where the processor was asked for them: that is
//! why each call of a function that needs them is sound.

use std::arch::asm;
use std::arch::x86_64::{
    __m256i, _mm_clmulepi64_si128, _mm_cvtsi64_si128, _mm_cvtsi128_si64, _mm_set1_epi8, _mm256_add_epi32,
    _mm256_and_si256, _mm256_andnot_si256, _mm256_blendv_epi8, _mm256_castsi256_ps, _mm256_cmpeq_epi8,
    _mm256_cmpeq_epi32, _mm256_cmpgt_epi8, _mm256_loadu_si256, _mm256_max_epu8, _mm256_max_epu32, _mm256_min_epu8,
    _mm256_movemask_epi8, _mm256_movemask_ps, _mm256_or_si256, _mm256_permute2x128_si256, _mm256_set1_epi8,
    _mm256_set1_epi32, _mm256_setr_epi32, _mm256_setzero_si256, _mm256_slli_epi32, _mm256_srai_epi32,
    _mm256_storeu_si256, _mm256_sub_epi8, _mm256_sub_epi32, _mm256_unpackhi_epi32, _mm256_unpacklo_epi32, _pext_u64,
};

use super::{Cpu, Cut, End, Hot, MOST_FIELDS, Masks, Spans, WINDOW, WORD, WordEnds, low_bits};
use crate::block::Span;

/// A processor with AVX2, and what came with it.
#[derive(Clone, Copy)]
pub struct Avx2(());

impl Avx2 {
    /// If this is one.
    #[inline]
    pub fn new() -> Option<Self> {
        let is_one = is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("bmi1")
            && is_x86_feature_detected!("bmi2")
            && is_x86_feature_detected!("lzcnt")
            && is_x86_feature_detected!("pclmulqdq")
            && is_x86_feature_detected!("popcnt");
        is_one.then_some(Self(()))
    }
}

impl Cpu for Avx2 {
    #[inline]
    fn run<W: Hot>(self, work: W) -> W::Output {
        #[inline(never)]
        #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,pclmulqdq,popcnt")]
        fn run<W: Hot>(cpu: Avx2, work: W) -> W::Output {
            work.run(cpu)
        }
        // SAFETY: see the head of this file.
        unsafe { run(self, work) }
    }

    #[inline(always)]
    fn masks(self, bytes: &[u8; WORD]) -> Masks {
        // SAFETY: see the head of this file.
        unsafe { masks_256(bytes) }
    }

    #[inline(always)]
    fn up_to_each(self, bits: u64) -> u64 {
        // SAFETY: see the head of this file.
        unsafe { up_to_each(bits) }
    }

    #[inline(always)]
    fn put_ends(self, ends: &WordEnds, places: &mut [End; WORD]) {
        // SAFETY: see the head of this file.
        unsafe { put_ends_256(ends, places) }
    }

    #[inline(always)]
    fn spans(self, cut: &Cut<'_>, limit: u32, spans: &mut [Span; MOST_FIELDS]) -> Spans {
        // SAFETY: see the head of this file.
        unsafe { spans_256(cut, limit, spans) }
    }

    #[inline(always)]
    fn digits(self, bytes: &[u8; WINDOW]) -> u32 {
        // SAFETY: see the head of this file.
        unsafe { digits(bytes) }
    }

    #[inline(always)]
    fn equal(self, bytes: &[u8; WINDOW], byte: u8) -> u32 {
        // SAFETY: see the head of this file.
        unsafe { equal(bytes, byte) }
    }

    #[inline(always)]
    fn above(self, bytes: &[u8; WINDOW], byte: u8) -> u32 {
        // SAFETY: see the head of this file.
        unsafe { above(bytes, byte) }
    }

    #[inline(always)]
    fn odd(self, bytes: &[u8; WINDOW], byte: u8) -> u32 {
        // SAFETY: see the head of this file.
        unsafe { odd(bytes, byte) }
    }
}

#[inline]
#[target_feature(enable = "pclmulqdq")]
fn up_to_each(bits: u64) -> u64 {
    let product = _mm_clmulepi64_si128::<0>(_mm_cvtsi64_si128(bits.cast_signed()), _mm_set1_epi8(-1));
    _mm_cvtsi128_si64(product).cast_unsigned()
}

/// The highest bit of each byte.
#[inline]
#[target_feature(enable = "avx2")]
fn bits(bytes: __m256i) -> u32 {
    let mut bits = _mm256_movemask_epi8(bytes).cast_unsigned();
    // The compiler would take what is done with the bits back to the bytes, one by one, which takes many times as long.
    // SAFETY: there is no instruction; the register is said to change, and keeps its value.
    unsafe { asm!("/* {0:e} */", inout(reg) bits, options(pure, nomem, nostack, preserves_flags)) };
    bits
}

#[inline]
#[target_feature(enable = "avx2")]
fn masks_256(bytes: &[u8; WORD]) -> Masks {
    // No closure is given to a function that lacks the feature: it would be called for each half.
    let ([low, high], _) = bytes.as_chunks::<WINDOW>() else { return Masks::default() };
    let (low, high) = (half_256(low), half_256(high));
    let both = |number: usize| u64::from(low[number]) | u64::from(high[number]) << WINDOW;
    Masks { space: both(0), quote: both(1), newline: both(2), dash: both(3), special: both(4) }
}

/// Space, quote, newline, dash, special.
#[inline]
#[target_feature(enable = "avx2")]
fn half_256(bytes: &[u8; WINDOW]) -> [u32; 5] {
    let word = window(bytes);
    let equal = |byte: u8| _mm256_cmpeq_epi8(word, _mm256_set1_epi8(byte.cast_signed()));
    let quote = equal(b'"');
    // Signed: bytes above 0x7f are negative, so they are below 0x20 as well.
    let outside = _mm256_cmpgt_epi8(_mm256_set1_epi8(0x20), word);
    let special = _mm256_or_si256(outside, _mm256_or_si256(quote, equal(b'\\')));
    [bits(equal(b' ')), bits(quote), bits(equal(b'\n')), bits(equal(b'-')), bits(special)]
}

/// Where ends stand.
#[inline]
#[target_feature(enable = "avx2")]
fn places_256(ends: __m256i) -> __m256i {
    let in_word = _mm256_set1_epi32(End::IN_WORD.cast_signed());
    let words = _mm256_andnot_si256(in_word, _mm256_srai_epi32::<{ End::BETWEEN.cast_signed() }>(ends));
    _mm256_or_si256(words, _mm256_and_si256(in_word, ends))
}

/// Write the ends of a word, eight at a time.
#[inline]
#[target_feature(enable = "avx2,bmi1,bmi2")]
fn put_ends_256(&WordEnds { word, mut ends, quoted, marked }: &WordEnds, places: &mut [End; WORD]) {
    let (mut quoted, mut marked) = (_pext_u64(quoted, ends), _pext_u64(marked, ends));
    let word = _mm256_set1_epi32((word << End::WORD).cast_signed());
    let each = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
    let spread = |bits: u64| _mm256_cmpeq_epi32(_mm256_and_si256(_mm256_set1_epi32(bits as i32), each), each);
    let flag = |bits: u64, flag: u32| _mm256_and_si256(spread(bits), _mm256_set1_epi32(flag.cast_signed()));
    for eight in places.as_chunks_mut::<8>().0 {
        let mut next = || {
            let place = ends.trailing_zeros().cast_signed();
            ends &= ends.wrapping_sub(1);
            place
        };
        let numbers = _mm256_setr_epi32(next(), next(), next(), next(), next(), next(), next(), next());
        let flags = _mm256_or_si256(flag(quoted, End::QUOTED), flag(marked, End::MARKED));
        let numbers = _mm256_or_si256(_mm256_or_si256(numbers, word), flags);
        // SAFETY: the array has room for the 8 numbers that are written, as which ends lie in memory; the store needs no
        // alignment.
        unsafe { _mm256_storeu_si256(eight.as_mut_ptr().cast(), numbers) };
        if ends == 0 {
            return;
        }
        (quoted, marked) = (quoted >> 8, marked >> 8);
    }
}

/// Eight spans at a time.
#[inline]
#[target_feature(enable = "avx2")]
fn spans_256(cut: &Cut<'_>, limit: u32, spans: &mut [Span; MOST_FIELDS]) -> Spans {
    let (zero, one) = (_mm256_setzero_si256(), _mm256_set1_epi32(1));
    let most = _mm256_set1_epi32(limit.cast_signed());
    let Spans { mut empty, mut present, mut quoted, mut odd, .. } = Spans::default();
    let mut beyond = 0;
    for (number, eight) in spans.as_chunks_mut::<8>().0.iter_mut().enumerate() {
        let at = number * 8;
        if at >= cut.fields {
            break;
        }
        // SAFETY: there are 65 ends, so 8 from each of 0, 8 … 56 on, and one more; no alignment is needed.
        let (before, end) = unsafe {
            let ends = cut.ends.as_ptr().add(at);
            (_mm256_loadu_si256(ends.cast()), _mm256_loadu_si256(ends.add(1).cast()))
        };
        // What is spread is -1 where a bit is set.
        // A bit is brought to the highest place, and from there to all.
        let spread = |bits: __m256i| _mm256_srai_epi32::<31>(bits);
        let are_quoted = spread(_mm256_slli_epi32::<{ End::QUOTED.leading_zeros().cast_signed() }>(end));
        let are_marked = spread(_mm256_slli_epi32::<{ End::MARKED.leading_zeros().cast_signed() }>(end));
        let from = _mm256_sub_epi32(_mm256_add_epi32(places_256(before), one), are_quoted);
        let to = _mm256_add_epi32(places_256(end), are_quoted);
        let len = _mm256_sub_epi32(to, from);
        // The greater of two is one of them.
        let is_ended = _mm256_cmpeq_epi32(_mm256_max_epu32(to, most), most);
        let is_within = _mm256_and_si256(is_ended, _mm256_cmpeq_epi32(_mm256_max_epu32(from, to), to));
        beyond |= u64::from(!_mm256_movemask_ps(_mm256_castsi256_ps(is_within)).cast_unsigned() & 0xff) << at;
        let dashes = _mm256_and_si256(are_marked, _mm256_cmpeq_epi32(len, one));
        let lanes = |bits: __m256i| u64::from(_mm256_movemask_ps(_mm256_castsi256_ps(bits)).cast_unsigned());
        empty |= lanes(_mm256_cmpeq_epi32(len, zero)) << at;
        present |= (!lanes(dashes) & 0xff) << at;
        quoted |= lanes(are_quoted) << at;
        odd |= lanes(_mm256_andnot_si256(dashes, are_marked)) << at;
        let from = _mm256_blendv_epi8(from, zero, dashes);
        let len = _mm256_blendv_epi8(len, dashes, dashes);
        let (even, odd) = (_mm256_unpacklo_epi32(from, len), _mm256_unpackhi_epi32(from, len));
        // SAFETY: a span is two numbers of 32 bits, start and length, and any will do: 8 spans are 64 bytes.
        unsafe {
            let place = eight.as_mut_ptr().cast::<u8>();
            _mm256_storeu_si256(place.cast(), _mm256_permute2x128_si256::<0x20>(even, odd));
            _mm256_storeu_si256(place.add(32).cast(), _mm256_permute2x128_si256::<0x31>(even, odd));
        }
    }
    let all = low_bits(cut.fields);
    Spans {
        empty: empty & all,
        present: present & all,
        quoted: quoted & all,
        odd: odd & all,
        are_within: beyond & all == 0,
    }
}

#[inline]
#[target_feature(enable = "avx2")]
fn window(bytes: &[u8; WINDOW]) -> __m256i {
    // SAFETY: the array holds the 32 bytes that are read; the load needs no alignment.
    unsafe { _mm256_loadu_si256(bytes.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx2")]
fn digits(bytes: &[u8; WINDOW]) -> u32 {
    let value = _mm256_sub_epi8(window(bytes), _mm256_set1_epi8(b'0'.cast_signed()));
    let is_digit = _mm256_cmpeq_epi8(_mm256_min_epu8(value, _mm256_set1_epi8(9)), value);
    bits(is_digit)
}

#[inline]
#[target_feature(enable = "avx2")]
fn equal(bytes: &[u8; WINDOW], byte: u8) -> u32 {
    bits(_mm256_cmpeq_epi8(window(bytes), _mm256_set1_epi8(byte.cast_signed())))
}

#[inline]
#[target_feature(enable = "avx2")]
fn above(bytes: &[u8; WINDOW], byte: u8) -> u32 {
    let (word, limit) = (window(bytes), _mm256_set1_epi8((byte + 1).cast_signed()));
    bits(_mm256_cmpeq_epi8(_mm256_max_epu8(word, limit), word))
}

#[inline]
#[target_feature(enable = "avx2")]
fn odd(bytes: &[u8; WINDOW], byte: u8) -> u32 {
    let word = window(bytes);
    let equal = |byte: u8| _mm256_cmpeq_epi8(word, _mm256_set1_epi8(byte.cast_signed()));
    // Signed: bytes above 0x7f are negative, so they are below 0x20 as well.
    let outside = _mm256_cmpgt_epi8(_mm256_set1_epi8(0x20), word);
    let marks = _mm256_or_si256(equal(b'"'), _mm256_or_si256(equal(b'\\'), equal(byte)));
    bits(_mm256_or_si256(outside, marks))
}
