//! Memory that is lent to Arrow arrays and comes back when nobody reads them any more. Without it each row group would
//! fetch fresh pages from the system, which costs a quarter of filling them, and leave holes between those that stay.

use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, PoisonError};

use arrow_buffer::{ArrowNativeType, Buffer, ToByteSlice};
use bytes::Bytes;

/// A vector whose values are handed to Arrow, and whose memory is used again.
#[derive(Default)]
pub struct Growing<T: ArrowNativeType> {
    values: Vec<T>,
    shelf: Shelf<T>,
}

/// Where memory waits that has come back.
type Shelf<T> = Arc<Mutex<Vec<T>>>;

impl<T: ArrowNativeType> Deref for Growing<T> {
    type Target = Vec<T>;

    #[inline(always)]
    fn deref(&self) -> &Vec<T> {
        &self.values
    }
}

impl<T: ArrowNativeType> DerefMut for Growing<T> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut Vec<T> {
        &mut self.values
    }
}

impl<T: ArrowNativeType> Growing<T> {
    /// Hand out all values; none are left.
    pub fn take(&mut self) -> Buffer {
        let values = std::mem::take(&mut self.values);
        if values.is_empty() {
            return Buffer::from_vec(values);
        }
        Buffer::from(Bytes::from_owner(Lent { values, shelf: Arc::clone(&self.shelf) }))
    }

    /// Use the memory again that has come back by now, if there are no values yet.
    pub fn reuse(&mut self) {
        if self.values.capacity() == 0 {
            self.values = std::mem::take(&mut *self.shelf.lock().unwrap_or_else(PoisonError::into_inner));
        }
    }

    /// Bytes of values. The memory that came back may be larger; it is there anyway.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.values.len() * size_of::<T>()
    }
}

struct Lent<T: ArrowNativeType> {
    values: Vec<T>,
    shelf: Shelf<T>,
}

impl<T: ArrowNativeType> AsRef<[u8]> for Lent<T> {
    fn as_ref(&self) -> &[u8] {
        self.values.as_slice().to_byte_slice()
    }
}

impl<T: ArrowNativeType> Drop for Lent<T> {
    fn drop(&mut self) {
        let mut values = std::mem::take(&mut self.values);
        values.clear();
        *self.shelf.lock().unwrap_or_else(PoisonError::into_inner) = values;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_comes_back_when_nobody_reads_it() {
        let mut growing = Growing::default();
        growing.extend([1_i64, 2, 3]);
        let place = growing.as_ptr();
        let lent = growing.take();
        growing.reuse();
        growing.push(4);
        assert_eq!(lent.typed_data::<i64>(), [1, 2, 3]);
        drop(growing.take());
        drop(lent);
        growing.reuse();
        assert!(growing.is_empty());
        assert_eq!(growing.as_ptr(), place);
    }
}
