//! What makes the kernel fast: the structure of a chunk as bit masks, and short copies without a call.
//!
//! All unsafe code of the parsing and writing path is in this folder: `x86` (instructions that not every processor
//! has), and `out` (copies that write more than is asked for). Each block says why it is sound.

mod bits;
mod out;
mod scalar;
mod scan;
#[cfg(target_arch = "x86_64")]
mod x86;

pub use bits::{Bits, Mask};
pub use out::{Key, Out, SHORT};
pub use scalar::Scalar;
pub use scan::{Cut, Ends, Found, MOST_FIELDS, Scanner};

use crate::block::Span;

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

/// What a processor can do at once. Those that need instructions which not every processor has are values of private
/// types, made only where the processor was asked.
pub trait Cpu: Copy {
    /// Do work as code for this processor; for what is called by something that is not.
    fn run<W: Hot>(self, work: W) -> W::Output;
    /// The masks of a word.
    fn masks(self, bytes: &[u8; WORD]) -> Masks;
    /// For each bit whether an odd number of bits is set up to it.
    fn up_to_each(self, bits: u64) -> u64;
    /// The bits at these places, side by side from the lowest on.
    fn pick(self, bits: u64, places: u64) -> u64;
    /// Write the places of a word's bits, counted from `base`, and anything behind them.
    fn put_places(self, bits: u64, base: u32, places: &mut [u32; WORD]);
    /// The spans of a line's fields, a dash as none, and which of them have no bytes. Anything may follow them.
    fn spans(self, cut: &Cut<'_>, spans: &mut [Span; MOST_FIELDS]) -> u64;
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
        if let Some(cpu) = x86::Avx512::new() {
            return cpu.run(work);
        }
        if let Some(cpu) = x86::Avx2::new() {
            return cpu.run(work);
        }
    }
    work.run(Scalar)
}
