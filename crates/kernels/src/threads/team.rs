//! The wake, claim, finish and park protocol of the pool, model-checked with loom (`tests/loom.rs`).
//!
//! Every worker owns a mailbox with one state word. The caller posts a job by swapping in `POSTED`; the worker takes
//! it (`POSTED → RUNNING`) and gives the word back when it finds no more task (`RUNNING → IDLE`). A caller that has
//! run out of tasks takes back what nobody has taken yet (`POSTED → IDLE`), so a sleeping worker never delays a job
//! that the others have finished. Both sides spin for a bounded time, then say so in the word and park
//! (`IDLE → PARKED`, `RUNNING → AWAITED`); whoever replaces such a word unparks the other side.
//!
//! The job lives on the caller's stack: it is valid while any mailbox is `RUNNING` or `AWAITED`, and the caller does
//! not return before none is.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};

use super::sync::{Arc, AtomicU32, AtomicUsize, JoinHandle, Mutex, Thread, UnsafeCell, current, park, spawn, spin};

/// The worker looks for work.
const IDLE: u32 = 0;
/// The worker sleeps, or is about to.
const PARKED: u32 = 1;
/// A job is in the mailbox and nobody works on it.
const POSTED: u32 = 2;
/// The worker works on the job.
const RUNNING: u32 = 3;
/// The worker works on the job and the caller sleeps until it is done.
const AWAITED: u32 = 4;
/// The team is dissolved.
const EXIT: u32 = 5;

type Panic = Box<dyn Any + Send>;

/// The most shares of a job; threads beyond so many begin with another's.
const SHARES: usize = 8;

/// Neighbouring tasks, claimed one by one; alone on its cache lines.
#[repr(align(128))]
struct Share {
    next: AtomicUsize,
    end: usize,
}

/// Numbered tasks. Every thread has a share of neighbouring ones and helps with the others' when its own is done, so
/// that a job of one shape, done again, finds most of its data in the cache of the core that worked on it before.
pub(super) struct Job<'a> {
    task: &'a (dyn Fn(usize) + Sync),
    shares: [Share; SHARES],
    /// How many of the shares have tasks.
    used: usize,
    first_panic: Mutex<Option<Panic>>,
    caller: Thread,
}

impl<'a> Job<'a> {
    /// In equal shares for so many threads.
    pub(super) fn new(threads: usize, tasks: usize, task: &'a (dyn Fn(usize) + Sync)) -> Self {
        let used = threads.clamp(1, SHARES);
        let start = |share: usize| share.min(used) * tasks / used;
        let share = |i: usize| Share { next: AtomicUsize::new(start(i)), end: start(i + 1) };
        Job { task, shares: std::array::from_fn(share), used, first_panic: Mutex::new(None), caller: current() }
    }

    /// Claims and runs tasks until none is left, those of thread `number` (the caller is 0) first.
    fn work(&self, number: usize) {
        while let Err(panic) = catch_unwind(AssertUnwindSafe(|| {
            for i in 0..self.used {
                let share = &self.shares[(number + i) % self.used];
                loop {
                    // Relaxed: the task itself was published by the mailbox; the counter only has to be unique.
                    let index = share.next.fetch_add(1, Relaxed);
                    if index >= share.end {
                        break;
                    }
                    (self.task)(index);
                }
            }
        })) {
            self.first_panic.lock().unwrap().get_or_insert(panic);
        }
    }

    fn outcome(&self) -> Result<(), Panic> {
        self.first_panic.lock().unwrap().take().map_or(Ok(()), Err)
    }

    /// Runs all tasks on this thread.
    pub(super) fn run_alone(&self) -> Result<(), Panic> {
        self.work(0);
        self.outcome()
    }
}

/// One worker's side of the protocol, alone on its cache lines.
#[repr(align(128))]
struct Mailbox {
    state: AtomicU32,
    may_spin: AtomicU32,
    job: UnsafeCell<*const Job<'static>>,
}

// SAFETY: the job pointer is written by the caller only while no worker may read it (the state is IDLE or PARKED) and
// read by the worker only after it has taken POSTED; the state word orders the two.
unsafe impl Send for Mailbox {}
// SAFETY: as above.
unsafe impl Sync for Mailbox {}

