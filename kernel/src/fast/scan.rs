//! Where the fields of all lines of a chunk end, word by word: every field that begins with a quote ends with one, and
//! there are no others. It does what cutting field by field does; it only does not wait for each.

use super::{Cpu, Hot, Mask, Masks, WORD};

/// So many fields of a line are told; one with more is cut field by field.
pub const MOST_FIELDS: usize = 64;
/// Words that are scanned at once: what is found in them stays in the nearest cache.
const WORDS: usize = 128;
/// Places that may be kept: those of an unfinished line with the end of the line before, those of the words, and what
/// is written or read too much.
const PLACES: usize = 1 + MOST_FIELDS + WORDS * WORD + 1 + MOST_FIELDS;

/// Where fields end; before them where the line before ends.
pub type Ends = [u32; MOST_FIELDS + 1];

/// A line that was found.
#[derive(Clone, Copy)]
pub struct Found {
    /// Where its newline stands.
    pub end: usize,
    /// The place of its ends.
    place: usize,
    fields: usize,
    quoted: u64,
    dashes: u64,
    odd: u64,
    is_sound: bool,
}

/// How a line is cut into fields. Its quotes are plain, and it has no more fields than are told of one.
#[derive(Clone, Copy)]
pub struct Cut<'a> {
    /// Where each field ends, behind its quote.
    pub ends: &'a Ends,
    /// How many fields there are.
    pub fields: usize,
    /// Which of them stand in quotes.
    pub quoted: u64,
    /// Which of them end with a dash.
    pub dashes: u64,
    /// Which of them hold a byte that needs more than copying.
    pub odd: u64,
}

/// What a word tells of the fields that end in it, each in the place where the field ends, or the line.
#[derive(Clone, Copy, Default)]
struct Word {
    ends: u64,
    newline: u64,
    /// The field stands in quotes.
    quoted: u64,
    /// It ends with a dash.
    dashes: u64,
    /// It holds a byte that needs more than copying.
    odd: u64,
    /// The newline ends no field, because it stands behind a separator.
    bare: u64,
    /// Here, a quote neither opens nor closes a field.
    wrong: u64,
}

/// What is carried from word to word.
#[derive(Clone, Copy, Default)]
struct Carried {
    /// All ones if the next word begins inside of quotes.
    inside: u64,
    /// The byte before the next word separates fields.
    separated: u64,
    /// It is a quote that closes.
    closed: u64,
    /// It is special, and no quote.
    odd: u64,
    /// Which of the two bytes before are dashes.
    dashes: u64,
    /// One if the field that is not finished holds an odd byte.
    is_odd: u64,
}

/// What is known of some fields.
#[derive(Clone, Copy, Default)]
struct Fields {
    count: u32,
    quoted: u64,
    dashes: u64,
    odd: u64,
    /// Quotes that neither open nor close a field.
    wrong: u64,
}

/// The line that is not finished.
#[derive(Clone, Copy)]
struct Unfinished {
    /// What is known of its fields.
    fields: Fields,
    /// How many ends there are.
    count: usize,
    /// Where its ends begin.
    first: usize,
}

/// Finds lines and the ends of their fields.
pub struct Scanner {
    words: Box<[Word; WORDS]>,
    ends: Box<[u32; PLACES]>,
    lines: Vec<Found>,
    carried: Carried,
    unfinished: Unfinished,
    /// The next word.
    next: usize,
}

/// The lines that end in the first words.
struct Lines<'s> {
    scanner: &'s mut Scanner,
    base: usize,
    words: usize,
}

impl Hot for Lines<'_> {
    type Output = ();

    #[inline(always)]
    fn run<C: Cpu>(self, cpu: C) {
        self.scanner.find_lines(cpu, self.base, self.words);
    }
}

impl Default for Scanner {
    fn default() -> Self {
        Self {
            words: Box::new([Word::default(); WORDS]),
            ends: vec![0; PLACES].into_boxed_slice().try_into().unwrap_or_else(|_| unreachable!("it has that length")),
            lines: Vec::new(),
            carried: Carried::default(),
            unfinished: Unfinished { fields: Fields::default(), count: 1, first: 1 },
            next: 0,
        }
    }
}

impl Scanner {
    /// Begin with a chunk, whose first line begins at `start`.
    pub fn begin(&mut self, start: usize) {
        self.carried = Carried { separated: 1, ..Carried::default() };
        self.unfinished = Unfinished { fields: Fields::default(), count: 1, first: 1 };
        self.ends[0] = (start as u32).wrapping_sub(1);
        self.next = start / WORD;
        self.lines.clear();
    }

