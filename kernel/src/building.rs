//! Arrow arrays that grow run by run. Texts that repeat become dictionaries: whoever writes Parquet from them need not
//! hash each value again.
#![allow(clippy::cast_possible_wrap, clippy::cast_sign_loss)] // Arrow's offsets and keys are 31 bits, and no row group larger

use std::sync::Arc;

use arrow_array::types::Int32Type;
use arrow_array::{
    Array, ArrayRef, DictionaryArray, Float64Array, Int32Array, Int64Array, ListArray, StringArray,
    TimestampMicrosecondArray,
};
use arrow_buffer::{BooleanBuffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow_schema::Field;

use crate::lending::Growing;

/// A run has so many rows at most: one word of bits.
pub const RUN: usize = 64;

/// For each row whether it has a value.
#[derive(Default)]
pub struct Bits {
    words: Growing<u64>,
    len: usize,
}

impl Bits {
    /// Add the lowest `count` bits, at most 64; those above are zero.
    #[inline]
    pub fn add(&mut self, bits: u64, count: usize) {
        let place = self.len % RUN;
        if place == 0 && count > 0 {
            self.words.push(bits);
        } else {
            if let Some(last) = self.words.last_mut() {
                *last |= bits << place;
            }
            if place + count > RUN {
                self.words.push(bits >> (RUN - place));
            }
        }
        self.len += count;
    }

    /// All bits; none are left.
    pub fn take(&mut self) -> BooleanBuffer {
        for word in self.words.iter_mut() {
            *word = word.to_le();
        }
        BooleanBuffer::new(self.words.take(), 0, std::mem::take(&mut self.len))
    }

    /// Use memory again that has come back.
    pub fn reuse(&mut self) {
        self.words.reuse();
    }

    /// All bits as Arrow wants them of an array; none are left.
    pub fn take_nulls(&mut self) -> Option<NullBuffer> {
        Some(NullBuffer::new(self.take())).filter(|nulls| nulls.null_count() > 0)
    }

    /// Bytes of memory.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.words.memory()
    }
}

/// Takes texts one after the other.
pub trait Texts {
    /// Add `len` bytes of `source` from `at` on, which are UTF-8.
    fn part(&mut self, source: &[u8], at: usize, len: usize);

    /// Add a text of no meaning.
    fn none(&mut self);

    /// Add a text, which is UTF-8.
    #[inline]
    fn text(&mut self, text: &[u8]) {
        self.part(text, 0, text.len());
    }
}

/// Texts, one behind the other.
#[derive(Default)]
pub struct Dense {
    bytes: Growing<u8>,
    ends: Ends,
}

/// Where texts or lists end.
#[derive(Default)]
pub struct Ends {
    ends: Growing<i32>,
}

impl Ends {
    /// The next one ends here.
    #[inline(always)]
    pub fn push(&mut self, end: usize) {
        self.ends.push(end as i32);
    }

    /// The next ones are empty.
    pub fn repeat(&mut self, count: usize) {
        let (len, last) = (self.ends.len(), self.ends.last().copied().unwrap_or_default());
        self.ends.resize(len + count, last);
    }

    fn get(&self, number: usize) -> std::ops::Range<usize> {
        let start = number.checked_sub(1).map_or(0, |before| self.ends[before]);
        start as usize..self.ends[number] as usize
    }

    /// Bytes of memory.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.ends.memory()
    }

    /// Use memory again that has come back.
    pub fn reuse(&mut self) {
        self.ends.reuse();
    }

    fn take(&mut self) -> OffsetBuffer<i32> {
        self.ends.insert(0, 0);
        let len = self.ends.len();
        OffsetBuffer::new(ScalarBuffer::new(self.ends.take(), 0, len))
    }
}

/// Short texts are copied in pieces of this size, which needs no call.
const PIECE: usize = 32;

impl Texts for Dense {
    #[inline(always)]
    fn part(&mut self, source: &[u8], at: usize, len: usize) {
        let end = self.bytes.len() + len;
        let whole = len.next_multiple_of(PIECE);
        match source.get(at..at + whole) {
            Some(pieces) if len <= 4 * PIECE => {
                for piece in pieces.as_chunks::<PIECE>().0 {
                    self.bytes.extend_from_slice(piece);
                }
                self.bytes.truncate(end);
            }
            _ => self.bytes.extend_from_slice(&source[at..at + len]),
        }
        self.ends.push(end);
    }