impl Mailbox {
    fn swap_state(&self, from: u32, to: u32) -> bool {
        self.state.compare_exchange(from, to, AcqRel, Acquire).is_ok()
    }

    fn state_is(&self, state: u32) -> bool {
        self.state.load(Acquire) == state
    }

    /// The life of worker `number`, counted from 1.
    fn serve(&self, number: usize) {
        loop {
            let called = || self.state_is(POSTED) || self.state_is(EXIT);
            if !spin(called, self.may_spin.load(Relaxed) != 0) && self.swap_state(IDLE, PARKED) {
                while self.state_is(PARKED) {
                    park();
                }
            }
            if self.state_is(EXIT) {
                return;
            }
            if self.swap_state(POSTED, RUNNING) {
                // SAFETY: the caller wrote the pointer before it posted, and keeps the job alive while this is RUNNING.
                let job = unsafe { &*self.job.with(|job| *job) };
                job.work(number);
                if !self.swap_state(RUNNING, IDLE) {
                    // AWAITED: the caller still waits, so the job is valid until the next line says otherwise.
                    let caller = job.caller.clone();
                    self.state.store(IDLE, Release);
                    caller.unpark();
                }
            }
        }
    }

    /// Waits until the worker no longer looks at the job.
    fn finish(&self, may_spin: bool) {
        if self.swap_state(POSTED, IDLE) {
            return;
        }
        if !spin(|| !self.state_is(RUNNING), may_spin) && self.swap_state(RUNNING, AWAITED) {
            while self.state_is(AWAITED) {
                park();
            }
        }
    }
}

struct Worker {
    mailbox: Arc<Mailbox>,
    thread: Option<JoinHandle<()>>,
}

/// The workers of one pool.
pub(super) struct Team {
    workers: Vec<Worker>,
    may_spin: bool,
}

impl Team {
    pub(super) const fn new() -> Self {
        Team { workers: Vec::new(), may_spin: true }
    }

    /// Starts workers until there are `size` (or the system refuses); each calls `before` first.
    pub(super) fn grow(&mut self, size: usize, before: impl Fn() + Clone + Send + 'static) {
        while self.workers.len() < size {
            let mailbox = Arc::new(Mailbox {
                state: AtomicU32::new(IDLE),
                may_spin: AtomicU32::new(self.may_spin.into()),
                job: UnsafeCell::new(std::ptr::null()),
            });
            let (theirs, before, number) = (mailbox.clone(), before.clone(), self.workers.len() + 1);
            let thread = spawn(number, move || {
                before();
                theirs.serve(number);
            });
            if thread.is_none() {
                return;
            }
            self.workers.push(Worker { mailbox, thread });
        }
    }

    /// Whether waiting threads may spin before they park.
    pub(super) fn set_spin(&mut self, may_spin: bool) {
        if self.may_spin != may_spin {
            self.may_spin = may_spin;
            self.workers.iter().for_each(|w| w.mailbox.may_spin.store(may_spin.into(), Relaxed));
        }
    }

    /// Runs the job on this thread and up to `helpers` workers; returns when all its tasks are done.
    pub(super) fn run(&mut self, helpers: usize, job: &Job) -> Result<(), Panic> {
        let helpers = &self.workers[..helpers.min(self.workers.len())];
        for worker in helpers {
            let job = std::ptr::from_ref(job).cast::<Job<'static>>();
            // SAFETY: the mailbox is IDLE or PARKED (`finish` of the last job), so its worker does not read the pointer.
            worker.mailbox.job.with_mut(|slot| unsafe { *slot = job });
            if worker.mailbox.state.swap(POSTED, AcqRel) == PARKED {
                worker.unpark();
            }
        }
        job.work(0);
        for worker in helpers {
            worker.mailbox.finish(self.may_spin);
        }
        job.outcome()
    }
}

impl Worker {
    fn unpark(&self) {
        if let Some(thread) = &self.thread {
            thread.thread().unpark();
        }
    }
}

impl Drop for Team {
    fn drop(&mut self) {
        for worker in &mut self.workers {
            worker.mailbox.state.swap(EXIT, AcqRel);
            worker.unpark();
            if let Some(thread) = worker.thread.take() {
                thread.join().expect("a worker catches the panics of its tasks");
            }
        }
    }
}
