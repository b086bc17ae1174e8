//! Where the fields of all lines of a chunk end, word by word: every field that begins with a quote ends with one, and
//! there are no others. It does what cutting field by field does; it only does not wait for each.

use super::{Cpu, Mask, Masks, WORD};

/// So many fields of a line are told; one with more is cut field by field.
pub const MOST_FIELDS: usize = 64;
/// Words that are scanned at once: what is found in them stays in the nearest cache.
const WORDS: usize = 256;
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
    /// The field that is not finished holds an odd byte.
    is_odd: bool,
    /// What is known of the unfinished line's fields.
    line: Fields,
    /// How many ends there are.
    count: usize,
    /// Where the ends of the unfinished line begin.
    first: usize,
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

/// Finds lines and the ends of their fields.
pub struct Scanner {
    masks: Box<[Masks; WORDS]>,
    ends: Box<[u32; PLACES]>,
    lines: Vec<Found>,
    carried: Carried,
    /// The next word.
    word: usize,
}

impl Default for Scanner {
    fn default() -> Self {
        let ends = vec![0; PLACES].into_boxed_slice().try_into().unwrap_or_else(|_| Box::new([0; PLACES]));
        let masks = Box::new([Masks::default(); WORDS]);
        Self { masks, ends, lines: Vec::new(), carried: Carried::default(), word: 0 }
    }
}

impl Scanner {
    /// Begin with a chunk, whose first line begins at `start`.
    pub fn begin(&mut self, start: usize) {
        self.carried = Carried { separated: 1, count: 1, first: 1, ..Carried::default() };
        self.ends[0] = (start as u32).wrapping_sub(1);
        self.word = start / WORD;
        self.lines.clear();
    }

    /// Find the lines that end in the next words of `start..bytes.len()`; tells how many there are. The next call finds
    /// the next ones, and forgets these. None if nothing is left.
    #[inline(always)]
    pub fn next<C: Cpu>(&mut self, cpu: C, bytes: &[u8], start: usize, special: &mut Mask) -> Option<usize> {
        let base = self.word * WORD;
        let rest = bytes.get(base..).filter(|rest| !rest.is_empty())?;
        self.turn();
        let rest = &rest[..rest.len().min(WORDS * WORD)];
        let (whole, cut_off) = rest.as_chunks::<WORD>();
        for ((number, word), masks) in whole.iter().enumerate().zip(self.masks.iter_mut()) {
            *masks = cpu.masks(word);
            special.set(self.word + number, masks.special);
        }
        let Self { masks, ends, lines, .. } = self;
        let mut group = Group { ends, lines };
        let mut carried = self.carried;
        for (number, masks) in masks[..whole.len()].iter().enumerate() {
            let at = base + number * WORD;
            let quoted = cpu.up_to_each(masks.quote) ^ carried.inside;
            if masks.newline & quoted == 0 && at >= start {
                group.part(cpu, &mut carried, masks, [quoted, u64::MAX], at);
                carried.inside = spread_highest(quoted);
            } else {
                carried = group.parts(cpu, carried, *masks, u64::MAX << start.saturating_sub(at), at);
            }
        }
        if !cut_off.is_empty() {
            let mut word = [0; WORD];
            word[..cut_off.len()].copy_from_slice(cut_off);
            let (masks, at) = (cpu.masks(&word), base + whole.len() * WORD);
            special.set(at / WORD, masks.special);
            let present = ((1 << cut_off.len()) - 1) & u64::MAX << start.saturating_sub(at);
            carried = group.parts(cpu, carried, masks, present, at);
        }
        self.carried = carried;
        self.word += WORDS;
        Some(self.lines.len())
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
        let Carried { count, first, .. } = self.carried;
        let kept = (count - first).min(MOST_FIELDS);
        self.ends.copy_within(first - 1..first + kept, 0);
        (self.carried.first, self.carried.count) = (1, 1 + kept);
    }
}

/// Where it is put what the words tell that are scanned at once.
struct Group<'s> {
    ends: &'s mut [u32; PLACES],
    lines: &'s mut Vec<Found>,
}

