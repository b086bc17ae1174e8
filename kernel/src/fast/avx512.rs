//! Instructions of AVX-512. A value of `Avx512` exists only where the processor was asked for them: that is why each call
//! of a function that needs them is sound.

use std::arch::x86_64::{
    __m512i, _mm512_add_epi32, _mm512_add_epi64, _mm512_alignr_epi64, _mm512_and_si512, _mm512_andnot_si512,
    _mm512_castsi512_si128, _mm512_castsi512_si256, _mm512_clmulepi64_epi128, _mm512_cmpeq_epi8_mask,
    _mm512_cmpeq_epi32_mask, _mm512_cmpeq_epi64_mask, _mm512_cmpgt_epu32_mask, _mm512_cmplt_epi8_mask,
    _mm512_cmplt_epu64_mask, _mm512_cvtepu8_epi32, _mm512_gf2p8affine_epi64_epi8, _mm512_inserti64x4,
    _mm512_loadu_si512, _mm512_mask_add_epi8, _mm512_mask_add_epi32, _mm512_mask_mov_epi32, _mm512_mask_sub_epi32,
    _mm512_mask_sub_epi64, _mm512_mask_xor_epi64, _mm512_maskz_compress_epi8, _mm512_min_epu8, _mm512_movepi64_mask,
    _mm512_or_si512, _mm512_permutex2var_epi8, _mm512_permutex2var_epi32, _mm512_set1_epi8, _mm512_set1_epi32,
    _mm512_set1_epi64, _mm512_setzero_si512, _mm512_shldi_epi64, _mm512_shuffle_i32x4, _mm512_shuffle_i64x2,
    _mm512_slli_epi16, _mm512_slli_epi64, _mm512_srai_epi32, _mm512_storeu_si512, _mm512_sub_epi32,
    _mm512_test_epi32_mask, _mm512_test_epi64_mask, _mm512_unpacklo_epi64, _mm512_xor_si512,
};

use super::word::{Carried, Eight, Group, Groups};
use super::x86::Avx2;
use super::{Cpu, Cut, End, Hot, MOST_FIELDS, Masks, Spans, WINDOW, WORD, WordEnds, low_bits};
use crate::block::Span;

/// A processor with AVX-512 as far as it is needed here, and all that is older.
#[derive(Clone, Copy)]
pub struct Avx512(Avx2);

impl Avx512 {
    /// If this is one.
    #[inline]
    pub fn new() -> Option<Self> {
        let is_one = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx512vbmi")
            && is_x86_feature_detected!("avx512vbmi2")
            && is_x86_feature_detected!("gfni")
            && is_x86_feature_detected!("vpclmulqdq");
        Avx2::new().filter(|_| is_one).map(Self)
    }
}

