//! The threads behind an epoch: batches are claimed in order, finished in any order, and handed out in order.

use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};

use hadal_core::Tensor;
use hadal_core::profile::{self, Recorder, What};

use super::{Batch, Loader};
use crate::{Error, Result};

/// What is prepared ahead where the loader does not say. A worker competes with the training step for processors, and a
/// system lets a thread run for milliseconds: small batches are gone in that time, unless there are many.
const BYTES_AHEAD: usize = 16 << 20;
const LEAST_AHEAD: usize = 4;
const MOST_AHEAD: usize = 64;

/// An iterator over the batches of an epoch; see [`Loader::epoch`].
pub struct Batches {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
    next: usize,
}

struct Shared {
    loader: Loader,
    epoch: u64,
    order: Vec<usize>,
    batches: usize,
    state: Mutex<State>,
    /// The batch that the training loop wants is there.
    finished: Condvar,
    /// Workers may go on.
    wanted: Condvar,
}

struct State {
    /// The batch that the next free worker takes.
    claimed: usize,
    /// The batch that the training loop gets next.
    wanted: usize,
    /// Finished batches by number; never more than `ahead`.
    ready: HashMap<usize, Result<Batch>>,
    /// How many batches may be ready or in preparation.
    ahead: usize,
    /// Nobody wants any more.
    stopped: bool,
}

impl Batches {
    pub(super) fn new(loader: Loader, epoch: u64, first: usize) -> Batches {
        let batches = loader.len();
        let next = first.min(batches);
        let ahead = loader.prefetch.unwrap_or(LEAST_AHEAD);
        let state = State { claimed: next, wanted: next, ready: HashMap::new(), ahead, stopped: false };
        let workers = loader.workers.min(batches - next);
        let shared = Arc::new(Shared {
            order: loader.sampler.order(epoch),
            loader,
            epoch,
            batches,
            state: Mutex::new(state),
            finished: Condvar::new(),
            wanted: Condvar::new(),
        });
        let recorder = Recorder::current();
        let spawn = |number| {
            let (shared, recorder) = (Arc::clone(&shared), recorder.clone());
            let work = move || match recorder {
                Some(recorder) => recorder.enter(|| shared.work()),
                None => shared.work(),
            };
            thread::Builder::new().name(format!("loader {number}")).spawn(work).ok()
        };
        // Where the system refuses a thread, fewer do the work, or the training loop itself.
        let threads = (0..workers).filter_map(spawn).collect();
        Batches { shared, threads, next }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics while it holds the state")
    }

    fn load(&self, number: usize) -> Result<Batch> {
        let size = self.loader.batch_size;
        let indices = self.order.chunks(size).nth(number).unwrap_or_default();
        match indices.iter().find(|&&index| index >= self.loader.dataset.len()) {
            Some(index) => {
                let samples = self.loader.dataset.len();
                Err(Error::invalid(format!("the sampler asks for sample {index} of a data set of {samples}")))
            }
            None => self.loader.load(number, indices, self.epoch),
        }
    }

    /// A worker's life.
    fn work(&self) {
        let mut state = self.lock();
        loop {
            if state.stopped || state.claimed == self.batches {
                return;
            }
            if state.claimed >= state.wanted + state.ahead {
                state = self.wanted.wait(state).expect("nothing panics while it holds the state");
                continue;
            }
            let number = state.claimed;
            state.claimed += 1;
            drop(state);
            let span = profile::open(What::Loading, "load a batch");
            let batch = self.load(number);
            drop(span);
            state = self.lock();
            if let (None, Ok(batch)) = (self.loader.prefetch, &batch) {
                let size = |x: &Tensor| x.elements() * x.dtype().size();
                let bytes = size(&batch.input) + size(&batch.target);
                state.ahead = (BYTES_AHEAD / bytes.max(1)).clamp(LEAST_AHEAD, MOST_AHEAD);
            }
            state.ready.insert(number, batch);
            if number == state.wanted {
                self.finished.notify_one();
            }
        }
    }

    /// Waits for a batch.
    fn take(&self, number: usize) -> Result<Batch> {
        let mut state = self.lock();
        loop {
            if let Some(batch) = state.ready.remove(&number) {
                state.wanted = number + 1;
                // Not after every batch: each time that a worker wakes up, it interrupts the training step.
                if state.claimed.saturating_sub(state.wanted) <= state.ahead / 2 {
                    self.wanted.notify_all();
                }
                return batch;
            }
            state = self.finished.wait(state).expect("nothing panics while it holds the state");
        }
    }
}

impl Iterator for Batches {
    type Item = Result<Batch>;

    fn next(&mut self) -> Option<Result<Batch>> {
        if self.next == self.shared.batches {
            return None;
        }
        let number = self.next;
        let _span = profile::open(What::Data, "next batch");
        let batch = if self.threads.is_empty() { self.shared.load(number) } else { self.shared.take(number) };
        // After an error there is nothing more to come.
        self.next = if batch.is_ok() { number + 1 } else { self.shared.batches };
        Some(batch)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.shared.batches - self.next;
        (left.min(1), Some(left))
    }
}

impl Drop for Batches {
    fn drop(&mut self) {
        self.shared.lock().stopped = true;
        self.shared.wanted.notify_all();
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}
