//! One bit for each byte of a chunk.

use super::WORD;

/// So many bits from the lowest on.
#[inline(always)]
#[must_use]
pub fn low_bits(count: usize) -> u64 {
    1_u64.checked_shl(count as u32).map_or(u64::MAX, |bit| bit - 1)
}

/// One bit for each byte of a chunk, the first in the lowest place.
#[derive(Default, Clone)]
pub struct Mask {
    /// As bytes, with some more behind, so that 8 can be read at any place.
    bytes: Vec<u8>,
}

impl Mask {
    /// A mask for so many bytes, in the memory of another, whose bits it keeps until they are set.
    #[must_use]
    pub fn within(mut bytes: Vec<u8>, len: usize) -> Self {
        bytes.resize(len / WORD * 8 + 24, 0);
        Self { bytes }
    }

    /// The mask of a text: which of its bytes JSON cannot hold as they are, or may not be ASCII.
    #[must_use]
    pub fn special(text: &[u8]) -> Self {
        let mut mask = Self::within(Vec::new(), text.len());
        for (number, word) in text.chunks(WORD).enumerate() {
            let bits = word.iter().rev().fold(0, |bits, &byte| bits << 1 | u64::from(super::scalar::is_special(byte)));
            mask.words(number, 1)[0] = u64::to_le_bytes(bits);
        }
        mask
    }

    /// The memory of the mask.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// So many words, to be set; fewer if the mask ends before.
    #[inline]
    pub fn words(&mut self, from: usize, count: usize) -> &mut [[u8; 8]] {
        let words = self.bytes.as_chunks_mut().0;
        let end = words.len().min(from + count);
        words.get_mut(from..end).unwrap_or_default()
    }

    /// The bits, to be asked.
    #[inline]
    #[must_use]
    pub fn bits(&self) -> Bits<'_> {
        Bits { bytes: &self.bytes }
    }
}

/// The bits of a mask.
#[derive(Clone, Copy)]
pub struct Bits<'a> {
    bytes: &'a [u8],
}

impl Bits<'_> {
    /// The bits from `at` on; at least 57 of them are there.
    #[inline(always)]
    fn window(self, at: usize) -> u64 {
        match self.bytes.get(at / 8..).and_then(|rest| rest.first_chunk()) {
            Some(bytes) => u64::from_le_bytes(*bytes) >> (at % 8),
            None => 0,
        }
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
        self.any_of_many(from, to)
    }

    /// How many bits are set in `from..to`.
    #[must_use]
    pub fn count(self, from: usize, to: usize) -> u32 {
        let steps = (from..to).step_by(56);
        steps.map(|at| (self.window(at) & low_bits(56.min(to - at))).count_ones()).sum()
    }

    #[inline(never)]
    fn any_of_many(self, mut from: usize, to: usize) -> bool {
        while from + 56 < to {
            if self.window(from) & ((1 << 56) - 1) != 0 {
                return true;
            }
            from += 56;
        }
        self.window(from) & ((1 << (to - from)) - 1) != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_finds_what_a_search_finds() {
        let bytes: Vec<u8> = (0..700_u32).map(|at| if at * at % 97 == 3 { b'\\' } else { b'x' }).collect();
        let mask = Mask::special(&bytes);
        for from in 0..=bytes.len() {
            for to in [from, from + 1, from + 56, from + 57, from + 70, from + 113, bytes.len()] {
                let to = to.clamp(from, bytes.len());
                let count = memchr::memchr_iter(b'\\', &bytes[from..to]).count();
                assert_eq!(mask.bits().any(from, to), count > 0, "{from} {to}");
                assert_eq!(mask.bits().count(from, to) as usize, count, "{from} {to}");
            }
        }
    }
}