impl Cpu for Avx512 {
    #[inline]
    fn run<W: Hot>(self, work: W) -> W::Output {
        #[inline(never)]
        #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,pclmulqdq,popcnt")]
        #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi,avx512vbmi2,gfni,vpclmulqdq")]
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
    fn tell(self, groups: Groups<'_>, carried: &mut Carried) -> usize {
        // SAFETY: see the head of this file.
        unsafe { tell_512(groups, carried) }
    }

    #[inline(always)]
    fn up_to_each(self, bits: u64) -> u64 {
        self.0.up_to_each(bits)
    }

    #[inline(always)]
    fn put_ends(self, ends: &WordEnds, places: &mut [End; WORD]) {
        // SAFETY: see the head of this file.
        unsafe { put_ends(ends, places) }
    }

    #[inline(always)]
    fn spans(self, cut: &Cut<'_>, limit: u32, spans: &mut [Span; MOST_FIELDS]) -> Spans {
        // SAFETY: see the head of this file.
        unsafe { spans_512(cut, limit, spans) }
    }

    #[inline(always)]
    fn digits(self, bytes: &[u8; WINDOW]) -> u32 {
        self.0.digits(bytes)
    }

    #[inline(always)]
    fn equal(self, bytes: &[u8; WINDOW], byte: u8) -> u32 {
        self.0.equal(bytes, byte)
    }

    #[inline(always)]
    fn above(self, bytes: &[u8; WINDOW], byte: u8) -> u32 {
        self.0.above(bytes, byte)
    }

    #[inline(always)]
    fn odd(self, bytes: &[u8; WINDOW], byte: u8) -> u32 {
        self.0.odd(bytes, byte)
    }
}

#[inline]
#[target_feature(enable = "avx512bw")]
fn masks_512(bytes: &[u8; WORD]) -> Masks {
    // SAFETY: the array holds the 64 bytes that are read; the load needs no alignment.
    let word = unsafe { _mm512_loadu_si512(bytes.as_ptr().cast()) };
    let equal = |byte: u8| _mm512_cmpeq_epi8_mask(word, _mm512_set1_epi8(byte.cast_signed()));
    let quote = equal(b'"');
    // Signed: bytes above 0x7f are negative, so they are below 0x20 as well.
    let outside = _mm512_cmplt_epi8_mask(word, _mm512_set1_epi8(0x20));
    Masks {
        space: equal(b' '),
        quote,
        newline: equal(b'\n'),
        dash: equal(b'-'),
        special: quote | equal(b'\\') | outside,
    }
}

/// What is carried from group to group.
struct Before {
    /// All ones inside of quotes.
    inside: u8,
    is_odd: u32,
    ends: __m512i,
    closing: __m512i,
    odd: __m512i,
    dash: __m512i,
}

impl Before {
    #[inline]
    #[target_feature(enable = "avx512f")]
    fn of(carried: &Carried) -> Self {
        let last = |bits: u64| _mm512_set1_epi64(bits.cast_signed());
        Self {
            inside: carried.inside as u8,
            is_odd: carried.is_odd as u32,
            ends: last(carried.separated << 62),
            closing: last(carried.closed << 63),
            odd: last(carried.odd << 63),
            dash: last(carried.dashes << 62),
        }
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512dq")]
    fn carried(&self) -> Carried {
        let highest = |bits: __m512i| u64::from(_mm512_movepi64_mask(bits) >> 7);
        let two = |bits: __m512i| highest(bits) << 1 | highest(_mm512_slli_epi64::<1>(bits));
        Carried {
            inside: u64::from(self.inside & 1).wrapping_neg(),
            separated: two(self.ends),
            closed: highest(self.closing),
            odd: highest(self.odd),
            dashes: two(self.dash),
            is_odd: u64::from(self.is_odd),
        }
    }

    /// Which bytes are quoted, and whether the next group begins inside of quotes.
    #[inline]
    #[target_feature(enable = "avx512f,avx512dq,vpclmulqdq")]
    fn quoted(&self, quote: __m512i) -> (__m512i, u8) {
        let within = up_to_each_512(quote);
        // A word that ends inside of quotes turns all that follow.
        let mut turned = _mm512_movepi64_mask(within);
        turned ^= turned << 1;
        turned ^= turned << 2;
        turned ^= turned << 4;
        turned ^= self.inside;
        let quoted = _mm512_mask_xor_epi64(within, turned << 1 | (self.inside & 1), within, _mm512_set1_epi64(-1));
        (quoted, (turned >> 7).wrapping_neg())
    }

    /// The ends of fields that hold an odd byte, among other bits, and whether the last field does, which is not finished.
    #[inline]
    #[target_feature(enable = "avx512f")]
    fn odd_ends(&self, odd: __m512i, ends: __m512i) -> (__m512i, u32) {
        let ones = _mm512_set1_epi64(-1);
        // Each lane is added on its own. One that overflows carries to the next; one that is full hands on what it gets.
        let sum = _mm512_add_epi64(odd, _mm512_xor_si512(ends, ones));
        let over = u32::from(_mm512_cmplt_epu64_mask(sum, odd));
        let full = u32::from(_mm512_cmpeq_epi64_mask(sum, ones));
        let handed_on = (over << 1 | self.is_odd) + full;
        (_mm512_mask_sub_epi64(sum, (handed_on ^ full) as u8, sum, ones), handed_on >> 8 & 1)
    }
}

/// As `Carried::tell` does it, whose words explain the steps; each lane is a word.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vbmi,avx512vbmi2,gfni,vpclmulqdq")]
fn tell_512(groups: Groups<'_>, carried: &mut Carried) -> usize {
    let mut last = Before::of(carried);
    let mut count = 0;
    for ((bytes, specials), told) in groups.bytes.iter().zip(groups.specials).zip(groups.told) {
        let Seen { space, quote, newline, dash, odd } = see_512(bytes);
        let special = _mm512_or_si512(_mm512_or_si512(quote, newline), odd);
        // SAFETY: the array has room for the 64 bytes that are written; the store needs no alignment.
        unsafe { _mm512_storeu_si512(specials.as_mut_ptr().cast(), special) };
        let (quoted, inside) = last.quoted(quote);
        if _mm512_test_epi64_mask(newline, quoted) != 0 {
            break;
        }
        let ends = _mm512_or_si512(_mm512_andnot_si512(quoted, space), newline);
        let (opening, closing) = (_mm512_and_si512(quote, quoted), _mm512_andnot_si512(quoted, quote));
        let before = _mm512_alignr_epi64::<7>(ends, last.ends);
        let separator = (_mm512_shldi_epi64::<1>(ends, before), _mm512_shldi_epi64::<2>(ends, before));
        let behind_closing = _mm512_shldi_epi64::<1>(closing, _mm512_alignr_epi64::<7>(closing, last.closing));
        let behind_odd = _mm512_shldi_epi64::<1>(odd, _mm512_alignr_epi64::<7>(odd, last.odd));
        let wrong_quote =
            _mm512_or_si512(_mm512_andnot_si512(separator.0, opening), _mm512_andnot_si512(ends, behind_closing));
        let wrong_odd = _mm512_and_si512(behind_odd, _mm512_or_si512(closing, _mm512_and_si512(ends, separator.1)));
        let before = _mm512_alignr_epi64::<7>(dash, last.dash);
        let behind_dash = (_mm512_shldi_epi64::<1>(dash, before), _mm512_shldi_epi64::<2>(dash, before));
        let dashes = _mm512_or_si512(
            _mm512_and_si512(behind_dash.1, behind_closing),
            _mm512_andnot_si512(behind_closing, behind_dash.0),
        );
        let (sum, is_odd) = last.odd_ends(odd, ends);
        put_eight(&mut told.ends, ends);
        put_eight(&mut told.newline, newline);
        put_eight(&mut told.quoted, behind_closing);
        put_eight(&mut told.marked, _mm512_or_si512(sum, dashes));
        put_eight(&mut told.wrong, _mm512_or_si512(wrong_quote, wrong_odd));
        last = Before { inside, is_odd, ends, closing, odd, dash };
        count += 1;
    }
    *carried = last.carried();
    count
}

/// The masks of a group, exclusive of each other.
struct Seen {
    space: __m512i,
    quote: __m512i,
    newline: __m512i,
    dash: __m512i,
    odd: __m512i,
}

/// The classes of ASCII bytes; what is no ASCII has that of the first.
const CLASSES: [u8; 128] = {
    const SPACE: u8 = 1;
    const QUOTE: u8 = 2;
    const NEWLINE: u8 = 4;
    const DASH: u8 = 8;
    const ODD: u8 = NEWLINE | DASH;
    let mut classes = [0; 128];
    let mut byte = 0;
    while byte < 0x20 {
        classes[byte] = ODD;
        byte += 1;
    }
    classes[b'\\' as usize] = ODD;
    classes[b' ' as usize] = SPACE;
    classes[b'"' as usize] = QUOTE;
    classes[b'\n' as usize] = NEWLINE;
    classes[b'-' as usize] = DASH;
    classes
};

/// Classes of bytes as bits, which are turned into masks: the bits of a byte become those of four, one for each class.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi,gfni")]
fn see_512(bytes: &Group) -> Seen {
    // Where the bytes of the first two planes stand, and of the others.
    const FIRST: [u8; 64] = planes(0);
    const SECOND: [u8; 64] = planes(2);
    // SAFETY: the array holds the 64 bytes that are read; the load needs no alignment.
    let load = |bytes: &[u8; 64]| unsafe { _mm512_loadu_si512(bytes.as_ptr().cast()) };
    let (classes, _) = CLASSES.as_chunks::<64>();
    let tables = [load(&classes[0]), load(&classes[1])];
    let tables_too = tables.map(|table| _mm512_slli_epi16::<4>(table));
    let limit = _mm512_set1_epi8(-128);
    let words = bytes.as_chunks::<WORD>().0;
    let class = |word: usize, tables: [__m512i; 2]| {
        let index = _mm512_min_epu8(load(&words[word]), limit);
        _mm512_permutex2var_epi8(tables[0], index, tables[1])
    };
    // Each byte has a bit of its own. Multiplied with eight bytes as a matrix, they become these bytes' bits side by side,
    // the last first; as a matrix, they mirror a byte.
    let bits = _mm512_set1_epi64(0x8040_2010_0804_0201_u64.cast_signed());
    let pair = |first: usize| {
        let classes = _mm512_or_si512(class(first, tables), class(first + 1, tables_too));
        _mm512_gf2p8affine_epi64_epi8::<0>(bits, classes)
    };
    let pairs = [pair(0), pair(2), pair(4), pair(6)];
    let (first, second) = (load(&FIRST), load(&SECOND));
    let [low, high] = [first, second].map(|index| {
        let four = _mm512_permutex2var_epi8(pairs[0], index, pairs[1]);
        let other_four = _mm512_permutex2var_epi8(pairs[2], index, pairs[3]);
        [
            _mm512_inserti64x4::<1>(four, _mm512_castsi512_si256(other_four)),
            _mm512_shuffle_i64x2::<0b11_10_11_10>(four, other_four),
        ]
    });
    let plane = |mirrored: __m512i| _mm512_gf2p8affine_epi64_epi8::<0>(mirrored, bits);
    let [space, quote] = low.map(plane);
    let [newline, dash] = high.map(plane);
    Seen {
        space,
        quote,
        newline: _mm512_andnot_si512(dash, newline),
        dash: _mm512_andnot_si512(newline, dash),
        odd: _mm512_and_si512(newline, dash),
    }
}

/// Where the bytes of two planes, from one on, stand for four words in two pairs of words.
const fn planes(from: u8) -> [u8; 64] {
    let mut places = [0; 64];
    let mut at = 0;
    while at < 64 {
        let (plane, word, eighth) = (from + at / 32, at / 8 % 4, at % 8);
        places[at as usize] = word / 2 * 64 + eighth * 8 + word % 2 * 4 + plane;
        at += 1;
    }
    places
}

/// For each bit of a lane whether an odd number of bits is set up to it.
#[inline]
#[target_feature(enable = "avx512f,vpclmulqdq")]
fn up_to_each_512(bits: __m512i) -> __m512i {
    let ones = _mm512_set1_epi64(-1);
    let even = _mm512_clmulepi64_epi128::<0>(bits, ones);
    _mm512_unpacklo_epi64(even, _mm512_clmulepi64_epi128::<1>(bits, ones))
}

#[inline]
#[target_feature(enable = "avx512f")]
fn put_eight(numbers: &mut Eight, bits: __m512i) {
    // SAFETY: the array has room for the 64 bytes that are written; the store needs no alignment.
    unsafe { _mm512_storeu_si512(numbers.as_mut_ptr().cast(), bits) };
}

/// Write the ends of a word: all at once as bytes, then sixteen at a time as numbers, which is enough mostly.
#[inline]
#[target_feature(enable = "avx512bw,avx512vbmi2,popcnt")]
fn put_ends(&WordEnds { word, ends, quoted, marked }: &WordEnds, places: &mut [End; WORD]) {
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
    let told = _mm512_mask_add_epi8(count, quoted, count, _mm512_set1_epi8(End::QUOTED as i8));
    let told = _mm512_mask_add_epi8(told, marked, told, _mm512_set1_epi8(End::MARKED as i8));
    let mut found = _mm512_maskz_compress_epi8(ends, told);
    let is_more = ends.count_ones() > 16;
    for sixteen in places.as_chunks_mut::<16>().0 {
        let numbers = _mm512_cvtepu8_epi32(_mm512_castsi512_si128(found));
        let numbers = _mm512_add_epi32(numbers, _mm512_set1_epi32((word << End::WORD).cast_signed()));
        // SAFETY: the array has room for the 16 numbers that are written, as which ends lie in memory; the store needs no
        // alignment.
        unsafe { _mm512_storeu_si512(sixteen.as_mut_ptr().cast(), numbers) };
        if !is_more {
            return;
        }
        found = _mm512_shuffle_i32x4::<0b11_11_10_01>(found, found);
    }
}

/// Where ends stand.
#[inline]
#[target_feature(enable = "avx512f")]
fn places_512(ends: __m512i) -> __m512i {
    let in_word = _mm512_set1_epi32(End::IN_WORD.cast_signed());
    let words = _mm512_andnot_si512(in_word, _mm512_srai_epi32::<{ End::BETWEEN }>(ends));
    _mm512_or_si512(words, _mm512_and_si512(in_word, ends))
}

/// Sixteen spans at a time.
#[inline]
#[target_feature(enable = "avx512f")]
fn spans_512(cut: &Cut<'_>, limit: u32, spans: &mut [Span; MOST_FIELDS]) -> Spans {
    const FIRST: [i32; 16] = [0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23];
    // SAFETY: the array holds the 64 bytes that are read; the load needs no alignment.
    let first = unsafe { _mm512_loadu_si512(FIRST.as_ptr().cast()) };
    let (zero, one) = (_mm512_setzero_si512(), _mm512_set1_epi32(1));
    let most = _mm512_set1_epi32(limit.cast_signed());
    let Spans { mut empty, mut present, mut quoted, mut odd, .. } = Spans::default();
    let mut beyond = 0;
    for (number, sixteen) in spans.as_chunks_mut::<16>().0.iter_mut().enumerate() {
        let at = number * 16;
        if at >= cut.fields {
            break;
        }
        // SAFETY: there are 65 ends, so 16 from each of 0, 16, 32, 48 on, and one more; no alignment is needed.
        let (before, end) = unsafe {
            let ends = cut.ends.as_ptr().add(at);
            (_mm512_loadu_si512(ends.cast()), _mm512_loadu_si512(ends.add(1).cast()))
        };
        let are_quoted = _mm512_test_epi32_mask(end, _mm512_set1_epi32(End::QUOTED.cast_signed()));
        let are_marked = _mm512_test_epi32_mask(end, _mm512_set1_epi32(End::MARKED.cast_signed()));
        let from = _mm512_add_epi32(places_512(before), one);
        let from = _mm512_mask_add_epi32(from, are_quoted, from, one);
        let to = places_512(end);
        let to = _mm512_mask_sub_epi32(to, are_quoted, to, one);
        let len = _mm512_sub_epi32(to, from);
        let is_beyond = _mm512_cmpgt_epu32_mask(to, most) | _mm512_cmpgt_epu32_mask(from, to);
        beyond |= u64::from(is_beyond) << at;
        empty |= u64::from(_mm512_cmpeq_epi32_mask(len, zero)) << at;
        let dashes = are_marked & _mm512_cmpeq_epi32_mask(len, one);
        present |= u64::from(!dashes) << at;
        quoted |= u64::from(are_quoted) << at;
        odd |= u64::from(are_marked & !dashes) << at;
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
    Spans {
        empty: empty & all,
        present: present & all,
        quoted: quoted & all,
        odd: odd & all,
        are_within: beyond & all == 0,
    }
}
