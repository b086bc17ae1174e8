//! The records of a batch as spans over the bytes they came from.
//!
//! A record's line lies in a segment: the chunk that was fed, or a copy of what stood across two chunks or was joined
//! from several lines. Values that the bytes do not hold as they are to be written (a converted time) lie in the arena.

use std::sync::Arc;

use crate::fast::{Bits, Cut, Mask, WINDOW};
use crate::pool;
use crate::spec::{Escape, LayoutAt};

/// Bytes that somebody keeps: a chunk from Python, or a copy.
pub trait Bytes: AsRef<[u8]> + Send + Sync {}
impl<T: AsRef<[u8]> + Send + Sync> Bytes for T {}

/// A piece of a segment or of the arena; absent values have a span of their own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(C)]
pub struct Span {
    start: u32,
    len: u32,
}

const ARENA: u32 = 1 << 31;

impl Span {
    /// No value.
    pub const ABSENT: Self = Self { start: 0, len: u32::MAX };

    /// `start..end` of the record's segment.
    #[inline]
    #[must_use]
    pub fn new(start: usize, end: usize) -> Self {
        Self { start: start as u32, len: (end - start) as u32 }
    }

    /// Whether there is a value.
    #[inline]
    #[must_use]
    pub fn is_present(self) -> bool {
        self.len != u32::MAX
    }

    /// Whether the bytes lie in the arena.
    #[inline]
    #[must_use]
    pub fn in_arena(self) -> bool {
        self.start & ARENA != 0
    }

    /// Where the bytes begin, in the segment or the arena.
    #[inline]
    #[must_use]
    pub fn start(self) -> usize {
        (self.start & !ARENA) as usize
    }

    /// Where the bytes begin in the segment; beyond all bytes if they lie in the arena.
    #[inline]
    #[must_use]
    pub fn place(self) -> usize {
        self.start as usize
    }

    /// How many bytes.
    #[inline]
    #[must_use]
    pub fn len(self) -> usize {
        self.len as usize
    }

    /// Whether it is a value without any bytes.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.len == 0
    }

    /// Where the bytes end.
    #[inline]
    #[must_use]
    pub fn end(self) -> usize {
        self.start() + self.len()
    }

    /// A part of the span, from the place `from` to the place `to` within it.
    #[inline]
    #[must_use]
    pub fn part(self, from: usize, to: usize) -> Self {
        Self { start: self.start + from as u32, len: (to - from) as u32 }
    }
}

/// What stands in an arena from a place on.
#[must_use]
pub fn kept(arena: &[u8], start: usize) -> Span {
    Span { start: start as u32 | ARENA, len: (arena.len() - start) as u32 }
}

/// Put bytes into an arena.
pub fn keep(arena: &mut Vec<u8>, bytes: &[u8]) -> Span {
    let start = arena.len();
    arena.extend_from_slice(bytes);
    Span { start: start as u32 | ARENA, len: bytes.len() as u32 }
}

/// Bytes with records in them.
pub struct Segment {
    /// The bytes.
    pub bytes: Box<dyn Bytes>,
    /// Where a byte needs more than copying.
    pub special: Mask,
}

/// Where a record's time comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum TimeSource {
    /// The line itself.
    #[default]
    Own,
    /// Its syslog header.
    Syslog,
    /// Nowhere: it has none.
    None,
}

/// One record.
#[derive(Clone, Debug)]
pub struct Row {
    /// Its layout.
    pub layout: LayoutAt,
    /// Its segment.
    pub segment: u32,
    /// The line as logged.
    pub text: Span,
    /// Where it begins in the item.
    pub offset: u64,
    /// How many lines it has.
    pub lines: u64,
    /// µs since 1970; of no meaning if the source is none.
    pub time: i64,
    /// Where the time comes from.
    pub time_source: TimeSource,
    /// Cut at `HAProxy`'s length limit.
    pub truncated: bool,
    /// If all its values stand in its segment: a bit for each field that holds a byte which needs more than copying.
    pub odd: Option<u64>,
    /// Its first slot; it has one for each column that its layout fills.
    pub slots: usize,
    /// Its part of the words without a column.
    pub extra: (usize, usize),
    /// Its part of the texts that did not fit.
    pub invalid: (usize, usize),
}

/// What the spans of a record stand for.
#[derive(Clone, Copy)]
pub struct View<'a> {
    /// The bytes of its segment.
    pub bytes: &'a [u8],
    /// Where one of them needs more than copying.
    special: Bits<'a>,
    /// Values that stand elsewhere.
    pub arena: &'a [u8],
}

impl<'a> View<'a> {
    /// What the spans of a line's record stand for.
    #[inline(always)]
    #[must_use]
    pub fn of(line: Line<'a>, arena: &'a [u8]) -> Self {
        Self { bytes: line.bytes, special: line.special, arena }
    }