    /// Find the lines that end in the next words of `start..bytes.len()`; tells how many there are. The next call finds
    /// the next ones, and forgets these. None if nothing is left.
    #[inline(always)]
    pub fn next<C: Cpu>(&mut self, cpu: C, bytes: &[u8], start: usize, special: &mut Mask) -> Option<usize> {
        let base = self.next * WORD;
        let rest = bytes.get(base..).filter(|rest| !rest.is_empty())?;
        let rest = &rest[..rest.len().min(WORDS * WORD)];
        self.turn();
        let (whole, cut_off) = rest.as_chunks::<WORD>();
        let mut carried = self.carried;
        let specials = special.words(self.next, rest.len().div_ceil(WORD));
        // The first word of all may begin before the first line.
        let skipped = start.saturating_sub(base);
        let mut present = u64::MAX << skipped.min(WORD - 1);
        for ((bytes, word), special) in whole.iter().zip(self.words.iter_mut()).zip(specials.iter_mut()) {
            let masks = cpu.masks(bytes);
            *special = masks.special.to_le_bytes();
            let quoted = cpu.up_to_each(masks.quote) ^ carried.inside;
            if present == u64::MAX && masks.newline & quoted == 0 {
                *word = carried.word(&masks, [quoted, u64::MAX]);
                carried.inside = spread_highest(quoted);
            } else {
                (*word, carried) = carried.in_parts(cpu, masks, present);
                present = u64::MAX;
            }
        }
        if !cut_off.is_empty() {
            let mut bytes = [0; WORD];
            bytes[..cut_off.len()].copy_from_slice(cut_off);
            let masks = cpu.masks(&bytes);
            specials[whole.len()] = masks.special.to_le_bytes();
            present &= (1 << cut_off.len()) - 1;
            (self.words[whole.len()], carried) = carried.in_parts(cpu, masks, present);
        }
        self.carried = carried;
        cpu.run(Lines { scanner: self, base, words: rest.len().div_ceil(WORD) });
        self.next += WORDS;
        Some(self.lines.len())
    }

    /// Find the lines that end in the first words, which begin at `base`.
    #[inline(always)]
    fn find_lines<C: Cpu>(&mut self, cpu: C, base: usize, words: usize) {
        let Self { words: all, ends: places, lines, .. } = self;
        let mut unfinished = self.unfinished;
        let mut base = base;
        for word in &all[..words] {
            let ends = word.ends;
            let count = ends.count_ones();
            if let Some(places) = places.get_mut(unfinished.count..).and_then(|rest| rest.first_chunk_mut()) {
                cpu.put_places(ends, base as u32, places);
            }
            let found = Fields {
                count,
                quoted: cpu.pick(word.quoted, ends),
                dashes: cpu.pick(word.dashes, ends),
                odd: cpu.pick(word.odd, ends),
                wrong: word.wrong,
            };
            if word.newline == 0 {
                unfinished.fields.add(found);
            } else {
                unfinished.finish(word, found, base, lines);
            }
            unfinished.count += count as usize;
            base += WORD;
        }
        self.unfinished = unfinished;
    }

    /// A line that was found.
    #[inline(always)]
    #[must_use]
    pub fn line(&self, number: usize) -> Option<&Found> {
        self.lines.get(number)
    }

    /// How a line is cut, if its quotes are plain.
    #[inline(always)]
    #[must_use]
    pub fn cut(&self, found: &Found) -> Option<Cut<'_>> {
        let ends = self.ends.get(found.place - 1..)?.first_chunk()?;
        let Found { fields, quoted, dashes, odd, .. } = *found;
        found.is_sound.then_some(Cut { ends, fields, quoted, dashes, odd })
    }

    /// Forget the lines but for the one that is not finished, whose ends are moved to the front.
    fn turn(&mut self) {
        self.lines.clear();
        let Unfinished { count, first, .. } = self.unfinished;
        let kept = (count - first).min(MOST_FIELDS);
        self.ends.copy_within(first - 1..first + kept, 0);
        (self.unfinished.first, self.unfinished.count) = (1, 1 + kept);
    }
}

impl Carried {
    /// The bytes of a word that are `present`, up to each newline inside of quotes: behind it, nothing is quoted.
    #[inline(never)]
    fn in_parts<C: Cpu>(mut self, cpu: C, masks: Masks, mut present: u64) -> (Word, Self) {
        let mut whole = Word::default();
        while present != 0 {
            let quoted = cpu.up_to_each(masks.quote & present) ^ self.inside;
            let broken = masks.newline & present & quoted;
            let now = if broken == 0 { present } else { present & (broken ^ (broken - 1)) };
            let only = Masks {
                space: masks.space & now,
                quote: masks.quote & now,
                newline: masks.newline & now,
                dash: masks.dash & now,
                special: masks.special & now,
            };
            let part = self.word(&only, [quoted, now]);
            whole.ends |= part.ends;
            whole.newline |= part.newline;
            whole.quoted |= part.quoted & part.ends;
            whole.dashes |= part.dashes & part.ends;
            whole.odd |= part.odd & part.ends;
            whole.bare |= part.bare;
            whole.wrong |= part.wrong & now;
            self.inside = if broken == 0 { spread_highest(quoted) } else { 0 };
            present &= !now;
        }
        (whole, self)
    }

