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
pub type Ends = [End; MOST_FIELDS + 1];

/// Where a field ends, behind its quote: from the lowest bit on the place in its word, whether the field stands in quotes,
/// whether it is marked, and the number of the word, which is -1 before the first.
#[derive(Clone, Copy, Default)]
#[repr(transparent)]
pub struct End(u32);

impl End {
    /// The bits of the place in its word.
    pub const IN_WORD: u32 = WORD as u32 - 1;
    /// The bit of fields in quotes.
    pub const QUOTED: u32 = 1 << 6;
    /// The bit of fields that end with a dash, or hold a byte that needs more than copying.
    pub const MARKED: u32 = 1 << 7;
    /// The number of a word begins with this bit.
    pub const WORD: u32 = 8;
    /// So many bits are between it and the place.
    pub const BETWEEN: u32 = 2;
    /// Ends are told in chunks up to this size: the number of a word has its sign in the highest bit.
    pub const FURTHEST: usize = 1 << (u32::BITS - Self::BETWEEN - 1);

    /// The end at a place in a word.
    #[inline(always)]
    pub(super) fn new(word: u32, at: u32, quoted: u32, marked: u32) -> Self {
        Self((word << Self::WORD) | (marked * Self::MARKED) | (quoted * Self::QUOTED) | at)
    }

    /// The end of a line at a place in the chunk, or before its first byte.
    fn at(place: u32) -> Self {
        let word = (place.cast_signed() >> WORD.ilog2()).cast_unsigned();
        Self::new(word, place & Self::IN_WORD, 0, 0)
    }

    /// Where it stands in the chunk; before its first byte that is the last place that there is.
    #[inline(always)]
    #[must_use]
    pub fn place(self) -> u32 {
        let word = (self.0.cast_signed() >> Self::BETWEEN).cast_unsigned();
        (word & !Self::IN_WORD) | (self.0 & Self::IN_WORD)
    }

    /// Whether the field stands in quotes.
    #[must_use]
    pub fn is_quoted(self) -> bool {
        self.0 & Self::QUOTED != 0
    }

    /// Whether it ends with a dash, or holds a byte that needs more than copying.
    #[must_use]
    pub fn is_marked(self) -> bool {
        self.0 & Self::MARKED != 0
    }
}

/// The ends that stand in a word.
pub struct WordEnds {
    /// The number of the word.
    pub word: u32,
    /// Where they stand.
    pub ends: u64,
    /// Which are of fields in quotes.
    pub quoted: u64,
    /// Which are of fields that are marked.
    pub marked: u64,
}

/// A line that was found.
#[derive(Clone, Copy)]
pub struct Found {
    /// Where its newline stands.
    pub end: usize,
    /// The place of its ends.
    place: usize,
    fields: usize,
    is_sound: bool,
}

/// How a line is cut into fields. Its quotes are plain, and it has no more fields than are told of one.
#[derive(Clone, Copy)]
pub struct Cut<'a> {
    /// Where each field ends. One that is a byte long and marked is a dash.
    pub ends: &'a Ends,
    /// How many fields there are.
    pub fields: usize,
}

/// The line that is not finished.
#[derive(Clone, Copy)]
struct Unfinished {
    /// How many ends there are.
    count: usize,
    /// Where its ends begin.
    first: usize,
    /// There is something wrong with what was seen of it.
    is_wrong: bool,
}

/// Finds lines and the ends of their fields.
pub struct Scanner {
    words: Box<Words>,
    ends: Box<[End; PLACES]>,
    /// How many ends there are before each word.
    counts: Box<[u32; WORDS]>,
    /// The words in which lines end.
    ending: Box<[u8; WORDS]>,
    lines: Vec<Found>,
    unfinished: Unfinished,
    /// The next word.
    next: usize,
}

/// The lines that end in the first words.
struct Lines<'s> {
    scanner: &'s mut Scanner,
    words: usize,
}

