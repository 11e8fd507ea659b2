//! Buffers: 64-byte aligned memory that returns to a pool, or a mapped file.
//!
//! Fresh pages cost more than writing to them (a page fault is about a microsecond per 4 KiB), so a
//! buffer's memory is kept for the next one of its size class. Memory is always initialized: fresh
//! blocks are zeroed, recycled ones hold old numbers.

use super::Element;
use hadal_kernels::threads::for_chunks_mut;
use memmap2::MmapMut;
use std::alloc::{Layout as Allocation, alloc_zeroed, dealloc, handle_alloc_error};
use std::ptr::NonNull;
use std::sync::{Arc, Mutex};

/// Where a tensor's bytes live.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Device {
    /// Main memory, computed on by the processor.
    #[default]
    Cpu,
}

/// The bytes behind one or more tensors.
pub struct Buffer {
    memory: Memory,
    bytes: usize,
}

enum Memory {
    /// A block of the pool.
    Block(Block),
    /// Read-only bytes owned by someone else (a memory-mapped file), from this position on.
    Mapped(Arc<dyn AsRef<[u8]> + Send + Sync>, usize),
    /// Bytes within a block that a running compiled function holds.
    Part(Part),
    /// None: a value of a function that is being traced.
    Traced(TracedId),
}

/// Where a [`Memory::Part`] starts.
struct Part(NonNull<u8>);

// SAFETY: a part is used by whoever has its buffer, as a block is.
unsafe impl Send for Part {}
// SAFETY: shared access only reads.
unsafe impl Sync for Part {}

/// Names a value that a trace will have once it is run: number `value` of trace `trace`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct TracedId {
    pub(crate) trace: u64,
    pub(crate) value: usize,
}

/// Every block is aligned to a cache line, which is also the widest vector register.
pub const ALIGNMENT: usize = 64;

/// Bytes of a file that a thread copies at once.
const COPIED_BY_A_THREAD: usize = 1 << 18;

impl Buffer {
    /// Memory for `bytes` bytes that the caller overwrites entirely; its present contents are arbitrary.
    pub fn recycled(bytes: usize) -> Buffer {
        crate::profile::allocated(bytes);
        Buffer { memory: Memory::Block(Block::take(bytes)), bytes }
    }

    /// `bytes` bytes of zeros.
    pub fn zeroed(bytes: usize) -> Buffer {
        let mut buffer = Buffer::recycled(bytes);
        buffer.bytes_mut().fill(0);
        buffer
    }

    /// A copy of `values`.
    pub fn from_slice<T: Element>(values: &[T]) -> Buffer {
        let mut buffer = Buffer::recycled(size_of_val(values));
        buffer.slice_mut().copy_from_slice(values);
        buffer
    }

    /// `bytes` bytes of `source` from `start` on, shared without a copy.
    /// `None` when they do not start on a multiple of `alignment`, or do not exist.
    fn mapped(
        source: Arc<dyn AsRef<[u8]> + Send + Sync>,
        start: usize,
        bytes: usize,
        alignment: usize,
    ) -> Option<Buffer> {
        let part = (*source).as_ref().get(start..start.checked_add(bytes)?)?;
        let aligned = part.as_ptr().addr().is_multiple_of(alignment);
        aligned.then(|| Buffer { memory: Memory::Mapped(source, start), bytes })
    }

    /// `bytes` bytes of `source` from `start` on: shared, or copied where they do not start on a multiple of `alignment`.
    ///
    /// # Panics
    /// If the bytes do not exist.
    pub fn mapped_or_copied(
        source: Arc<dyn AsRef<[u8]> + Send + Sync>,
        start: usize,
        bytes: usize,
        alignment: usize,
    ) -> Buffer {
        Buffer::mapped(source.clone(), start, bytes, alignment).unwrap_or_else(|| {
            let from = &(*source).as_ref()[start..][..bytes];
            let mut copy = Buffer::recycled(bytes);
            // On all threads: half of the time are the faults of fresh pages.
            for_chunks_mut(copy.bytes_mut(), COPIED_BY_A_THREAD, |i, to| {
                to.copy_from_slice(&from[i * COPIED_BY_A_THREAD..][..to.len()]);
            });
            copy
        })
    }