    #[inline(always)]
    fn none(&mut self) {
        self.ends.push(self.bytes.len());
    }
}

impl Dense {
    fn len(&self) -> usize {
        self.ends.ends.len()
    }

    fn get(&self, number: usize) -> &[u8] {
        &self.bytes[self.ends.get(number)]
    }

    fn memory(&self) -> usize {
        self.bytes.memory() + self.ends.memory()
    }

    fn reuse(&mut self) {
        self.bytes.reuse();
        self.ends.reuse();
    }

    fn take(&mut self, nulls: Option<NullBuffer>) -> StringArray {
        StringArray::new(self.ends.take(), self.bytes.take(), nulls)
    }
}

/// Texts that repeat: each different one once, and numbers for them.
#[derive(Default)]
pub struct Dictionary {
    known: Dense,
    numbers: Growing<i32>,
    /// How many numbers stand for a text.
    present: usize,
    places: Vec<Place>,
    /// Looking for a text took too long: somebody chose texts that are looked for in the same places.
    crowded: bool,
}

/// Where a text is looked for: its first and its last bytes tell it apart from nearly all others.
#[derive(Clone, Copy)]
struct Place {
    first: u64,
    last: u64,
    len: u32,
    number: u32,
}

const EMPTY: Place = Place { first: 0, last: 0, len: u32::MAX, number: 0 };
const FEWEST_PLACES: usize = 64;
const MOST_STEPS: usize = 64;
/// Parquet keeps a dictionary of one MiB; larger ones are of no use.
const MOST_KNOWN: usize = 16 << 10;
const MOST_BYTES: usize = 768 << 10;
/// Whether texts repeat is asked from so many different ones on.
const MANY: usize = 2048;

impl Place {
    #[inline(always)]
    fn of(text: &[u8]) -> Self {
        let (first, last) = match (text.first_chunk::<8>(), text.last_chunk::<8>()) {
            (Some(first), Some(last)) => (u64::from_le_bytes(*first), u64::from_le_bytes(*last)),
            _ => Self::of_short(text),
        };
        Self { first, last, len: text.len() as u32, number: 0 }
    }

    #[inline(always)]
    fn of_short(text: &[u8]) -> (u64, u64) {
        if let (Some(first), Some(last)) = (text.first_chunk::<4>(), text.last_chunk::<4>()) {
            return (u32::from_le_bytes(*first).into(), u32::from_le_bytes(*last).into());
        }
        let first = text.iter().fold(0, |word, &byte| word << 8 | u64::from(byte));
        (first, 0)
    }

    /// Where to begin looking: in the highest bits of a product, which depend on all bits of its factors.
    #[inline(always)]
    fn start(self, places: usize) -> usize {
        const MIX: u64 = 0x9E37_79B9_7F4A_7C15;
        let first = (self.first ^ u64::from(self.len)).wrapping_mul(MIX);
        let mixed = (first.rotate_left(32) ^ self.last).wrapping_mul(MIX);
        (mixed >> (places.leading_zeros() + 1)) as usize
    }
}

impl Texts for Dictionary {
    #[inline(always)]
    fn part(&mut self, source: &[u8], at: usize, len: usize) {
        let number = self.number(&source[at..at + len]);
        self.numbers.push(number as i32);
        self.present += 1;
    }

    #[inline(always)]
    fn none(&mut self) {
        self.numbers.push(0);
    }
}

impl Dictionary {
    /// The number of a text, which becomes known.
    #[inline(always)]
    fn number(&mut self, text: &[u8]) -> u32 {
        let wanted = Place::of(text);
        if self.places.is_empty() {
            self.places.resize(FEWEST_PLACES, EMPTY);
        }
        let mut at = wanted.start(self.places.len());
        for step in 1.. {
            let place = self.places[at];
            if (place.first, place.last, place.len) == (wanted.first, wanted.last, wanted.len)
                && (text.len() <= 16 || self.known.get(place.number as usize) == text)
            {
                return place.number;
            }
            if place.len == EMPTY.len {
                break;
            }
            self.crowded |= step > MOST_STEPS;
            at = (at + step) & (self.places.len() - 1);
        }
        self.learn(text, wanted, at)
    }

    #[inline(never)]
    fn learn(&mut self, text: &[u8], place: Place, at: usize) -> u32 {
        let number = self.known.len() as u32;
        self.known.part(text, 0, text.len());
        self.places[at] = Place { number, ..place };
        if self.known.len() * 2 > self.places.len() {
            self.spread();
        }
        number
    }

