//! Where the fields of all lines of a chunk end, word by word: every field that begins with a quote ends with one, and
//! there are no others. It does what cutting field by field does; it only does not wait for each.

use super::word::{GROUP, WORDS, Words};
use super::{Cpu, Hot, Mask, WORD};

/// So many fields of a line are told; one with more is cut field by field.
pub const MOST_FIELDS: usize = 64;
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
    words: Box<Words>,
    ends: Box<[u32; PLACES]>,
    lines: Vec<Found>,
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
            words: Box::default(),
            ends: vec![0; PLACES].into_boxed_slice().try_into().unwrap_or_else(|_| unreachable!("it has that length")),
            lines: Vec::new(),
            unfinished: Unfinished { fields: Fields::default(), count: 1, first: 1 },
            next: 0,
        }
    }
}

impl Scanner {
    /// Begin with a chunk, whose first line begins at `start`.
    pub fn begin(&mut self, start: usize) {
        self.words.begin();
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
        let words = rest.len().div_ceil(WORD);
        // The first word of all may begin before the first line.
        self.words.scan(cpu, rest, start.saturating_sub(base), special.words(self.next, words));
        cpu.run(Lines { scanner: self, base, words });
        self.next += WORDS;
        Some(self.lines.len())
    }

    /// Find the lines that end in the first words, which begin at `base`.
    #[inline(always)]
    fn find_lines<C: Cpu>(&mut self, cpu: C, base: usize, words: usize) {
        let Self { words: all, ends: places, lines, unfinished, .. } = self;
        // These are better in registers than where the line is finished, which is once in ten words.
        let Unfinished { mut fields, mut count, .. } = *unfinished;
        let mut base = base;
        for group in all.told(words) {
            for lane in 0..GROUP {
                let (ends, newline) = (group.ends[lane], group.newline[lane]);
                if let Some(places) = places.get_mut(count..).and_then(|rest| rest.first_chunk_mut()) {
                    cpu.put_places(ends, base as u32, places);
                }
                let found = || Fields {
                    count: ends.count_ones(),
                    quoted: cpu.pick(group.quoted[lane], ends),
                    dashes: cpu.pick(group.dashes[lane], ends),
                    odd: cpu.pick(group.odd[lane], ends),
                    wrong: group.wrong[lane],
                };
                if newline == 0 {
                    fields.add(found());
                } else {
                    (unfinished.fields, unfinished.count) = (fields, count);
                    unfinished.finish([newline, ends, group.bare[lane]], found(), base, lines);
                    fields = unfinished.fields;
                }
                count += ends.count_ones() as usize;
                base += WORD;
            }
        }
        (unfinished.fields, unfinished.count) = (fields, count);
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

impl Unfinished {
    /// Finish the lines whose newlines stand in a word, and begin the next.
    #[inline(never)]
    fn finish(&mut self, [mut newline, ends, bare]: [u64; 3], mut found: Fields, base: usize, lines: &mut Vec<Found>) {
        let mut before = 0;
        while newline != 0 {
            let bit = newline & newline.wrapping_neg();
            let up_to = bit | (bit - 1);
            let count = (ends & up_to).count_ones() - before;
            self.fields.add(found.first(count, up_to));
            let line = self.fields;
            lines.push(Found {
                end: base + bit.trailing_zeros() as usize,
                place: self.first,
                fields: (line.count - u32::from(bare & bit != 0)) as usize,
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

impl Fields {
    /// Add fields that follow.
    #[inline(always)]
    fn add(&mut self, more: Self) {
        // Bits of a line with too many fields mean nothing.
        // Where no bits meet, three operations do the same. With the same one, the compiler would work on them side by
        // side, for which it has to gather them first, which takes longer.
        self.quoted |= more.quoted.wrapping_shl(self.count);
        self.dashes ^= more.dashes.wrapping_shl(self.count);
        self.odd = self.odd.wrapping_add(more.odd.wrapping_shl(self.count));
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
