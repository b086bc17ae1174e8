//! Instructions that not every x86 processor has. A value of `Avx512` or `Avx2` exists only where the processor was
//! asked for them: that is why each call of a function that needs them is sound.

use std::arch::asm;
use std::arch::x86_64::{
    __m256i, _mm_clmulepi64_si128, _mm_cvtsi64_si128, _mm_cvtsi128_si64, _mm_set1_epi8, _mm256_add_epi32,
    _mm256_and_si256, _mm256_blendv_epi8, _mm256_castsi256_ps, _mm256_cmpeq_epi8, _mm256_cmpeq_epi32,
    _mm256_cmpgt_epi8, _mm256_loadu_si256, _mm256_max_epu8, _mm256_min_epu8, _mm256_movemask_epi8, _mm256_movemask_ps,
    _mm256_or_si256, _mm256_permute2x128_si256, _mm256_set1_epi8, _mm256_set1_epi32, _mm256_setr_epi32,
    _mm256_setzero_si256, _mm256_storeu_si256, _mm256_sub_epi8, _mm256_sub_epi32, _mm256_unpackhi_epi32,
    _mm256_unpacklo_epi32, _mm512_add_epi32, _mm512_castsi512_si128, _mm512_cmpeq_epi8_mask, _mm512_cmpeq_epi32_mask,
    _mm512_cmplt_epu8_mask, _mm512_cvtepu8_epi32, _mm512_loadu_si512, _mm512_mask_add_epi32, _mm512_mask_mov_epi32,
    _mm512_mask_sub_epi32, _mm512_maskz_compress_epi8, _mm512_movepi8_mask, _mm512_permutex2var_epi32,
    _mm512_set1_epi8, _mm512_set1_epi32, _mm512_setzero_si512, _mm512_shuffle_i32x4, _mm512_storeu_si512,
    _mm512_sub_epi32, _pext_u64,
};

use super::{Cpu, Cut, Hot, MOST_FIELDS, Masks, Spans, WINDOW, WORD, low_bits};
use crate::block::Span;

/// A processor with AVX-512 as far as it is needed here, and all that is older.
#[derive(Clone, Copy)]
pub struct Avx512(());

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

impl Avx512 {
    /// If this is one.
    #[inline]
    pub fn new() -> Option<Self> {
        let is_one = Avx2::new().is_some()
            && is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx512vbmi2");
        is_one.then_some(Self(()))
    }
}

impl Cpu for Avx512 {
    #[inline]
    fn run<W: Hot>(self, work: W) -> W::Output {
        #[inline(never)]
        #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,pclmulqdq,popcnt,avx512f,avx512bw,avx512vl,avx512vbmi2")]
        fn run<W: Hot>(cpu: Avx512, work: W) -> W::Output {
            work.run(cpu)
        }
        // SAFETY: see the head of this file.
        unsafe { run(self, work) }
    }

    #[inline(always)]
    fn masks(self, bytes: &[u8; WORD]) -> Masks {
        // SAFETY: see the head of this file.
        unsafe { masks_512(bytes) }
    }

    #[inline(always)]
    fn up_to_each(self, bits: u64) -> u64 {
        // SAFETY: see the head of this file.
        unsafe { up_to_each(bits) }
    }

    #[inline(always)]
    fn pick(self, bits: u64, places: u64) -> u64 {
        // SAFETY: see the head of this file.
        unsafe { _pext_u64(bits, places) }
    }

    #[inline(always)]
    fn put_places(self, bits: u64, base: u32, places: &mut [u32; WORD]) {
        // SAFETY: see the head of this file.
        unsafe { put_places(bits, base, places) }
    }