    /// The bytes that a span lies in.
    #[inline(always)]
    #[must_use]
    pub fn source(self, span: Span) -> &'a [u8] {
        if span.in_arena() { self.arena } else { self.bytes }
    }

    /// The bytes of a span.
    #[inline(always)]
    #[must_use]
    pub fn text(self, span: Span) -> &'a [u8] {
        &self.source(span)[span.start()..span.end()]
    }

    /// Whether a span is ASCII that JSON can hold as it is, without anything to decode.
    #[inline(always)]
    #[must_use]
    pub fn is_plain(self, span: Span, escape: Escape) -> bool {
        !span.in_arena()
            && !self.special.any(span.start(), span.end())
            && (!matches!(escape, Escape::Hash | Escape::Both) || memchr::memchr(b'#', self.text(span)).is_none())
    }
}

/// The records of one batch.
pub struct Block {
    /// The block from which these records were selected: then its segments are theirs.
    pub base: Option<Arc<Block>>,
    /// The bytes they lie in.
    pub segments: Vec<Segment>,
    /// Values that are written otherwise than they stand in the bytes.
    pub arena: Vec<u8>,
    /// The records, in order.
    pub rows: Vec<Row>,
    /// The values of all records.
    pub slots: Vec<Span>,
    /// Words without a column.
    pub extra: Vec<Span>,
    /// Texts that did not fit their column.
    pub invalid: Vec<(usize, Span)>,
}

impl Default for Block {
    fn default() -> Self {
        Self {
            base: None,
            segments: Vec::new(),
            arena: Vec::new(),
            rows: pool::rows(),
            slots: pool::spans(),
            extra: Vec::new(),
            invalid: Vec::new(),
        }
    }
}

impl Block {
    /// What the spans of a record stand for.
    #[inline]
    #[must_use]
    pub fn view(&self, row: &Row) -> View<'_> {
        let segments = self.base.as_ref().map_or(&self.segments, |base| &base.segments);
        let segment = &segments[row.segment as usize];
        View { bytes: (*segment.bytes).as_ref(), special: segment.special.bits(), arena: &self.arena }
    }

    /// The line of a record that was not redacted.
    #[must_use]
    pub fn line(&self, row: &Row) -> Line<'_> {
        let View { bytes, special, .. } = self.view(row);
        Line { bytes, start: row.text.start(), end: row.text.end(), cut: None, special }
    }

    /// Forget the only record that there is.
    #[inline(always)]
    pub fn forget(&mut self) {
        self.slots.clear();
        self.arena.clear();
        self.extra.clear();
        self.invalid.clear();
    }

    /// The values of a record, one for each column of its format.
    #[inline]
    #[must_use]
    pub fn slots(&self, row: &Row, columns: usize) -> &[Span] {
        &self.slots[row.slots..row.slots + columns]
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        pool::give_rows(std::mem::take(&mut self.rows));
        pool::give_spans(std::mem::take(&mut self.slots));
        if self.base.is_some() {
            pool::give_arena(std::mem::take(&mut self.arena));
        }
        for segment in self.segments.drain(..) {
            pool::give_mask(segment.special.into_bytes());
        }
    }
}

/// A text to be read.
#[derive(Clone, Copy)]
pub struct Line<'a> {
    /// The bytes it lies in.
    pub bytes: &'a [u8],
    /// Where it begins.
    pub start: usize,
    /// Where it ends.
    pub end: usize,
    /// How it is cut into fields, if that is known.
    pub cut: Option<Cut<'a>>,
    /// Which of the bytes need more than copying.
    pub special: Bits<'a>,
}

impl<'a> Line<'a> {
    /// The text alone.
    #[inline]
    #[must_use]
    pub fn text(self) -> &'a [u8] {
        &self.bytes[self.start..self.end]
    }

    /// All of some bytes, with their mask.
    #[must_use]
    pub fn whole(bytes: &'a [u8], special: &'a Mask) -> Self {
        Self { bytes, start: 0, end: bytes.len(), cut: None, special: special.bits() }
    }

    /// The first place of a byte from `from` on, or the line's end.
    #[inline]
    #[must_use]
    pub fn next(self, byte: u8, from: usize) -> usize {
        const ONES: u64 = 0x0101_0101_0101_0101;
        // Most are near, and a call would take longer than to look at some bytes here.
        let mut at = from;
        while at < from + 32
            && let Some(eight) = self.bytes.get(at..self.end).and_then(|rest| rest.first_chunk())
        {
            let differs = u64::from_le_bytes(*eight) ^ (ONES * u64::from(byte));
            // The lowest bit that is set is that of the first zero; those above may be wrong.
            let zeros = differs.wrapping_sub(ONES) & !differs & (ONES << 7);
            if zeros != 0 {
                return at + zeros.trailing_zeros() as usize / 8;
            }
            at += 8;
        }
        let rest = self.bytes.get(at..self.end).unwrap_or_default();
        memchr::memchr(byte, rest).map_or(self.end, |place| at + place)
    }

    /// Whether the window of a text, and its length, answer a question with yes; no if it is too near to the end.
    #[inline(always)]
    pub fn asked(self, span: Span, ask: impl FnOnce(&[u8; WINDOW], usize) -> bool) -> bool {
        self.window(span.start()).is_some_and(|window| ask(window, span.len()))
    }

    /// The bytes from a place on, to be asked at once; they may go on behind the line.
    #[inline(always)]
    #[must_use]
    pub fn window(self, at: usize) -> Option<&'a [u8; WINDOW]> {
        self.bytes.get(at..)?.first_chunk()
    }
}