    /// The buffer of a value that is known once a trace is run.
    pub(crate) fn traced(id: TracedId, bytes: usize) -> Buffer {
        Buffer { memory: Memory::Traced(id), bytes }
    }

    /// Which value of which trace this stands for, if it does.
    pub(crate) fn traced_id(&self) -> Option<TracedId> {
        match self.memory {
            Memory::Traced(id) => Some(id),
            _ => None,
        }
    }

    /// `bytes` bytes from `start` on, in a block that somebody else holds.
    ///
    /// # Safety
    /// The bytes are initialized, aligned to [`ALIGNMENT`] or to the elements they are read as, and stay in place while
    /// the buffer is used; whoever has several buffers of the same bytes does not write through one while another is read.
    pub(crate) unsafe fn part(start: NonNull<u8>, bytes: usize) -> Buffer {
        Buffer { memory: Memory::Part(Part(start)), bytes }
    }

    /// The number of bytes.
    pub(crate) fn len(&self) -> usize {
        self.bytes
    }

    /// The device that holds the bytes.
    pub fn device(&self) -> Device {
        Device::Cpu
    }

    /// The bytes.
    #[track_caller]
    pub fn bytes(&self) -> &[u8] {
        match &self.memory {
            // SAFETY: the block is at least `bytes` long, initialized, and borrowed through `self`.
            Memory::Block(block) => unsafe { std::slice::from_raw_parts(block.start.as_ptr(), self.bytes) },
            Memory::Mapped(source, start) => &(**source).as_ref()[*start..][..self.bytes],
            // SAFETY: as `part` demands.
            Memory::Part(part) => unsafe { std::slice::from_raw_parts(part.0.as_ptr(), self.bytes) },
            Memory::Traced(_) => crate::compile::no_value("the elements"),
        }
    }

    /// The bytes, to change. A mapped file is first copied into memory.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        if let Memory::Mapped(..) = self.memory {
            let copy = Block::take(self.bytes);
            // SAFETY: the block is at least `bytes` long and cannot overlap the mapped bytes.
            unsafe { copy.start.as_ptr().copy_from_nonoverlapping(self.bytes().as_ptr(), self.bytes) };
            self.memory = Memory::Block(copy);
        }
        let start = match &self.memory {
            Memory::Block(block) => block.start,
            Memory::Part(part) => part.0,
            Memory::Mapped(..) => unreachable!("mapped memory was just copied"),
            Memory::Traced(_) => crate::compile::no_value("the elements"),
        };
        // SAFETY: as in `bytes`, and `&mut self` makes the borrow unique.
        unsafe { std::slice::from_raw_parts_mut(start.as_ptr(), self.bytes) }
    }

    /// The contents as elements of type `T`.
    #[track_caller]
    pub fn slice<T: Element>(&self) -> &[T] {
        let bytes = self.bytes();
        debug_assert!(bytes.is_empty() || bytes.as_ptr().addr().is_multiple_of(align_of::<T>()));
        // SAFETY: aligned (64 bytes, or checked in `mapped`), initialized, and valid for `T` by `Element`'s contract.
        unsafe { std::slice::from_raw_parts(bytes.as_ptr().cast(), bytes.len() / size_of::<T>()) }
    }

    /// The contents as elements of type `T`, to change.
    pub fn slice_mut<T: Element>(&mut self) -> &mut [T] {
        let bytes = self.bytes_mut();
        // SAFETY: as in `slice`; a pool block is aligned to 64 bytes.
        unsafe { std::slice::from_raw_parts_mut(bytes.as_mut_ptr().cast(), bytes.len() / size_of::<T>()) }
    }
}

/// A piece of memory of one size class; dropped, it goes back to the pool.
struct Block {
    start: NonNull<u8>,
    class: Class,
    /// The pages that it is a part of; none if it is of the heap.
    pages: Option<Arc<MmapMut>>,
}