    #[inline(always)]
    fn spans(self, cut: &Cut<'_>, spans: &mut [Span; MOST_FIELDS]) -> Spans {
        // SAFETY: see the head of this file.
        unsafe { spans_512(cut, spans) }
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
    fn pick(self, bits: u64, places: u64) -> u64 {
        // SAFETY: see the head of this file.
        unsafe { _pext_u64(bits, places) }
    }

    #[inline(always)]
    fn put_places(self, bits: u64, base: u32, places: &mut [u32; WORD]) {
        super::scalar::Scalar.put_places(bits, base, places);
    }

    #[inline(always)]
    fn spans(self, cut: &Cut<'_>, spans: &mut [Span; MOST_FIELDS]) -> Spans {
        // SAFETY: see the head of this file.
        unsafe { spans_256(cut, spans) }
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

#[inline]
#[target_feature(enable = "avx512bw")]
fn masks_512(bytes: &[u8; WORD]) -> Masks {
    // SAFETY: the array holds the 64 bytes that are read; the load needs no alignment.
    let word = unsafe { _mm512_loadu_si512(bytes.as_ptr().cast()) };
    let equal = |byte: u8| _mm512_cmpeq_epi8_mask(word, _mm512_set1_epi8(byte.cast_signed()));
    let quote = equal(b'"');
    let low = _mm512_cmplt_epu8_mask(word, _mm512_set1_epi8(0x20));
    Masks {
        space: equal(b' '),
        quote,
        newline: equal(b'\n'),
        dash: equal(b'-'),
        special: quote | equal(b'\\') | low | _mm512_movepi8_mask(word),
    }
}

/// Write the places of a word's bits: all at once as bytes, then sixteen at a time as numbers.
#[inline]
#[target_feature(enable = "avx512bw,avx512vbmi2,popcnt")]
fn put_places(bits: u64, base: u32, places: &mut [u32; WORD]) {
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
    let is_more = bits.count_ones() > 16;
    for sixteen in places.as_chunks_mut::<16>().0 {
        let numbers = _mm512_cvtepu8_epi32(_mm512_castsi512_si128(found));
        let numbers = _mm512_add_epi32(numbers, _mm512_set1_epi32(base.cast_signed()));
        // SAFETY: the array has room for the 16 numbers that are written; the store needs no alignment.
        unsafe { _mm512_storeu_si512(sixteen.as_mut_ptr().cast(), numbers) };
        if !is_more {
            return;
        }
        found = _mm512_shuffle_i32x4::<0b11_11_10_01>(found, found);
    }
}

/// Sixteen spans at a time.
#[inline]
#[target_feature(enable = "avx512f")]
fn spans_512(cut: &Cut<'_>, spans: &mut [Span; MOST_FIELDS]) -> Spans {
    const FIRST: [i32; 16] = [0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23];
    // SAFETY: the array holds the 64 bytes that are read; the load needs no alignment.
    let first = unsafe { _mm512_loadu_si512(FIRST.as_ptr().cast()) };
    let (zero, one) = (_mm512_setzero_si512(), _mm512_set1_epi32(1));
    let Spans { mut empty, mut present } = Spans::default();
    for (number, sixteen) in spans.as_chunks_mut::<16>().0.iter_mut().enumerate() {
        let at = number * 16;
        if at >= cut.fields {
            break;
        }
        let (quoted, dashes) = ((cut.quoted >> at) as u16, (cut.dashes >> at) as u16);
        // SAFETY: there are 65 ends, so 16 from each of 0, 16, 32, 48 on, and one more; no alignment is needed.
        let (before, end) = unsafe {
            let ends = cut.ends.as_ptr().add(at);
            (_mm512_loadu_si512(ends.cast()), _mm512_loadu_si512(ends.add(1).cast()))
        };
        let from = _mm512_add_epi32(before, one);
        let from = _mm512_mask_add_epi32(from, quoted, from, one);
        let to = _mm512_mask_sub_epi32(end, quoted, end, one);
        let len = _mm512_sub_epi32(to, from);
        empty |= u64::from(_mm512_cmpeq_epi32_mask(len, zero)) << at;
        let dashes = dashes & _mm512_cmpeq_epi32_mask(len, one);
        present |= u64::from(!dashes) << at;
        let from = _mm512_mask_mov_epi32(from, dashes, zero);
        let len = _mm512_mask_mov_epi32(len, dashes, _mm512_set1_epi32(-1));
        let low = _mm512_permutex2var_epi32(from, first, len);
        let high = _mm512_permutex2var_epi32(from, _mm512_add_epi32(first, _mm512_set1_epi32(8)), len);
        // SAFETY: a span is two numbers of 32 bits, start and length, and any will do: 16 spans are 128 bytes.
        unsafe {
            let place = sixteen.as_mut_ptr().cast::<u8>();
            _mm512_storeu_si512(place.cast(), low);
            _mm512_storeu_si512(place.add(64).cast(), high);
        }
    }
    let all = low_bits(cut.fields);
    Spans { empty: empty & all, present: present & all }
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

/// Eight spans at a time.
#[inline]
#[target_feature(enable = "avx2")]
fn spans_256(cut: &Cut<'_>, spans: &mut [Span; MOST_FIELDS]) -> Spans {
    let (zero, one) = (_mm256_setzero_si256(), _mm256_set1_epi32(1));
    let each = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
    let spread = |bits: u64| _mm256_cmpeq_epi32(_mm256_and_si256(_mm256_set1_epi32(bits as i32), each), each);
    let Spans { mut empty, mut present } = Spans::default();
    for (number, eight) in spans.as_chunks_mut::<8>().0.iter_mut().enumerate() {
        let at = number * 8;
        if at >= cut.fields {
            break;
        }
        let (quoted, dashes) = (spread(cut.quoted >> at), spread(cut.dashes >> at));
        // SAFETY: there are 65 ends, so 8 from each of 0, 8 … 56 on, and one more; no alignment is needed.
        let (before, end) = unsafe {
            let ends = cut.ends.as_ptr().add(at);
            (_mm256_loadu_si256(ends.cast()), _mm256_loadu_si256(ends.add(1).cast()))
        };
        // What is spread is -1 where a bit is set.
        let from = _mm256_sub_epi32(_mm256_add_epi32(before, one), quoted);
        let len = _mm256_sub_epi32(_mm256_add_epi32(end, quoted), from);
        let is_empty = _mm256_movemask_ps(_mm256_castsi256_ps(_mm256_cmpeq_epi32(len, zero)));
        empty |= u64::from(is_empty.cast_unsigned()) << at;
        let dashes = _mm256_and_si256(dashes, _mm256_cmpeq_epi32(len, one));
        present |= u64::from(!_mm256_movemask_ps(_mm256_castsi256_ps(dashes)).cast_unsigned() & 0xff) << at;
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
    Spans { empty: empty & all, present: present & all }
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
