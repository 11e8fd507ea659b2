//! The fork-join pool. What is summed is split by shape only, so results do not depend on the number of threads; cuts
//! between elements that are computed by themselves may follow it.
//!
//! Each thread, the calling one included, works through a share of neighbouring tasks and then helps with the others'.
//! Idle workers spin for about [`SPIN`] before they park, so a fork costs well under a microsecond inside a training
//! step and an idle program costs nothing. Calls from inside a task, and calls while another OS thread is using the pool, run inline: there is
//! nothing to wait for and nothing to deadlock on.

mod sync;
mod team;

use std::any::Any;
use std::cell::Cell;
use std::ops::Range;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock, TryLockError};

pub use sync::SPIN;
use team::{Job, Team};

/// More threads than this is a mistake in a configuration, not a machine.
const MOST_THREADS: usize = 1024;

/// The wish of [`set_threads`]; zero until it is called.
static WISH: AtomicUsize = AtomicUsize::new(0);
static TEAM: Mutex<Team> = Mutex::new(Team::new());

thread_local! {
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

/// Sets the number of threads that take part in parallel work, the calling one included.
///
/// It may be called at any time; the pool grows when the threads are first needed. Zero restores the default.
pub fn set_threads(n: usize) {
    WISH.store(n.min(MOST_THREADS), Ordering::Relaxed);
}

/// The number of threads that take part in parallel work: what [`set_threads`] asked for, else the environment
/// variable `HADAL_THREADS`, else what the machine offers.
pub fn threads() -> usize {
    match WISH.load(Ordering::Relaxed) {
        0 => default_threads(),
        n => n,
    }
}

/// Tasks that a job is cut into at most, where nothing in its results can show the cut: two for each thread, so that one
/// that is late is helped by the others, and as many as a small machine can need.
pub(crate) fn most_tasks() -> usize {
    (2 * threads()).max(16)
}

fn default_threads() -> usize {
    static DEFAULT: OnceLock<usize> = OnceLock::new();
    *DEFAULT.get_or_init(|| {
        let asked = std::env::var("HADAL_THREADS").ok().and_then(|text| text.trim().parse::<usize>().ok());
        asked.filter(|&n| n > 0).unwrap_or_else(cores).min(MOST_THREADS)
    })
}

/// What the machine offers this process.
fn cores() -> usize {
    static CORES: OnceLock<usize> = OnceLock::new();
    *CORES.get_or_init(|| std::thread::available_parallelism().map_or(1, |n| n.get()))
}

/// Runs `task(0) … task(tasks - 1)`, each exactly once, on the pool; returns when all are done.
///
/// # Panics
/// If a task panics, the other tasks still run, then the (first) panic continues in the caller.
pub fn parallel_for(tasks: usize, task: impl Fn(usize) + Sync) {
    if let Err(payload) = fork(tasks, &task) {
        resume_unwind(payload);
    }
}

fn fork(tasks: usize, task: &(dyn Fn(usize) + Sync)) -> Result<(), Box<dyn Any + Send>> {
    if tasks <= 1 {
        (0..tasks).for_each(task);
        return Ok(());
    }
    let threads = threads();
    if threads == 1 || INSIDE.get() {
        return Job::new(1, tasks, task).run_alone();
    }
    let mut team = match TEAM.try_lock() {
        Ok(team) => team,
        Err(TryLockError::Poisoned(team)) => team.into_inner(),
        Err(TryLockError::WouldBlock) => return Job::new(1, tasks, task).run_alone(),
    };
    let helpers = threads.min(tasks) - 1;
    // Spinning helps only while every thread has a core of its own.
    team.grow(helpers, || INSIDE.set(true));
    team.set_spin(threads <= cores());
    INSIDE.set(true);
    let result = team.run(helpers, &Job::new(helpers + 1, tasks, task));
    INSIDE.set(false);
    result
}

/// Splits `0..len` into ranges of `chunk` (the last may be shorter) and runs `f` on each, in parallel.
///
/// The ranges depend on the arguments only. With one range, `f` runs on the calling thread.
pub fn for_chunks(len: usize, chunk: usize, f: impl Fn(Range<usize>) + Sync) {
    let chunk = chunk.max(1);
    parallel_for(len.div_ceil(chunk), |i| f(i * chunk..len.min((i + 1) * chunk)));
}

/// Splits `data` into chunks of `chunk` elements (the last may be shorter) and runs `f(index, chunk)` on each, in
/// parallel.
pub fn for_chunks_mut<T: Send>(data: &mut [T], chunk: usize, f: impl Fn(usize, &mut [T]) + Sync) {
    let shared = SharedMut::new(data);
    for_chunks(shared.len(), chunk, |range| {
        let index = range.start / chunk.max(1);
        // SAFETY: for_chunks hands out each range once, and its ranges do not overlap.
        f(index, unsafe { shared.range(range) });
    });
}

/// As [`for_chunks_mut`] for several slices of one length: `f(range, parts)` gets the same range of each.
///
/// # Panics
/// If the slices differ in length.
pub fn for_chunks_of_all<T: Send, const N: usize>(
    slices: [&mut [T]; N],
    chunk: usize,
    f: impl Fn(Range<usize>, [&mut [T]; N]) + Sync,
) {
    let shared = slices.map(SharedMut::new);
    let len = shared.first().map_or(0, SharedMut::len);
    assert!(shared.iter().all(|s| s.len() == len), "slices of different lengths");
    for_chunks(len, chunk, |range| {
        // SAFETY: for_chunks hands out each range once, its ranges do not overlap, and neither do the slices.
        f(range.clone(), std::array::from_fn(|i| unsafe { shared[i].range(range.clone()) }));
    });
}

/// A mutable slice whose disjoint parts may be written by several tasks.
pub(crate) struct SharedMut<'a, T> {
    data: *mut T,
    len: usize,
    lifetime: std::marker::PhantomData<&'a mut [T]>,
}

