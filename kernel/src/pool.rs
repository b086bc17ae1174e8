//! Memory that is used again from batch to batch. Without it every batch would fetch fresh pages from the system, which
//! costs as much as parsing does.

use std::sync::{Mutex, PoisonError};

use crate::block::{Row, Span};

/// So many pieces are kept for the next batch, and none larger than this.
const KEPT: usize = 8;
const LARGEST: usize = 8 << 20;

static MASKS: Mutex<Vec<Vec<u8>>> = Mutex::new(Vec::new());
static TEXTS: Mutex<Vec<Vec<u8>>> = Mutex::new(Vec::new());
static SPANS: Mutex<Vec<Vec<Span>>> = Mutex::new(Vec::new());
static ARENAS: Mutex<Vec<Vec<u8>>> = Mutex::new(Vec::new());
static ROWS: Mutex<Vec<Vec<Row>>> = Mutex::new(Vec::new());

/// Memory for a mask, with bytes of no meaning in it.
#[must_use]
pub fn mask() -> Vec<u8> {
    take(&MASKS)
}

/// Memory for a text, with bytes of no meaning in it.
#[must_use]
pub fn text() -> Vec<u8> {
    take(&TEXTS)
}

/// An empty vector of spans.
#[must_use]
pub fn spans() -> Vec<Span> {
    take(&SPANS)
}

/// An empty vector of rows.
#[must_use]
pub fn rows() -> Vec<Row> {
    take(&ROWS)
}

/// An empty arena that has been large.
#[must_use]
pub fn arena() -> Vec<u8> {
    take(&ARENAS)
}

/// Give back an arena.
pub fn give_arena(mut bytes: Vec<u8>) {
    bytes.clear();
    give(&ARENAS, bytes);
}

/// Give back the memory of a mask.
pub fn give_mask(bytes: Vec<u8>) {
    give(&MASKS, bytes);
}

/// Give back the memory of a text.
pub fn give_text(bytes: Vec<u8>) {
    give(&TEXTS, bytes);
}

/// Give back spans.
pub fn give_spans(mut spans: Vec<Span>) {
    spans.clear();
    give(&SPANS, spans);
}

/// Give back rows.
pub fn give_rows(mut rows: Vec<Row>) {
    rows.clear();
    give(&ROWS, rows);
}

fn take<T>(pool: &Mutex<Vec<Vec<T>>>) -> Vec<T> {
    // A panic elsewhere leaves the pool whole: nothing in here can panic half way.
    pool.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
}

fn give<T>(pool: &Mutex<Vec<Vec<T>>>, used: Vec<T>) {
    if used.capacity() == 0 || used.capacity() * size_of::<T>() > LARGEST {
        return;
    }
    let mut pool = pool.lock().unwrap_or_else(PoisonError::into_inner);
    if pool.len() < KEPT {
        pool.push(used);
    }
}
