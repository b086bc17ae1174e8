//! Record ids: 128 bits of `BLAKE2b` over the item and the offset of the record's first byte.

use blake2::digest::consts::U16;
use blake2::{Blake2b, Digest};

/// The ids of one item's records.
pub struct Ids {
    item: Blake2b<U16>,
}

impl Ids {
    /// The ids of the item that `identity` stands for.
    #[must_use]
    pub fn new(identity: &[u8]) -> Self {
        Self { item: Blake2b::<U16>::new_with_prefix(identity) }
    }

    /// The id of the record at that offset, in hex.
    #[must_use]
    pub fn hex(&self, offset: u64) -> [u8; 32] {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let digest = self.item.clone().chain_update(offset.to_le_bytes()).finalize();
        let mut hex = [0; 32];
        for (pair, byte) in hex.chunks_exact_mut(2).zip(digest) {
            pair[0] = DIGITS[usize::from(byte >> 4)];
            pair[1] = DIGITS[usize::from(byte & 15)];
        }
        hex
    }
}