// SAFETY: it only hands out exclusive parts (the contract of `range`), so sharing it is sending those parts.
unsafe impl<T: Send> Sync for SharedMut<'_, T> {}

impl<'a, T> SharedMut<'a, T> {
    pub(crate) fn new(data: &'a mut [T]) -> Self {
        SharedMut { data: data.as_mut_ptr(), len: data.len(), lifetime: std::marker::PhantomData }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Where the slice begins; writing through it follows the contract of `range`.
    pub(crate) fn pointer(&self) -> *mut T {
        self.data
    }

    /// The part `range`.
    ///
    /// # Safety
    /// No two live parts may overlap.
    #[allow(clippy::mut_from_ref)]
    pub(crate) unsafe fn range(&self, range: Range<usize>) -> &mut [T] {
        assert!(range.start <= range.end && range.end <= self.len, "{range:?} of {}", self.len);
        // SAFETY: the range lies inside the slice, and the caller promises that it is the only live part there.
        unsafe { std::slice::from_raw_parts_mut(self.data.add(range.start), range.len()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicU64;

    #[test]
    fn every_index_runs_once_for_any_number_of_threads() {
        for n in [1, 2, 3, 8] {
            set_threads(n);
            for tasks in [0, 1, 2, 3, 17, 500] {
                let hits: Vec<AtomicUsize> = (0..tasks).map(|_| AtomicUsize::new(0)).collect();
                parallel_for(tasks, |i| {
                    hits[i].fetch_add(1, Ordering::Relaxed);
                });
                assert!(hits.iter().all(|h| h.load(Ordering::Relaxed) == 1), "{n} threads, {tasks} tasks");
            }
        }
        set_threads(0);
    }

    #[test]
    fn nested_calls_run_inline() {
        set_threads(2);
        let sum = AtomicU64::new(0);
        parallel_for(4, |i| {
            let me = std::thread::current().id();
            parallel_for(5, |j| {
                assert_eq!(std::thread::current().id(), me);
                sum.fetch_add((i * 5 + j) as u64, Ordering::Relaxed);
            });
        });
        assert_eq!(sum.into_inner(), (0..20).sum());
    }

    #[test]
    fn a_panic_reaches_the_caller_after_all_tasks_and_the_pool_survives() {
        set_threads(2);
        for _ in 0..3 {
            let done = AtomicUsize::new(0);
            let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                parallel_for(8, |i| {
                    if i == 3 {
                        std::panic::resume_unwind(Box::new("task 3"));
                    }
                    done.fetch_add(1, Ordering::Relaxed);
                })
            }));
            assert_eq!(*caught.unwrap_err().downcast::<&str>().unwrap(), "task 3");
            assert_eq!(done.into_inner(), 7);
        }
    }

    #[test]
    fn several_os_threads_may_call_at_once() {
        set_threads(2);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..200 {
                        let sum = AtomicUsize::new(0);
                        parallel_for(10, |i| {
                            sum.fetch_add(i, Ordering::Relaxed);
                        });
                        assert_eq!(sum.into_inner(), 45);
                    }
                });
            }
        });
    }

    #[test]
    fn chunks_cover_the_slice_in_order() {
        let mut data = vec![0usize; 103];
        for_chunks_mut(&mut data, 10, |index, chunk| {
            assert_eq!(chunk.len(), if index == 10 { 3 } else { 10 });
            chunk.fill(index);
        });
        assert!(data.iter().enumerate().all(|(i, &v)| v == i / 10));
        for_chunks_mut(&mut [0u8; 0], 4, |_, _| panic!("no chunk in an empty slice"));
        let (mut a, mut b) = ([0usize; 25], [1usize; 25]);
        for_chunks_of_all([&mut a, &mut b], 10, |range, [a, b]| {
            range.zip(a).zip(b).for_each(|((i, a), b)| (*a, *b) = (i, *b + i));
        });
        assert!(a.iter().zip(&b).enumerate().all(|(i, (a, b))| (*a, *b) == (i, i + 1)));
    }
}