    /// Make more places.
    fn spread(&mut self) {
        let larger = vec![EMPTY; self.places.len() * 4];
        for place in std::mem::replace(&mut self.places, larger) {
            if place.len != EMPTY.len {
                let mut at = place.start(self.places.len());
                let mut step = 1;
                while self.places[at].len != EMPTY.len {
                    at = (at + step) & (self.places.len() - 1);
                    step += 1;
                }
                self.places[at] = place;
            }
        }
    }

    /// Whether the texts repeat too seldom.
    fn is_of_no_use(&self) -> bool {
        let known = self.known.len();
        self.crowded
            || (known > MANY && known * 2 > self.present)
            || known > MOST_KNOWN
            || self.known.bytes.len() > MOST_BYTES
    }

    /// Add all texts to `dense`; none are left here.
    fn pour(&mut self, dense: &mut Dense) {
        dense.reuse();
        for &number in self.numbers.iter() {
            // What stands for no text becomes the first one, if there is any: it is of no meaning there too.
            match self.known.len() {
                0 => dense.none(),
                _ => dense.text(self.known.get(number as usize)),
            }
        }
        self.clear();
    }

    fn clear(&mut self) {
        drop((self.numbers.take(), self.known.take(None)));
        self.places.clear();
        self.present = 0;
        self.crowded = false;
    }

    fn reuse(&mut self) {
        self.known.reuse();
        self.numbers.reuse();
    }

    fn memory(&self) -> usize {
        self.known.memory() + self.numbers.memory() + self.places.len() * size_of::<Place>()
    }

    fn take(&mut self, nulls: Option<NullBuffer>) -> DictionaryArray<Int32Type> {
        let len = self.numbers.len();
        let numbers = Int32Array::new(ScalarBuffer::new(self.numbers.take(), 0, len), nulls);
        let array = DictionaryArray::new(numbers, Arc::new(self.known.take(None)));
        self.clear();
        array
    }
}

/// A column of texts: dense, or a dictionary until that turns out to be of no use.
#[derive(Default)]
pub struct Text {
    dense: Dense,
    dictionary: Dictionary,
    is_dictionary: bool,
}

