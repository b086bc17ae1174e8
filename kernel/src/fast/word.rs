//! What each word tells of the fields and lines that end in it. A processor may tell of several at once.

use super::{Cpu, Masks, WORD, low_bits};

/// Words that are scanned at once: what is found in them stays in the nearest cache.
pub const WORDS: usize = 128;
/// Words side by side.
pub const GROUP: usize = 8;

/// A number for each word of a group.
pub type Eight = [u64; GROUP];
/// The bytes of a group.
pub type Group = [u8; GROUP * WORD];
/// For each word of a group the mask of special bytes.
pub type Specials = [[u8; 8]; GROUP];

/// What a word tells of the fields that end in it, each in the place where the field ends, or the line.
#[derive(Clone, Copy, Default)]
pub struct Word<T = u64> {
    /// Where fields end.
    pub ends: T,
    /// Where lines end.
    pub newline: T,
    /// The field stands in quotes.
    pub quoted: T,
    /// It ends with a dash, or holds a byte that needs more than copying.
    pub marked: T,
    /// Here, a quote neither opens nor closes a field, or a byte that needs more than copying is all of one.
    pub wrong: T,
}

/// What is carried from word to word.
#[derive(Clone, Copy, Default)]
pub struct Carried {
    /// All ones if the next word begins inside of quotes.
    pub inside: u64,
    /// Which of the two bytes before the next word separate fields.
    pub separated: u64,
    /// The byte before is a quote that closes.
    pub closed: u64,
    /// It is special, and no quote.
    pub odd: u64,
    /// Which of the two bytes before are dashes.
    pub dashes: u64,
    /// One if the field that is not finished holds an odd byte.
    pub is_odd: u64,
}

/// Groups of words that are to tell, and what they tell.
pub struct Groups<'a> {
    /// The bytes.
    pub bytes: &'a [Group],
    /// Their special bytes.
    pub specials: &'a mut [Specials],
    /// What they tell.
    pub told: &'a mut [Word<Eight>],
}

/// Some words, one after the other.
#[derive(Default)]
pub struct Words {
    told: [Word<Eight>; WORDS / GROUP],
    carried: Carried,
}

impl Words {
    /// Begin with a line.
    pub fn begin(&mut self) {
        self.carried = Carried { separated: 0b10, ..Carried::default() };
    }

    /// Look at the next words: at most `WORDS`, and only the last of all may be cut off. `skipped`: so many bytes of the
    /// first are not there.
    #[inline(always)]
    pub fn scan<C: Cpu>(&mut self, cpu: C, bytes: &[u8], mut skipped: usize, specials: &mut [[u8; 8]]) {
        let (groups, cut_off) = bytes.as_chunks();
        let (whole, last) = specials.split_at_mut(groups.len() * GROUP);
        let (whole, _) = whole.as_chunks_mut();
        let (told, mut carried) = (&mut self.told, self.carried);
        let mut number = 0;
        while number < groups.len() {
            if skipped == 0 {
                let (bytes, specials, told) = (&groups[number..], &mut whole[number..], &mut told[number..]);
                number += cpu.tell(Groups { bytes, specials, told }, &mut carried);
            }
            if number < groups.len() {
                told[number] = carried.one_by_one(cpu, &groups[number], skipped, &mut whole[number]);
                number += 1;
            }
            skipped = 0;
        }
        if !cut_off.is_empty() {
            told[number] = carried.one_by_one(cpu, cut_off, skipped, last);
        }
        self.carried = carried;
    }

    /// Where fields end in a word, and lines.
    #[inline(always)]
    pub fn ends_of(&self, number: usize) -> (u64, u64) {
        let (group, lane) = (&self.told[number / GROUP % self.told.len()], number % GROUP);
        (group.ends[lane], group.newline[lane])
    }

    /// Whether anything is wrong from one place to another.
    #[inline(never)]
    pub fn is_wrong(&self, from: usize, to: usize) -> bool {
        (from / WORD..to.div_ceil(WORD)).any(|number| {
            let begin = number * WORD;
            let here = low_bits(to - begin) & !low_bits(from.saturating_sub(begin));
            self.told[number / GROUP].wrong[number % GROUP] & here != 0
        })
    }

    /// What the words tell, in groups; those behind the last of all tell nothing.
    #[inline(always)]
    pub fn told(&self, words: usize) -> &[Word<Eight>] {
        &self.told[..words.div_ceil(GROUP)]
    }
}

impl Word<Eight> {
    #[inline(always)]
    fn set(&mut self, lane: usize, word: &Word) {
        self.ends[lane] = word.ends;
        self.newline[lane] = word.newline;
        self.quoted[lane] = word.quoted;
        self.marked[lane] = word.marked;
        self.wrong[lane] = word.wrong;
    }
}

