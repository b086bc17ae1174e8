//! What makes the kernel fast: the structure of a chunk as bit masks, and short copies without a call.
//!
//! All unsafe code of the parsing and writing path is in this folder: `x86` and `avx512` (instructions that not every
//! processor has), `part` and `out` (copies that read and write more than is asked for). Each block says why it is sound.

#[cfg(target_arch = "x86_64")]
mod avx512;
mod bits;
mod out;
mod part;
mod scalar;
mod scan;
mod word;
#[cfg(target_arch = "x86_64")]
mod x86;

pub use bits::{Bits, Mask, low_bits};
pub use out::{Key, Out, Pen};
pub use part::{Fields, Part, SHORT};
pub use scalar::Scalar;
pub use scan::{Cut, End, Ends, Found, MOST_FIELDS, Scanner, WordEnds};

use crate::block::Span;
use word::{Carried, Groups};

/// Bytes of which a mask has one bit each.
pub const WORD: usize = 64;
/// So many bytes are asked at once whether they are digits.
pub const WINDOW: usize = 32;

/// One bit for each byte of a word, the first in the lowest place.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Masks {
    /// Spaces.
    pub space: u64,
    /// Double quotes.
    pub quote: u64,
    /// Newlines.
    pub newline: u64,
    /// Dashes.
    pub dash: u64,
    /// Bytes that JSON cannot hold as they are, or that may not be ASCII: below 0x20, above 0x7f, `"`, `\`.
    pub special: u64,
}

/// What spans there are.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Spans {
    /// Fields without any bytes.
    pub empty: u64,
    /// Fields with a value.
    pub present: u64,
    /// Fields in quotes.
    pub quoted: u64,
    /// Fields that may hold a byte that needs more than copying.
    pub odd: u64,
    /// None of them ends behind the limit that was asked, or before it begins.
    are_within: bool,
}

mod known {
    /// Only the processors of this folder are some: others count on what they tell.
    pub trait Known {}
    impl Known for super::Scalar {}
    #[cfg(target_arch = "x86_64")]
    impl Known for super::avx512::Avx512 {}
    #[cfg(target_arch = "x86_64")]
    impl Known for super::x86::Avx2 {}
}

/// What a processor can do at once. Those that need instructions which not every processor has are values of private
/// types, made only where the processor was asked.
pub trait Cpu: Copy + known::Known {
    /// Do work as code for this processor; for what is called by something that is not.
    fn run<W: Hot>(self, work: W) -> W::Output;
    /// The masks of a word.
    fn masks(self, bytes: &[u8; WORD]) -> Masks;
    /// Tell of whole words, up to the first group in which a newline stands inside of quotes; how many groups those are.
    #[inline(always)]
    fn tell(self, groups: Groups<'_>, carried: &mut Carried) -> usize {
        carried.tell(self, groups)
    }
    /// For each bit whether an odd number of bits is set up to it.
    fn up_to_each(self, bits: u64) -> u64;
    /// Write the ends that stand in a word, with what is known of their fields, and anything behind them.
    fn put_ends(self, ends: &WordEnds, places: &mut [End; WORD]);
    /// The spans of a line's fields, a dash as none. Anything may follow them. They are told from a limit.
    fn spans(self, cut: &Cut<'_>, limit: u32, spans: &mut [Span; MOST_FIELDS]) -> Spans;
    /// Which bytes are decimal digits.
    fn digits(self, bytes: &[u8; WINDOW]) -> u32;
    /// Which bytes are this one.
    fn equal(self, bytes: &[u8; WINDOW], byte: u8) -> u32;
    /// Which bytes are above this one.
    fn above(self, bytes: &[u8; WINDOW], byte: u8) -> u32;
    /// Which bytes JSON cannot hold as they are, may not be ASCII, or are this one.
    fn odd(self, bytes: &[u8; WINDOW], byte: u8) -> u32;
}

/// Work that is worth being compiled for newer processors too. `run` must be inlined always: a closure is not.
pub trait Hot {
    /// What comes of it.
    type Output;
    /// Do the work.
    fn run<C: Cpu>(self, cpu: C) -> Self::Output;
}

/// Do the work as code for this processor.
#[inline]
pub fn at_best<W: Hot>(work: W) -> W::Output {
    #[cfg(target_arch = "x86_64")]
    {
        if let Some(cpu) = avx512::Avx512::new() {
            return cpu.run(work);
        }
        if let Some(cpu) = x86::Avx2::new() {
            return cpu.run(work);
        }
    }
    work.run(Scalar)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All that a processor tells of some bytes.
    struct Told<'a> {
        bytes: &'a [u8],
        start: usize,
    }

    impl Hot for Told<'_> {
        type Output = (Vec<u64>, Vec<Span>);

