//! Work space: aligned buffers that each thread keeps and reuses, because a fresh page costs more than filling it.

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::cell::RefCell;
use std::ptr::NonNull;

/// A cache line, and the widest vector.
const ALIGNMENT: usize = 64;
/// A thread keeps at most this many bytes between calls.
const KEPT_BYTES: usize = 64 << 20;

/// A type for which any bytes are a value.
///
/// # Safety
/// Every bit pattern is valid, and the alignment divides 64.
pub(crate) unsafe trait Plain: Copy + Send + Sync + 'static {}
// SAFETY: numbers have no invalid bit patterns and at most 8 bytes of alignment.
unsafe impl Plain for f32 {}
// SAFETY: as above.
unsafe impl Plain for f64 {}
// SAFETY: as above.
unsafe impl Plain for u8 {}
// SAFETY: as above.
unsafe impl Plain for u32 {}
// SAFETY: as above.
unsafe impl Plain for i32 {}
// SAFETY: as above.
unsafe impl Plain for usize {}

struct Block {
    start: NonNull<u8>,
    bytes: usize,
}

impl Block {
    fn layout(bytes: usize) -> Layout {
        Layout::from_size_align(bytes, ALIGNMENT).expect("work space fits the address space")
    }

    fn new(bytes: usize) -> Self {
        let layout = Self::layout(bytes);
        // SAFETY: `bytes` is not zero (see `with`).
        let start = NonNull::new(unsafe { alloc_zeroed(layout) }).unwrap_or_else(|| handle_alloc_error(layout));
        Block { start, bytes }
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        // SAFETY: allocated by `new` with this layout.
        unsafe { dealloc(self.start.as_ptr(), Self::layout(self.bytes)) }
    }
}

thread_local! {
    static KEPT: RefCell<Vec<Block>> = const { RefCell::new(Vec::new()) };
}

/// Calls `f` with `len` elements of work space, 64-byte aligned, holding anything. Calls may nest.
pub(crate) fn with<T: Plain, R>(len: usize, f: impl FnOnce(&mut [T]) -> R) -> R {
    let bytes = (len * size_of::<T>()).next_multiple_of(4096).max(4096);
    let block = KEPT.with_borrow_mut(|kept| {
        // The smallest that fits, else a new one in place of the largest.
        let fits = kept.iter().enumerate().filter(|(_, b)| b.bytes >= bytes).min_by_key(|(_, b)| b.bytes);
        match fits.map(|(i, _)| i) {
            Some(i) => kept.swap_remove(i),
            None => Block::new(bytes),
        }
    });
    // SAFETY: the block is at least `len` elements, aligned, initialized (zeroed when allocated), any bytes are a
    // valid T, and nobody else holds it.
    let result = f(unsafe { std::slice::from_raw_parts_mut(block.start.as_ptr().cast::<T>(), len) });
    KEPT.with_borrow_mut(|kept| {
        kept.push(block);
        while kept.iter().map(|b| b.bytes).sum::<usize>() > KEPT_BYTES || kept.len() > 8 {
            let smallest = (0..kept.len()).min_by_key(|&i| kept[i].bytes).unwrap_or(0);
            kept.swap_remove(smallest);
        }
    });
    result
}

#[cfg(test)]
mod tests {
    use super::with;

    #[test]
    fn nested_spaces_do_not_overlap_and_are_reused() {
        let first = with(100, |a: &mut [f32]| {
            a.fill(1.0);
            with(1000, |b: &mut [f64]| b.fill(2.0));
            assert!(a.iter().all(|&x| x == 1.0));
            assert_eq!(a.as_ptr() as usize % 64, 0);
            a.as_ptr() as usize
        });
        let again = with(90, |a: &mut [u32]| a.as_ptr() as usize);
        assert_eq!(first, again);
    }
}
