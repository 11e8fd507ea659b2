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
    /// What the heap gave, in which `start` is the first address of a cache line.
    base: NonNull<u8>,
    start: NonNull<u8>,
    bytes: usize,
}

impl Block {
    /// Of an alignment that the heap gives to everything: then it takes large blocks from the system and leaves them as they
    /// are, where it would write zeros over zeros otherwise.
    fn layout(bytes: usize) -> Layout {
        Layout::from_size_align(bytes + ALIGNMENT, 16).expect("work space fits the address space")
    }

    fn new(bytes: usize) -> Self {
        let layout = Self::layout(bytes);
        // SAFETY: the size is not zero.
        let base = NonNull::new(unsafe { alloc_zeroed(layout) }).unwrap_or_else(|| handle_alloc_error(layout));
        // SAFETY: less than `ALIGNMENT`, by which the block is larger.
        let start = unsafe { base.add(base.align_offset(ALIGNMENT)) };
        huge_pages(start, bytes);
        Block { base, start, bytes }
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        // SAFETY: allocated by `new` with this layout.
        unsafe { dealloc(self.base.as_ptr(), Self::layout(self.bytes)) }
    }
}

/// Asks the system for huge pages where a whole one or more fit: one fault for 2 MiB instead of 512.
#[cfg(target_os = "linux")]
fn huge_pages(start: NonNull<u8>, bytes: usize) {
    const HUGE: usize = 2 << 20;
    unsafe extern "C" {
        fn madvise(start: *mut std::ffi::c_void, bytes: usize, advice: std::ffi::c_int) -> std::ffi::c_int;
    }
    const MADV_HUGEPAGE: std::ffi::c_int = 14;
    let skipped = start.align_offset(HUGE);
    let whole = bytes.saturating_sub(skipped) / HUGE * HUGE;
    if whole > 0 {
        // SAFETY: these bytes are within the block, and the advice changes none of them. If it is refused, nothing is lost.
        unsafe { madvise(start.as_ptr().add(skipped).cast(), whole, MADV_HUGEPAGE) };
    }
}

#[cfg(not(target_os = "linux"))]
fn huge_pages(_: NonNull<u8>, _: usize) {}

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