/// From this size on, blocks are parts of pages from the system. The heap would write zeros over pages that are zero already,
/// which takes as long as the page faults, and pages that are never touched would cost as much as others.
const PAGES: usize = 1 << 17;
/// So many bytes come from the system at once, or one block that takes more than half of it. Blocks lie side by side: a huge
/// page holds several, or a part of one and the beginning of the next.
const SPAN: usize = 32 << 20;
/// A huge page, where the system has such: one fault instead of 512.
const HUGE: usize = 2 << 20;

/// Pages that blocks are cut from.
struct Span {
    pages: Arc<MmapMut>,
    /// What is not cut off yet.
    rest: NonNull<u8>,
    left: usize,
}

// SAFETY: memory without thread affinity, used by whoever has the span.
unsafe impl Send for Span {}

impl Span {
    /// Pages for a block of so many bytes, and others behind it; none where the system has no such thing. Of the first that a
    /// process gets, the beginning is not huge: many need no more than that.
    #[cfg_attr(not(target_os = "linux"), expect(unused_variables))]
    fn new(bytes: usize, first: bool) -> Option<Span> {
        let whole = if bytes > SPAN / 2 { bytes.next_multiple_of(HUGE) } else { SPAN };
        let mut pages = MmapMut::map_anon(whole).ok()?;
        #[cfg(target_os = "linux")]
        {
            let small = if first { HUGE } else { 0 };
            let _ = pages.advise_range(memmap2::Advice::HugePage, small, whole - small);
        }
        let rest = NonNull::from(&mut pages[..]).cast();
        Some(Span { pages: Arc::new(pages), rest, left: whole })
    }

    fn cut(&mut self, class: Class) -> Block {
        let start = self.rest;
        // SAFETY: the caller has seen that so much is left.
        self.rest = unsafe { start.add(class.bytes) };
        self.left -= class.bytes;
        Block { start, class, pages: Some(self.pages.clone()) }
    }
}

/// A size class: quarter steps between powers of two, so at most a fifth of a block is unused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Class {
    bytes: usize,
    /// The classes counted from the smallest.
    number: usize,
}

impl Class {
    /// The smallest that holds so many bytes.
    fn of(bytes: usize) -> Class {
        let lines = bytes.div_ceil(ALIGNMENT).max(1);
        if lines <= 8 {
            return Class { bytes: lines * ALIGNMENT, number: lines - 1 };
        }
        // Between 2^e and 2^(e + 1) lines, e at least 3, are four classes.
        let e = (lines - 1).ilog2();
        let quarter = (lines - 1) >> (e - 2);
        Class { bytes: ((quarter + 1) * ALIGNMENT) << (e - 2), number: 4 * e as usize + quarter - 8 }
    }
}

// SAFETY: a block is uniquely owned memory without thread affinity.
unsafe impl Send for Block {}
// SAFETY: shared access only reads.
unsafe impl Sync for Block {}

/// Free blocks by size class.
struct Pool {
    free: Vec<Vec<Block>>,
    held: usize,
    /// Whether there has been a span.
    spans: bool,
    span: Option<Span>,
}

/// The pool keeps at most this many free bytes; what exceeds it returns to the system.
const HELD_AT_MOST: usize = 1 << 30;

static POOL: Mutex<Pool> = Mutex::new(Pool { free: Vec::new(), held: 0, spans: false, span: None });

