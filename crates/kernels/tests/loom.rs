//! The pool's protocol under loom: the interleavings of wake, claim, finish and park with up to three forced switches,
//! with one and two workers.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p hadal-kernels --release --test loom`
#![cfg(loom)]

/// Loom's instead of `src/threads/sync.rs`: spinning is one look, so that parking is explored as often as not.
mod sync {
    pub(super) use loom::cell::UnsafeCell;
    pub(super) use loom::sync::atomic::{AtomicU32, AtomicUsize};
    pub(super) use loom::sync::{Arc, Mutex};
    pub(super) use loom::thread::{JoinHandle, Thread, current, park};

    pub(super) fn spin(ready: impl Fn() -> bool, _may_spin: bool) -> bool {
        ready()
    }

    pub(super) fn spawn(_index: usize, body: impl FnOnce() + 'static) -> Option<JoinHandle<()>> {
        Some(loom::thread::spawn(body))
    }
}

#[allow(dead_code)] // what only the global pool uses
#[path = "../src/threads/team.rs"]
mod team;

use loom::cell::UnsafeCell;
use team::{Job, Team};

/// Runs `jobs` jobs of `tasks` tasks; each task writes a cell of its own, which the caller then reads. Loom fails if a
/// task runs twice or not at all, if a write is not visible to the caller, or if anyone sleeps for ever.
fn explore(workers: usize, jobs: usize, tasks: usize, preemptions: usize) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(preemptions);
    model.check(move || {
        let mut team = Team::new();
        team.grow(workers, || {});
        for _ in 0..jobs {
            let cells: Vec<_> = (0..tasks).map(|_| UnsafeCell::new(0)).collect();
            let cells = Shared(cells);
            let shared = &cells;
            // SAFETY: a claimed index is unique; loom checks that.
            let task = move |i: usize| shared.0[i].with_mut(|cell| unsafe { *cell += 1 });
            assert!(team.run(workers, &Job::new(workers + 1, tasks, &task)).is_ok());
            // SAFETY: all tasks are done; loom checks that.
            assert!(cells.0.iter().all(|cell| cell.with(|cell| unsafe { *cell }) == 1));
        }
    });
}

struct Shared(Vec<UnsafeCell<u32>>);
// SAFETY: what the test is about; loom checks every access.
unsafe impl Sync for Shared {}

#[test]
fn one_worker_two_jobs() {
    explore(1, 2, 2, 3);
}

#[test]
fn one_worker_three_jobs() {
    explore(1, 3, 1, 3);
}

#[test]
fn two_workers() {
    explore(2, 1, 3, 3);
}

#[test]
fn two_workers_two_jobs() {
    explore(2, 2, 2, 2);
}

#[test]
fn a_panic_is_an_outcome() {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(2);
    model.check(|| {
        let mut team = Team::new();
        team.grow(1, || {});
        let task = |i: usize| {
            if i == 1 {
                std::panic::resume_unwind(Box::new("task 1"))
            }
        };
        let panic = team.run(1, &Job::new(2, 2, &task)).unwrap_err();
        assert_eq!(*panic.downcast::<&str>().unwrap(), "task 1");
        assert!(team.run(1, &Job::new(2, 1, &|_| ())).is_ok());
    });
}
