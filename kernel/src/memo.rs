//! What was written for texts that need more than copying. Browsers that send odd bytes, lists, and escaped addresses come
//! again and again in a log, and to find what was written for one takes a fraction of writing it anew.

/// So many texts are remembered: a new one takes the place of another.
const PLACES: usize = 256;
/// A text and what was written for it are remembered if they are no longer than this together.
const LONGEST: usize = 496;

/// What was written for texts.
#[derive(Default)]
pub struct Memo {
    /// None until there is something to remember. Most memos are short-lived, and remember little.
    entries: Box<[Option<Box<Entry>>]>,
}

#[derive(Clone)]
#[repr(C, align(64))]
struct Entry {
    /// Where the text stood.
    column: u32,
    text_len: u16,
    written_len: u16,
    hash: u64,
    /// The text, and behind it what was written.
    bytes: [u8; LONGEST],
}

const EMPTY: Entry = Entry { column: u32::MAX, text_len: 0, written_len: 0, hash: 0, bytes: [0; LONGEST] };

/// Where a text of a column is looked for.
#[derive(Clone, Copy)]
pub struct Wanted<'a> {
    column: u32,
    text: &'a [u8],
    hash: u64,
}

impl<'a> Wanted<'a> {
    /// A text in a column; None if it is too long to be remembered.
    #[must_use]
    pub fn new(column: u32, text: &'a [u8]) -> Option<Self> {
        (text.len() <= LONGEST).then(|| Self { column, text, hash: hash(column, text) })
    }
}

impl Memo {
    /// What was written for a text.
    #[inline]
    #[must_use]
    pub fn get(&self, wanted: Wanted<'_>) -> Option<&[u8]> {
        let Wanted { column, text, hash } = wanted;
        let entry = self.entries.get(hash as usize % PLACES)?.as_ref()?;
        if (entry.hash, entry.column, usize::from(entry.text_len)) != (hash, column, text.len()) {
            return None;
        }
        let (known, rest) = entry.bytes.split_at_checked(text.len())?;
        (known == text).then(|| rest.get(..usize::from(entry.written_len))).flatten()
    }

    /// Remember what was written for a text.
    pub fn put(&mut self, wanted: Wanted<'_>, written: &[u8]) {
        let Wanted { column, text, hash } = wanted;
        let end = text.len() + written.len();
        if end > LONGEST {
            return;
        }
        if self.entries.is_empty() {
            self.entries = vec![None; PLACES].into_boxed_slice();
        }
        let entry = self.entries[hash as usize % PLACES].get_or_insert_with(|| Box::new(EMPTY));
        (entry.hash, entry.column) = (hash, column);
        (entry.text_len, entry.written_len) = (text.len() as u16, written.len() as u16);
        entry.bytes[..text.len()].copy_from_slice(text);
        entry.bytes[text.len()..end].copy_from_slice(written);
    }
}

/// Sixteen bytes at a time. Whoever chooses texts that collide wins nothing but that they are written anew.
#[inline]
fn hash(column: u32, text: &[u8]) -> u64 {
    const MIX: u64 = 0x9E37_79B9_7F4A_7C15;
    let fold = |one: u64, other: u64| {
        let product = u128::from(one ^ MIX) * u128::from(other ^ MIX.rotate_left(32));
        product as u64 ^ (product >> 64) as u64
    };
    let words = |bytes: &[u8; 16]| {
        let (low, high) = (u128::from_le_bytes(*bytes) as u64, (u128::from_le_bytes(*bytes) >> 64) as u64);
        (low, high)
    };
    let (whole, rest) = text.as_chunks::<16>();
    let mut hash = u64::from(column) << 32 | text.len() as u64;
    for bytes in whole {
        let (low, high) = words(bytes);
        hash = fold(hash ^ low, high);
    }
    let mut last = [0; 16];
    if let Some(bytes) = text.last_chunk() {
        last = *bytes;
    } else {
        last[..rest.len()].copy_from_slice(rest);
    }
    let (low, high) = words(&last);
    fold(hash ^ low, high)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_found_for_the_same_text_in_the_same_column() {
        let mut memo = Memo::default();
        let texts: Vec<Vec<u8>> =
            (0..LONGEST + 2).map(|len| (0..len).map(|at| (at * 7 + len) as u8).collect()).collect();
        for text in &texts {
            for column in [0, 3] {
                let Some(wanted) = Wanted::new(column, text) else { continue };
                assert_eq!(memo.get(wanted), None);
                let written = [b"<".as_slice(), text, &[column as u8]].concat();
                memo.put(wanted, &written);
                let is_kept = text.len() + written.len() <= LONGEST;
                assert_eq!(memo.get(wanted), Some(written.as_slice()).filter(|_| is_kept), "{} bytes", text.len());
            }
        }
        assert!(Wanted::new(0, &texts[LONGEST + 1]).is_none());
        let known = texts.iter().filter_map(|text| Wanted::new(3, text)).filter(|&wanted| memo.get(wanted).is_some());
        assert!((PLACES / 4..=PLACES).contains(&known.count()));
    }
}
