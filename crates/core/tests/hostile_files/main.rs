//! Files that lie: each gives one clear error, allocates little, and never panics.

mod damage;
mod npy_files;
mod pickles;
mod safetensors_files;
mod zip_files;

use hadal_core::Result;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// Counts the bytes that each thread asks for.
struct Counting;

thread_local! {
    static ALLOCATED: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: every call is passed on to the system's allocator unchanged; the counter is a constant-initialized
// thread-local without a destructor, so touching it neither allocates nor runs after its end.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATED.set(ALLOCATED.get() + layout.size());
        // SAFETY: the caller's promises are the system allocator's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        ALLOCATED.set(ALLOCATED.get() + layout.size());
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, start: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(start, layout) }
    }

    unsafe fn realloc(&self, start: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATED.set(ALLOCATED.get() + size);
        // SAFETY: as above.
        unsafe { System.realloc(start, layout, size) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// The result of `f` and all the bytes it ever asked for, freed or not.
fn counted<T>(f: impl FnOnce() -> T) -> (T, usize) {
    let before = ALLOCATED.get();
    let result = f();
    (result, ALLOCATED.get() - before)
}

/// The message of a refusal. All that was allocated on the way, growing vectors counted at every size they
/// had, is at most 128 times the file's bytes (a byte of a pickle can make a list) and 256 KiB (the windows of deflate).
#[track_caller]
fn refusal<T>(read: fn(Vec<u8>) -> Result<T>, bytes: Vec<u8>) -> String {
    let length = bytes.len();
    let (result, allocated) = counted(|| read(bytes));
    assert!(allocated <= 128 * length + (1 << 18), "{allocated} bytes for a file of {length}");
    result.err().expect("the file is refused").to_string()
}