impl Group<'_> {
    /// The bytes of a word that are `present`, up to each newline inside of quotes: behind it, nothing is quoted.
    #[inline(never)]
    fn parts<C: Cpu>(&mut self, cpu: C, mut carried: Carried, masks: Masks, mut present: u64, base: usize) -> Carried {
        while present != 0 {
            let quoted = cpu.up_to_each(masks.quote & present) ^ carried.inside;
            let broken = masks.newline & present & quoted;
            let now = if broken == 0 { present } else { present & (broken ^ (broken - 1)) };
            let only = Masks {
                space: masks.space & now,
                quote: masks.quote & now,
                newline: masks.newline & now,
                dash: masks.dash & now,
                special: masks.special & now,
            };
            self.part(cpu, &mut carried, &only, [quoted, now], base);
            carried.inside = if broken == 0 { spread_highest(quoted) } else { 0 };
            present &= !now;
        }
        carried
    }

    /// What stands in a word, of which only the bytes `now` are there.
    #[inline(always)]
    fn part<C: Cpu>(
        &mut self,
        cpu: C,
        carried: &mut Carried,
        &Masks { space, quote, newline, dash, special }: &Masks,
        [quoted, now]: [u64; 2],
        base: usize,
    ) {
        let ends = (space & !quoted) | newline;
        // What is around the bytes counts as separators.
        let separator = ends | !now;
        let (opening, closing) = (quote & quoted, quote & !quoted);
        let odd = special & !(quote | newline);
        let behind_separator = (separator << 1) + carried.separated;
        let behind_closing = (closing << 1) + carried.closed;
        // An opening quote stands behind a separator; a closing one before, and behind neither a backslash nor another
        // byte that wants a closer look. All are closed when the line ends.
        let wrong = (opening & !behind_separator)
            | (behind_closing & !separator)
            | (closing & ((odd << 1) + carried.odd))
            | (newline & quoted);
        let two_before = (dash << 2) + carried.dashes;
        let before = (dash << 1) + (carried.dashes >> 1);
        let dash_at_end = (two_before & behind_closing) | (before & !behind_closing);
        // The sum carries a bit of a field on to the bit that ends it.
        let (sum, over) = odd.overflowing_add(!ends);
        let (sum, over_too) = sum.overflowing_add(u64::from(carried.is_odd));
        if let Some(places) = self.ends.get_mut(carried.count..).and_then(|rest| rest.first_chunk_mut()) {
            cpu.put_places(ends, base as u32, places);
        }
        let found = Fields {
            count: ends.count_ones(),
            quoted: cpu.pick(behind_closing, ends),
            dashes: cpu.pick(dash_at_end, ends),
            odd: cpu.pick(sum, ends),
            wrong,
        };
        carried.separated = separator >> 63;
        carried.closed = closing >> 63;
        carried.odd = odd >> 63;
        carried.dashes = dash >> 62;
        carried.is_odd = over | over_too;
        if newline == 0 {
            carried.line.add(found);
        } else {
            self.finish_lines(carried, found, [newline, ends, behind_separator], base);
        }
        carried.count += found.count as usize;
    }

    /// Finish the lines whose newlines are here, and begin the next.
    #[inline(always)]
    fn finish_lines(
        &mut self,
        carried: &mut Carried,
        mut found: Fields,
        [mut newline, ends, behind_separator]: [u64; 3],
        base: usize,
    ) {
        let mut before = 0;
        while newline != 0 {
            let bit = newline & newline.wrapping_neg();
            let up_to = bit | (bit - 1);
            let count = (ends & up_to).count_ones() - before;
            carried.line.add(found.first(count, up_to));
            let line = carried.line;
            // Behind a separator the newline ends no field.
            let fields = line.count - u32::from(behind_separator & bit != 0);
            self.lines.push(Found {
                end: base + bit.trailing_zeros() as usize,
                place: carried.first,
                fields: fields as usize,
                quoted: line.quoted,
                dashes: line.dashes,
                odd: line.odd,
                is_sound: line.wrong == 0 && line.count as usize <= MOST_FIELDS,
            });
            before += count;
            carried.first = carried.count + before as usize;
            found = found.behind(count, up_to);
            carried.line = Fields::default();
            newline ^= bit;
        }
        carried.line = found;
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
        self.count = self.count.saturating_add(more.count);
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
