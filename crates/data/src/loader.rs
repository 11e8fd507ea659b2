//! Mini-batches: worker threads prepare them ahead of the training loop, in an order that no thread can change.

mod batch;
mod workers;

use std::fmt;
use std::sync::Arc;

pub use batch::Batch;
pub use workers::Batches;

use crate::random::Stream;
use crate::sampler::{Sampler, Sequential, Shuffled};
use crate::transforms::Pipeline;
use crate::{Dataset, Mix, Result};

/// What becomes of the samples that do not fill a batch at the end of an epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LastBatch {
    /// They are a smaller batch.
    #[default]
    Keep,
    /// They are left out (batch normalization, for one, dislikes a batch of one).
    Drop,
}

/// Goes through a data set in mini-batches, epoch after epoch.
///
/// What a batch holds is a function of the data set, the seed and the epoch: the number of worker threads changes the speed
/// and nothing else.
///
/// ```
/// use hadal_data::{Loader, Split, digits};
/// let loader = Loader::new(digits::load(Split::Test, 0), 64).shuffle(7);
/// for batch in loader.epoch(0) {
///     let batch = batch?;
///     assert_eq!(batch.input.shape()[1..], [1, 28, 28]);
///     # break;
/// }
/// # Ok::<(), hadal_core::Error>(())
/// ```
#[derive(Clone)]
pub struct Loader {
    dataset: Arc<dyn Dataset>,
    sampler: Arc<dyn Sampler>,
    batch_size: usize,
    last_batch: LastBatch,
    workers: usize,
    /// As many as fit, if not given.
    prefetch: Option<usize>,
    pipeline: Option<Arc<Pipeline>>,
    mix: Option<Mix>,
    seed: u64,
}

impl Loader {
    /// Batches of `batch_size` samples, in order, prepared by one worker ahead of time.
    ///
    /// # Panics
    /// When `batch_size` is zero.
    #[track_caller]
    pub fn new(dataset: impl Dataset + 'static, batch_size: usize) -> Loader {
        assert!(batch_size > 0, "loader: the batch size is zero");
        let sampler = Arc::new(Sequential { samples: dataset.len() });
        Loader {
            dataset: Arc::new(dataset),
            sampler,
            batch_size,
            last_batch: LastBatch::Keep,
            workers: 1,
            prefetch: None,
            pipeline: None,
            mix: None,
            seed: 0,
        }
    }

    /// Another order in each epoch; `seed` is also that of the [transforms](Loader::transform).
    pub fn shuffle(self, seed: u64) -> Loader {
        let sampler = Shuffled { samples: self.dataset.len(), seed };
        self.seed(seed).sampler(sampler)
    }

    /// An order of your own.
    pub fn sampler(mut self, sampler: impl Sampler + 'static) -> Loader {
        self.sampler = Arc::new(sampler);
        self
    }

    /// The seed of the random transforms.
    pub fn seed(mut self, seed: u64) -> Loader {
        self.seed = seed;
        self
    }

    /// Turns every input, an image `[channels, height, width]`, into `f32` and passes it through `pipeline`.
    pub fn transform(mut self, pipeline: Pipeline) -> Loader {
        self.pipeline = Some(Arc::new(pipeline));
        self
    }

    /// Mixes the samples of each batch.
    pub fn mix(mut self, mix: Mix) -> Loader {
        self.mix = Some(mix);
        self
    }

    /// What becomes of an incomplete last batch.
    pub fn last_batch(mut self, last_batch: LastBatch) -> Loader {
        self.last_batch = last_batch;
        self
    }

    /// The number of threads that prepare batches; with zero the training loop prepares them itself.
    pub fn workers(mut self, workers: usize) -> Loader {
        self.workers = workers;
        self
    }

    /// How many batches may be ready or in preparation at a time, at least one; by default as many as 16 MiB hold, but at
    /// least 4 and at most 64.
    pub fn prefetch(mut self, batches: usize) -> Loader {
        self.prefetch = Some(batches.max(1));
        self
    }

    /// Samples per batch.
    pub fn batch_size(&self) -> usize {
        self.batch_size
    }

    /// The data set.
    pub fn dataset(&self) -> &dyn Dataset {
        &*self.dataset
    }

    /// Samples per epoch.
    pub fn samples(&self) -> usize {
        match self.last_batch {
            LastBatch::Keep => self.sampler.len(),
            LastBatch::Drop => self.len() * self.batch_size,
        }
    }

    /// Batches per epoch.
    pub fn len(&self) -> usize {
        match self.last_batch {
            LastBatch::Keep => self.sampler.len().div_ceil(self.batch_size),
            LastBatch::Drop => self.sampler.len() / self.batch_size,
        }
    }

    /// Whether an epoch has no batch.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The batches of an epoch.
    ///
    /// An error names the sample and ends the epoch. Dropped before its end, the iterator stops its workers and waits for
    /// them.
    pub fn epoch(&self, epoch: u64) -> Batches {
        self.resume(epoch, 0)
    }

    /// The batches of an epoch from the one numbered `first` on: the rest of an interrupted run.
    pub fn resume(&self, epoch: u64, first: usize) -> Batches {
        Batches::new(self.clone(), epoch, first)
    }

    /// Prepares the batch with this number, of these samples.
    fn load(&self, number: usize, indices: &[usize], epoch: u64) -> Result<Batch> {
        let images = self.pipeline.as_ref().and_then(|pipeline| {
            batch::images(&*self.dataset, indices, |picture, index| pipeline.change(picture, self.seed, epoch, index))
        });
        let batch = match images {
            Some(batch) => batch,
            None => self.one_by_one(indices, epoch)?,
        };
        match &self.mix {
            Some(mix) => {
                mix.apply(&batch, &mut Stream::new(self.seed, [epoch as u32, number as u32, u32::MAX, u32::MAX]))
            }
            None => Ok(batch),
        }
    }

    fn one_by_one(&self, indices: &[usize], epoch: u64) -> Result<Batch> {
        let samples = indices.iter().map(|&index| {
            batch::sample(&*self.dataset, index, |input| match &self.pipeline {
                Some(pipeline) => pipeline.apply(input, self.seed, epoch, index),
                None => Ok(input.clone()),
            })
        });
        batch::collate(samples, indices)
    }
}

impl fmt::Debug for Loader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loader")
            .field("samples", &self.samples())
            .field("batch_size", &self.batch_size)
            .field("last_batch", &self.last_batch)
            .field("workers", &self.workers)
            .field("prefetch", &self.prefetch)
            .field("pipeline", &self.pipeline)
            .field("mix", &self.mix)
            .field("seed", &self.seed)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
