//! Parts of a text that may be read further than they go: for the fields of a line that is asked once, for all of them.

use std::marker::PhantomData;

use super::{Cpu, Cut, MOST_FIELDS, Spans, WINDOW};
use crate::block::Span;

/// A short copy moves so many bytes whatever the length, which compiles to two moves.
pub const SHORT: usize = 32;
/// So much more than a part's length may be read of it.
pub const LONG: usize = 4 * SHORT;

/// A part of a text that goes on for `LONG` bytes behind it, at least.
#[derive(Clone, Copy)]
pub struct Part<'a> {
    at: *const u8,
    len: usize,
    text: PhantomData<&'a [u8]>,
}

impl<'a> Part<'a> {
    /// None if it is too near to the end of the text, or absent, or not in it.
    #[inline(always)]
    #[must_use]
    pub fn of(source: &'a [u8], span: Span) -> Option<Self> {
        let (at, len) = (span.place(), span.len());
        let is_there = at as u64 + len as u64 + LONG as u64 <= source.len() as u64;
        // SAFETY: the text goes on behind that place (asked above).
        is_there.then(|| Self { at: unsafe { source.as_ptr().add(at) }, len, text: PhantomData })
    }

    /// Where its bytes are; so much more than its length may be read there.
    #[inline(always)]
    pub(super) fn place(self) -> *const u8 {
        self.at
    }

    /// How many bytes.
    #[inline(always)]
    #[must_use]
    pub fn len(self) -> usize {
        self.len
    }

    /// Whether it has no bytes.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.len == 0
    }

    /// Its bytes.
    #[inline(always)]
    #[must_use]
    pub fn text(self) -> &'a [u8] {
        // SAFETY: a part lies in its text.
        unsafe { std::slice::from_raw_parts(self.at, self.len) }
    }

    /// Its first bytes, and maybe others behind them.
    #[inline(always)]
    #[must_use]
    pub fn window(self) -> &'a [u8; WINDOW] {
        self.windows()[0]
    }

    /// The same, and those that follow.
    #[inline(always)]
    #[must_use]
    pub fn windows(self) -> [&'a [u8; WINDOW]; 2] {
        const { assert!(2 * WINDOW <= LONG) };
        // SAFETY: the text goes on for at least so many bytes, whatever the part's length, and any bytes are an array.
        unsafe { [&*self.at.cast(), &*self.at.add(WINDOW).cast()] }
    }

    /// What stands from one place in it to another.
    #[inline(always)]
    #[must_use]
    pub fn part(self, from: usize, to: usize) -> Option<Self> {
        // SAFETY: a part of a part lies in the text, and ends no later.
        (from <= to && to <= self.len).then(|| Self { at: unsafe { self.at.add(from) }, len: to - from, ..self })
    }
}

/// The fields of a line that have a value, from the first on.
pub struct Fields<'a> {
    source: &'a [u8],
    /// Of those that are left, each lies in the source, and ends before the last `LONG` bytes.
    spans: &'a [Span; MOST_FIELDS],
    left: u64,
}

impl<'a> Fields<'a> {
    /// What a line's fields are; none if one of them is too near to the end of the text.
    #[inline(always)]
    pub fn new<C: Cpu>(
        cpu: C,
        cut: &Cut<'_>,
        source: &'a [u8],
        spans: &'a mut [Span; MOST_FIELDS],
    ) -> Option<(Spans, Self)> {
        let limit = u32::try_from(source.len()).ok()?.checked_sub(LONG as u32)?;
        let found = cpu.spans(cut, limit, spans);
        found.are_within.then_some((found, Self { source, spans, left: found.present }))
    }

    /// All spans, of which only those of fields mean something.
    #[inline(always)]
    #[must_use]
    pub fn spans(&self) -> &'a [Span; MOST_FIELDS] {
        self.spans
    }

    /// Take a field out, if it is left.
    #[inline(always)]
    pub fn remove(&mut self, field: usize) -> Option<Part<'a>> {
        let bit = 1_u64.checked_shl(field as u32)?;
        let is_left = self.left & bit != 0;
        self.left &= !bit;
        is_left.then(|| self.part(field))
    }

    /// The part of a field that was left.
    #[inline(always)]
    fn part(&self, field: usize) -> Part<'a> {
        let span = self.spans[field & (MOST_FIELDS - 1)];
        // SAFETY: this is so of all that are left.
        Part { at: unsafe { self.source.as_ptr().add(span.place()) }, len: span.len(), text: PhantomData }
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = (usize, Part<'a>);

    /// The next field, and its number.
    #[inline(always)]
    fn next(&mut self) -> Option<Self::Item> {
        if self.left == 0 {
            return None;
        }
        let field = self.left.trailing_zeros() as usize;
        self.left &= self.left - 1;
        Some((field, self.part(field)))
    }
}
