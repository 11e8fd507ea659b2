//! The threads behind an epoch: batches are claimed in order, finished in any order, and handed out in order.

use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};

use hadal_core::profile::{self, Recorder, What};

use super::{Batch, Loader};
use crate::{Error, Result};

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
    changed: Condvar,
}

struct State {
    /// The batch that the next free worker takes.
    claimed: usize,
    /// The batch that the training loop gets next.
    wanted: usize,
    /// Finished batches by number; never more than the loader's `prefetch`.
    ready: HashMap<usize, Result<Batch>>,
    /// Nobody wants any more.
    stopped: bool,
}

impl Batches {
    pub(super) fn new(loader: Loader, epoch: u64, first: usize) -> Batches {
        let batches = loader.len();
        let next = first.min(batches);
        let state = State { claimed: next, wanted: next, ready: HashMap::new(), stopped: false };
        let workers = loader.workers.min(batches - next);
        let shared = Arc::new(Shared {
            order: loader.sampler.order(epoch),
            loader,
            epoch,
            batches,
            state: Mutex::new(state),
            changed: Condvar::new(),
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
            if state.claimed >= state.wanted + self.loader.prefetch {
                state = self.changed.wait(state).expect("nothing panics while it holds the state");
                continue;
            }
            let number = state.claimed;
            state.claimed += 1;
            drop(state);
            let span = profile::open(What::Loading, "load a batch");
            let batch = self.load(number);
            drop(span);
            state = self.lock();
            state.ready.insert(number, batch);
            self.changed.notify_all();
        }
    }

    /// Waits for a batch.
    fn take(&self, number: usize) -> Result<Batch> {
        let mut state = self.lock();
        loop {
            if let Some(batch) = state.ready.remove(&number) {
                state.wanted = number + 1;
                self.changed.notify_all();
                return batch;
            }
            state = self.changed.wait(state).expect("nothing panics while it holds the state");
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
        self.shared.changed.notify_all();
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}