/// One of the two forms of a column of texts.
pub enum Form<'t> {
    /// One behind the other.
    Dense(&'t mut Dense),
    /// Each different one once.
    Dictionary(&'t mut Dictionary),
}

impl Texts for Text {
    #[inline(always)]
    fn part(&mut self, source: &[u8], at: usize, len: usize) {
        match self.form() {
            Form::Dense(dense) => dense.part(source, at, len),
            Form::Dictionary(dictionary) => dictionary.part(source, at, len),
        }
    }

    #[inline(always)]
    fn none(&mut self) {
        match self.form() {
            Form::Dense(dense) => dense.none(),
            Form::Dictionary(dictionary) => dictionary.none(),
        }
    }
}

impl Text {
    /// An empty column.
    #[must_use]
    pub fn new(is_dictionary: bool) -> Self {
        Self { is_dictionary, ..Self::default() }
    }

    /// The form in which texts are added now.
    #[inline(always)]
    pub fn form(&mut self) -> Form<'_> {
        if self.is_dictionary { Form::Dictionary(&mut self.dictionary) } else { Form::Dense(&mut self.dense) }
    }

    /// Look whether a dictionary is of use still. A run may be added between two such looks.
    #[inline]
    pub fn look(&mut self) {
        if self.is_dictionary && self.dictionary.is_of_no_use() {
            self.dictionary.pour(&mut self.dense);
            self.is_dictionary = false;
        }
    }

    /// Begin with this form again, where there are no texts.
    pub fn restart(&mut self, is_dictionary: bool) {
        self.is_dictionary = is_dictionary;
    }

    /// How many texts.
    #[must_use]
    pub fn len(&self) -> usize {
        if self.is_dictionary { self.dictionary.numbers.len() } else { self.dense.len() }
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of memory.
    #[must_use]
    pub fn memory(&self) -> usize {
        if self.is_dictionary { self.dictionary.memory() } else { self.dense.memory() }
    }

    /// Use memory again that has come back.
    pub fn reuse(&mut self) {
        match self.form() {
            Form::Dense(dense) => dense.reuse(),
            Form::Dictionary(dictionary) => dictionary.reuse(),
        }
    }

    /// All texts; none are left.
    pub fn take(&mut self, nulls: Option<NullBuffer>) -> ArrayRef {
        match self.form() {
            Form::Dense(dense) => Arc::new(dense.take(nulls)),
            Form::Dictionary(dictionary) => Arc::new(dictionary.take(nulls)),
        }
    }
}

/// Integers as an array; none are left.
pub fn integers(values: &mut Growing<i64>, nulls: Option<NullBuffer>) -> Int64Array {
    let len = values.len();
    Int64Array::new(ScalarBuffer::new(values.take(), 0, len), nulls)
}

/// Floats as an array; none are left.
pub fn floats(values: &mut Growing<f64>, nulls: Option<NullBuffer>) -> Float64Array {
    let len = values.len();
    Float64Array::new(ScalarBuffer::new(values.take(), 0, len), nulls)
}

/// µs since 1970 as an array of times in UTC; none are left.
pub fn moments(values: &mut Growing<i64>, nulls: Option<NullBuffer>) -> TimestampMicrosecondArray {
    let len = values.len();
    TimestampMicrosecondArray::new(ScalarBuffer::new(values.take(), 0, len), nulls).with_timezone("UTC")
}

/// Lists of items; `ends` tells where each ends. None are left.
pub fn list(items: ArrayRef, ends: &mut Ends, nulls: Option<NullBuffer>) -> ArrayRef {
    let field = Arc::new(Field::new_list_field(items.data_type().clone(), true));
    Arc::new(ListArray::new(field, ends.take(), items, nulls))
}

#[cfg(test)]
mod tests {
    use arrow_array::cast::AsArray;

    use super::*;

    fn texts(array: &dyn Array) -> Vec<String> {
        match array.as_dictionary_opt::<Int32Type>() {
            Some(dictionary) => {
                let known = dictionary.values().as_string::<i32>();
                dictionary.keys().values().iter().map(|&key| known.value(key as usize).to_owned()).collect()
            }
            None => array.as_string::<i32>().iter().map(|text| text.unwrap_or_default().to_owned()).collect(),
        }
    }

    #[test]
    fn bits_keep_their_order_across_words() {
        let (mut bits, mut expected) = (Bits::default(), Vec::new());
        for (number, count) in [3, 64, 1, 60, 64, 0, 63, 7].into_iter().enumerate() {
            let word =
                0xF0F3_5A96_C33C_1248_u64.rotate_left(number as u32) & u64::MAX.checked_shr(64 - count).unwrap_or(0);
            bits.add(word, count as usize);
            expected.extend((0..count).map(|place| word >> place & 1 == 1));
        }
        assert_eq!(bits.take().iter().collect::<Vec<_>>(), expected);
        assert_eq!(bits.take().len(), 0);
    }

    #[test]
    fn a_dictionary_gives_back_what_went_in_also_once_it_is_of_no_use() {
        for (different, is_dictionary) in [(10, true), (MANY + 500, false), (3 * MANY, false)] {
            let mut column = Text::new(true);
            let expected: Vec<String> =
                (0..4000).map(|number| format!("{:0>1$}", number % different, number % 40)).collect();
            for text in &expected {
                column.text(text.as_bytes());
                column.look();
            }
            assert_eq!(column.len(), expected.len());
            let array = column.take(None);
            assert_eq!(array.as_dictionary_opt::<Int32Type>().is_some(), is_dictionary, "{different}");
            assert_eq!(texts(&array), expected);
            assert!(column.is_empty());
        }
    }

    #[test]
    fn texts_that_differ_only_where_nobody_looks_first_are_told_apart() {
        let mut column = Text::new(true);
        let expected: Vec<String> = (0..500).map(|number| format!("01234567{number:04}01234567")).collect();
        for text in &expected {
            column.text(text.as_bytes());
        }
        assert_eq!(texts(&column.take(None)), expected);
        for text in &expected {
            column.text(text.as_bytes());
            column.look();
        }
        let array = column.take(None);
        assert!(array.as_dictionary_opt::<Int32Type>().is_none());
        assert_eq!(texts(&array), expected);
    }

    #[test]
    fn a_column_without_any_text_becomes_dense_too() {
        let mut column = Text::new(true);
        (0..5).for_each(|_| column.none());
        let Form::Dictionary(dictionary) = column.form() else { unreachable!("it began as one") };
        dictionary.crowded = true;
        column.look();
        assert_eq!(texts(&column.take(None)), [""; 5]);
    }
}