        fn run<C: Cpu>(self, cpu: C) -> Self::Output {
            let (mut told, mut spans) = (Vec::new(), Vec::new());
            for window in self.bytes.as_chunks::<WINDOW>().0 {
                let asked =
                    [cpu.digits(window), cpu.equal(window, b':'), cpu.above(window, b'2'), cpu.odd(window, b'#')];
                told.extend(asked.map(u64::from));
            }
            let (mut scanner, mut special) = (Scanner::default(), Mask::within(Vec::new(), self.bytes.len()));
            scanner.begin(self.start);
            while let Some(count) = scanner.next(cpu, self.bytes, self.start, &mut special) {
                for found in (0..count).filter_map(|number| scanner.line(number)) {
                    told.push(found.end as u64);
                    let Some(cut) = scanner.cut(found) else { continue };
                    let mut slots = [Span::ABSENT; MOST_FIELDS];
                    let Spans { empty, present, quoted, odd, .. } = cpu.spans(&cut, u32::MAX, &mut slots);
                    told.extend([cut.fields as u64, quoted, odd, empty, present]);
                    let limits = [found.end as u32, (found.end as u32).saturating_sub(3), 0];
                    told.extend(limits.map(|limit| u64::from(cpu.spans(&cut, limit, &mut slots).are_within)));
                    spans.extend_from_slice(&slots[..cut.fields]);
                }
            }
            told.extend(special.words(0, self.bytes.len().div_ceil(WORD)).iter().map(|word| u64::from_le_bytes(*word)));
            (told, spans)
        }
    }

    /// What is made of one chance after the other.
    fn made(len: usize, piece: impl Fn(usize) -> Vec<u8>) -> Vec<u8> {
        let (mut state, mut bytes) = (len as u64 + 1, Vec::new());
        while bytes.len() < len {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            bytes.extend(piece((state >> 33) as usize));
        }
        bytes.truncate(len);
        bytes
    }

    fn sample(len: usize) -> Vec<u8> {
        const PIECES: [&[u8]; 14] = [
            b" ",
            b"\"",
            b"\" \"",
            b"\n",
            b"-",
            b" - ",
            b"\"-\"",
            b"\\",
            b"\x7f\x80\xff",
            b"\t",
            b"a09:.;/",
            b"  ",
            b"22",
            b"word word",
        ];
        made(len, |chance| PIECES[chance % PIECES.len()].to_vec())
    }

    /// Lines as they should be, mostly: of fields that end anywhere in a word, and some of which are odd or end with a dash.
    fn lines(len: usize) -> Vec<u8> {
        const FIELDS: [&[u8]; 12] = [
            b"-",
            b"\"-\"",
            b"\"\"",
            b"a",
            b"\\",
            b"ab-",
            b"\"a b-\"",
            b"x\xffy",
            b"\"\\x\"",
            b"1.25",
            b"\"two words\"",
            b"\t",
        ];
        made(len, |chance| {
            let (field, rest) = (FIELDS[chance % FIELDS.len()], chance / FIELDS.len());
            let times = if rest.is_multiple_of(16) { 71 } else { 1 };
            let end = if (rest / 16).is_multiple_of(32) { b'\n' } else { b' ' };
            [field.repeat(times), vec![end]].concat()
        })
    }

    #[test]
    fn every_processor_tells_the_same() {
        let sizes = || (0..300).chain([511, 512, 513, 8191, 8192, 8193, 20_000, 70_000]);
        for (len, bytes) in sizes().map(|len| (len, sample(len))).chain(sizes().map(|len| (len, lines(len)))) {
            let start = len / 5;
            let told = Scalar.run(Told { bytes: &bytes, start });
            #[cfg(target_arch = "x86_64")]
            {
                if let Some(cpu) = x86::Avx2::new() {
                    assert!(cpu.run(Told { bytes: &bytes, start }) == told, "AVX2, {len} bytes");
                }
                if let Some(cpu) = avx512::Avx512::new() {
                    assert!(cpu.run(Told { bytes: &bytes, start }) == told, "AVX-512, {len} bytes");
                }
            }
        }
    }

    #[test]
    fn fields_are_cut_where_their_quotes_say() {
        let line = b"a \"b c\" - \"-\" \"\"  d\"e\n\"open\nx \"y\n";
        let (mut scanner, mut special) = (Scanner::default(), Mask::within(Vec::new(), line.len()));
        scanner.begin(0);
        assert_eq!(scanner.next(Scalar, line, 0, &mut special), Some(3));
        let found: Vec<Found> = (0..3).filter_map(|number| scanner.line(number).copied()).collect();
        assert_eq!(found.iter().map(|found| found.end).collect::<Vec<_>>(), [21, 27, 32]);
        assert!(found.iter().all(|found| scanner.cut(found).is_none()));

        let line = b"a \"b c\" - \"-\" \"\"  \\d \n";
        scanner.begin(0);
        assert_eq!(scanner.next(Scalar, line, 0, &mut special), Some(1));
        let cut = scanner.cut(scanner.line(0).expect("found")).expect("plain");
        let mut spans = [Span::ABSENT; MOST_FIELDS];
        let told = Scalar.spans(&cut, 20, &mut spans);
        assert_eq!((told.empty, told.present, told.are_within), (0b11_0000, 0b111_0011, true));
        assert!(!Scalar.spans(&cut, 19, &mut spans).are_within);
        let texts =
            [Span::new(0, 1), Span::new(3, 6), Span::ABSENT, Span::ABSENT, Span::new(15, 15), Span::new(17, 17)];
        assert_eq!(spans[..7], [texts.as_slice(), &[Span::new(18, 20)]].concat());
        assert_eq!((cut.fields, told.quoted, told.odd), (7, 0b1_1010, 0b100_0000));
    }
}