impl Hot for Lines<'_> {
    type Output = ();

    #[inline(always)]
    fn run<C: Cpu>(self, cpu: C) {
        self.scanner.find_lines(cpu, self.words);
    }
}

impl Default for Scanner {
    fn default() -> Self {
        let ends = vec![End::default(); PLACES].into_boxed_slice();
        Self {
            words: Box::default(),
            ends: ends.try_into().unwrap_or_else(|_| unreachable!("it has that length")),
            counts: Box::new([0; WORDS]),
            ending: Box::new([0; WORDS]),
            lines: Vec::new(),
            unfinished: Unfinished::FIRST,
            next: 0,
        }
    }
}

impl Scanner {
    /// Begin with a chunk, whose first line begins at `start`.
    pub fn begin(&mut self, start: usize) {
        self.words.begin();
        self.unfinished = Unfinished::FIRST;
        self.ends[0] = End::at((start as u32).wrapping_sub(1));
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
        cpu.run(Lines { scanner: self, words });
        self.next += WORDS;
        Some(self.lines.len())
    }

    /// Find the lines that end in the first words. Where that is cannot be foretold, so nothing asks for it before all ends
    /// are written.
    #[inline(always)]
    fn find_lines<C: Cpu>(&mut self, cpu: C, words: usize) {
        let (mut count, mut ending) = (self.unfinished.count, 0);
        let (mut number, mut wrong) = (0, 0);
        for group in self.words.told(words) {
            for lane in 0..GROUP {
                let ends = group.ends[lane];
                let word = (self.next + number) as u32;
                if let Some(places) = self.ends.get_mut(count..).and_then(|rest| rest.first_chunk_mut()) {
                    let (quoted, marked) = (group.quoted[lane], group.marked[lane]);
                    cpu.put_ends(&WordEnds { word, ends, quoted, marked }, places);
                }
                self.counts[number % WORDS] = count as u32;
                self.ending[ending % WORDS] = number as u8;
                ending += usize::from(group.newline[lane] != 0);
                count += ends.count_ones() as usize;
                wrong |= group.wrong[lane];
                number += 1;
            }
        }
        let mut begin = 0;
        for place in 0..ending {
            let number = usize::from(self.ending[place % WORDS]);
            begin = self.finish(number, begin, wrong != 0);
        }
        self.unfinished.count = count;
        self.unfinished.is_wrong |= wrong != 0 && self.words.is_wrong(begin, words * WORD);
    }

    /// Finish the lines that end in a word, and begin the next, which does so behind them; the first of them begins at a
    /// place in the words.
    #[inline(always)]
    fn finish(&mut self, number: usize, mut begin: usize, may_be_wrong: bool) -> usize {
        let (ends, mut newline) = self.words.ends_of(number);
        while newline != 0 {
            let bit = newline & newline.wrapping_neg();
            let last = self.counts[number % WORDS] as usize + (ends & (bit - 1)).count_ones() as usize;
            let end = number * WORD + bit.trailing_zeros() as usize;
            let fields = last + 1 - self.unfinished.first;
            let before = self.ends.get(last.wrapping_sub(1)).map_or(0, |end| end.place());
            // A newline behind a separator ends no field.
            let place = (self.next * WORD + end) as u32;
            let is_bare = place.wrapping_sub(before) == 1;
            let is_wrong = self.unfinished.is_wrong || (may_be_wrong && self.words.is_wrong(begin, end + 1));
            self.lines.push(Found {
                end: place as usize,
                place: self.unfinished.first,
                fields: fields - usize::from(is_bare),
                is_sound: !is_wrong && fields <= MOST_FIELDS,
            });
            (self.unfinished.first, self.unfinished.is_wrong) = (last + 1, false);
            begin = end + 1;
            newline ^= bit;
        }
        begin
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
        found.is_sound.then_some(Cut { ends, fields: found.fields })
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
    /// The first line of all.
    const FIRST: Self = Self { count: 1, first: 1, is_wrong: false };
}