impl Block {
    fn take(bytes: usize) -> Block {
        let class = Class::of(bytes);
        let mut pool = POOL.lock().unwrap_or_else(|e| e.into_inner());
        if let Some(block) = pool.free.get_mut(class.number).and_then(Vec::pop) {
            pool.held -= class.bytes;
            return block;
        }
        if class.bytes >= PAGES {
            if let Some(span) = pool.span.as_mut().filter(|span| span.left >= class.bytes) {
                return span.cut(class);
            }
            if let Some(mut span) = Span::new(class.bytes, !pool.spans) {
                let block = span.cut(class);
                pool.spans = true;
                // The one that has more left is kept; what is left of the other was never touched.
                if pool.span.as_ref().is_none_or(|kept| kept.left < span.left) {
                    pool.span = Some(span);
                }
                return block;
            }
        }
        drop(pool);
        let allocation = Block::allocation(class);
        // SAFETY: the size is not zero.
        let start = NonNull::new(unsafe { alloc_zeroed(allocation) }).unwrap_or_else(|| handle_alloc_error(allocation));
        Block { start, class, pages: None }
    }

    fn allocation(class: Class) -> Allocation {
        Allocation::from_size_align(class.bytes, ALIGNMENT).expect("a tensor larger than the address space")
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        let mut pool = POOL.lock().unwrap_or_else(|e| e.into_inner());
        if pool.held + self.class.bytes <= HELD_AT_MOST {
            pool.held += self.class.bytes;
            if pool.free.len() <= self.class.number {
                pool.free.resize_with(self.class.number + 1, Vec::new);
            }
            let block = Block { start: self.start, class: self.class, pages: self.pages.take() };
            pool.free[self.class.number].push(block);
        } else if self.pages.is_none() {
            drop(pool);
            // SAFETY: allocated in `take` with this very layout, and not used again.
            unsafe { dealloc(self.start.as_ptr(), Block::allocation(self.class)) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_aligned_and_waste_little() {
        for bytes in [0, 1, 63, 64, 65, 1000, 4096, 5000, PAGES - 1, PAGES, PAGES + 1, 9 << 20, SPAN / 2 + 1] {
            let mut buffer = Buffer::recycled(bytes);
            buffer.bytes_mut().fill(7);
            assert_eq!(buffer.bytes().as_ptr().addr() % ALIGNMENT, 0);
            assert_eq!(buffer.bytes().len(), bytes);
        }
    }

    #[test]
    fn size_classes_follow_each_other() {
        let mut last = Class { bytes: 0, number: usize::MAX };
        for bytes in (0..100_000).chain([1 << 40, (1 << 40) + 1]) {
            let class = Class::of(bytes);
            assert!(class.bytes >= bytes && class.bytes <= bytes + bytes / 4 + ALIGNMENT, "{bytes} → {class:?}");
            if class != last && bytes <= 100_000 {
                assert_eq!(
                    (class.number, bytes),
                    (last.number.wrapping_add(1), last.bytes + (last.bytes > 0) as usize)
                );
                last = class;
            }
        }
    }

    #[test]
    fn mapped_bytes_are_copied_before_a_change() {
        let source: Arc<dyn AsRef<[u8]> + Send + Sync> = Arc::new(vec![1u8, 2, 3, 4]);
        let mut buffer = Buffer::mapped(source.clone(), 1, 2, 1).unwrap();
        buffer.bytes_mut()[0] = 9;
        assert_eq!(buffer.bytes(), [9, 3]);
        assert_eq!((*source).as_ref(), [1, 2, 3, 4]);
        assert!(Buffer::mapped(source, 3, 2, 1).is_none());
    }

    #[test]
    fn bytes_that_lie_askew_are_copied() {
        let bytes: Vec<u8> = (0..3 * COPIED_BY_A_THREAD).map(|i| (i % 251) as u8).collect();
        let source: Arc<dyn AsRef<[u8]> + Send + Sync> = Arc::new(bytes.clone());
        let first = (*source).as_ref().as_ptr().align_offset(4);
        for (start, shared) in [(first, true), (first + 1, false)] {
            let count = 2 * COPIED_BY_A_THREAD + 20;
            let buffer = Buffer::mapped_or_copied(source.clone(), start, count, 4);
            assert_eq!(matches!(buffer.memory, Memory::Mapped(..)), shared);
            assert!(buffer.bytes() == &bytes[start..start + count] && buffer.bytes().as_ptr().addr().is_multiple_of(4));
        }
    }
}