impl Carried {
    /// Tell of whole words, up to the first group in which a newline stands inside of quotes; how many groups those are.
    #[inline(always)]
    pub fn tell<C: Cpu>(&mut self, cpu: C, groups: Groups<'_>) -> usize {
        let all = groups.bytes.iter().zip(groups.specials).zip(groups.told);
        for (number, ((bytes, specials), told)) in all.enumerate() {
            let mut carried = *self;
            for (lane, bytes) in bytes.as_chunks().0.iter().enumerate() {
                let masks = cpu.masks(bytes);
                specials[lane] = masks.special.to_le_bytes();
                let quoted = cpu.up_to_each(masks.quote) ^ carried.inside;
                if masks.newline & quoted != 0 {
                    return number;
                }
                told.set(lane, &carried.word(&masks, [quoted, u64::MAX]));
                carried.inside = spread_highest(quoted);
            }
            *self = carried;
        }
        groups.bytes.len()
    }

    /// Tell of a group of words of which these bytes, but for those `skipped`, are there. A newline inside of quotes ends
    /// them: behind it, nothing is quoted.
    #[inline(never)]
    fn one_by_one<C: Cpu>(&mut self, cpu: C, bytes: &[u8], skipped: usize, specials: &mut [[u8; 8]]) -> Word<Eight> {
        let mut told = Word::default();
        for ((lane, bytes), special) in bytes.chunks(WORD).enumerate().zip(specials) {
            let mut padded = [0; WORD];
            padded[..bytes.len()].copy_from_slice(bytes);
            let masks = cpu.masks(&padded);
            *special = masks.special.to_le_bytes();
            let mut present = low_bits(bytes.len()) & !low_bits(skipped.saturating_sub(lane * WORD));
            let mut whole = Word::default();
            while present != 0 {
                let quoted = cpu.up_to_each(masks.quote & present) ^ self.inside;
                let broken = masks.newline & present & quoted;
                let now = if broken == 0 { present } else { present & (broken ^ (broken - 1)) };
                whole.add(&self.word(&masks.only(now), [quoted, now]), now);
                self.inside = if broken == 0 { spread_highest(quoted) } else { 0 };
                present &= !now;
            }
            told.set(lane, &whole);
        }
        told
    }

    /// What a word tells, of which only the bytes `now` are there.
    #[inline(always)]
    fn word(&mut self, &Masks { space, quote, newline, dash, special }: &Masks, [quoted, now]: [u64; 2]) -> Word {
        let ends = (space & !quoted) | newline;
        // What is around the bytes counts as separators.
        let separator = ends | !now;
        let (opening, closing) = (quote & quoted, quote & !quoted);
        let odd = special & !(quote | newline);
        let behind_separator = (separator << 1) + (self.separated >> 1);
        let two_behind_separator = (separator << 2) + self.separated;
        let (behind_closing, behind_odd) = ((closing << 1) + self.closed, (odd << 1) + self.odd);
        // An opening quote stands behind a separator; a closing one before, and behind neither a backslash nor another
        // byte that wants a closer look. All are closed when the line ends. A field of one byte that is marked is a dash.
        let wrong = (opening & !behind_separator)
            | (behind_closing & !separator)
            | (closing & behind_odd)
            | (ends & behind_odd & two_behind_separator)
            | (newline & quoted);
        let two_before = (dash << 2) + self.dashes;
        let before = (dash << 1) + (self.dashes >> 1);
        // The sum carries a bit of a field on to the bit that ends it.
        let (sum, over) = odd.overflowing_add(!ends);
        let (sum, over_too) = sum.overflowing_add(self.is_odd);
        *self = Self {
            inside: self.inside,
            separated: separator >> 62,
            closed: closing >> 63,
            odd: odd >> 63,
            dashes: dash >> 62,
            is_odd: u64::from(over | over_too),
        };
        Word {
            ends,
            newline,
            quoted: behind_closing,
            marked: sum | (two_before & behind_closing) | (before & !behind_closing),
            wrong,
        }
    }
}

impl Masks {
    /// The bytes `now`.
    fn only(&self, now: u64) -> Self {
        Self {
            space: self.space & now,
            quote: self.quote & now,
            newline: self.newline & now,
            dash: self.dash & now,
            special: self.special & now,
        }
    }
}

impl Word {
    /// Add what the bytes `now` tell.
    fn add(&mut self, part: &Self, now: u64) {
        self.ends |= part.ends;
        self.newline |= part.newline;
        self.quoted |= part.quoted & part.ends;
        self.marked |= part.marked & part.ends;
        self.wrong |= part.wrong & now;
    }
}

/// The highest bit in all places.
#[inline(always)]
fn spread_highest(bits: u64) -> u64 {
    (bits.cast_signed() >> 63).cast_unsigned()
}