    /// What a word tells, of which only the bytes `now` are there.
    #[inline(always)]
    fn word(&mut self, &Masks { space, quote, newline, dash, special }: &Masks, [quoted, now]: [u64; 2]) -> Word {
        let ends = (space & !quoted) | newline;
        // What is around the bytes counts as separators.
        let separator = ends | !now;
        let (opening, closing) = (quote & quoted, quote & !quoted);
        let odd = special & !(quote | newline);
        let behind_separator = (separator << 1) + self.separated;
        let behind_closing = (closing << 1) + self.closed;
        // An opening quote stands behind a separator; a closing one before, and behind neither a backslash nor another
        // byte that wants a closer look. All are closed when the line ends.
        let wrong = (opening & !behind_separator)
            | (behind_closing & !separator)
            | (closing & ((odd << 1) + self.odd))
            | (newline & quoted);
        let two_before = (dash << 2) + self.dashes;
        let before = (dash << 1) + (self.dashes >> 1);
        // The sum carries a bit of a field on to the bit that ends it.
        let (sum, over) = odd.overflowing_add(!ends);
        let (sum, over_too) = sum.overflowing_add(self.is_odd);
        *self = Self {
            inside: self.inside,
            separated: separator >> 63,
            closed: closing >> 63,
            odd: odd >> 63,
            dashes: dash >> 62,
            is_odd: u64::from(over | over_too),
        };
        Word {
            ends,
            newline,
            quoted: behind_closing,
            dashes: (two_before & behind_closing) | (before & !behind_closing),
            odd: sum,
            bare: newline & behind_separator,
            wrong,
        }
    }
}

impl Unfinished {
    /// Finish the lines whose newlines stand in a word, and begin the next.
    #[inline(always)]
    fn finish(&mut self, word: &Word, mut found: Fields, base: usize, lines: &mut Vec<Found>) {
        let (mut newline, mut before) = (word.newline, 0);
        while newline != 0 {
            let bit = newline & newline.wrapping_neg();
            let up_to = bit | (bit - 1);
            let count = (word.ends & up_to).count_ones() - before;
            self.fields.add(found.first(count, up_to));
            let line = self.fields;
            lines.push(Found {
                end: base + bit.trailing_zeros() as usize,
                place: self.first,
                fields: (line.count - u32::from(word.bare & bit != 0)) as usize,
                quoted: line.quoted,
                dashes: line.dashes,
                odd: line.odd,
                is_sound: line.wrong == 0 && line.count as usize <= MOST_FIELDS,
            });
            before += count;
            self.first = self.count + before as usize;
            found = found.behind(count, up_to);
            self.fields = Fields::default();
            newline ^= bit;
        }
        self.fields = found;
    }
}

/// The highest bit in all places.
#[inline(always)]
fn spread_highest(bits: u64) -> u64 {
    (bits.cast_signed() >> 63).cast_unsigned()
}

impl Fields {
    /// Add fields that follow.
    #[inline(always)]
    fn add(&mut self, more: Self) {
        // Bits of a line with too many fields mean nothing.
        self.quoted |= more.quoted.wrapping_shl(self.count);
        self.dashes |= more.dashes.wrapping_shl(self.count);
        self.odd |= more.odd.wrapping_shl(self.count);
        self.count += more.count;
        self.wrong |= more.wrong;
    }

    /// The first fields, one at least, which are those up to the last of these bits.
    #[inline(always)]
    fn first(self, count: u32, up_to: u64) -> Self {
        let bits = u64::MAX >> (WORD as u32 - count);
        Self {
            count,
            quoted: self.quoted & bits,
            dashes: self.dashes & bits,
            odd: self.odd & bits,
            wrong: self.wrong & up_to,
        }
    }

    /// Those behind the first.
    #[inline(always)]
    fn behind(self, count: u32, up_to: u64) -> Self {
        let shift = |bits: u64| bits >> (count - 1) >> 1;
        Self {
            count: self.count - count,
            quoted: shift(self.quoted),
            dashes: shift(self.dashes),
            odd: shift(self.odd),
            wrong: self.wrong & !up_to,
        }
    }
}
