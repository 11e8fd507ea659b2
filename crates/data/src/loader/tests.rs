//! Order, errors, early ends and memory of the loader.

use std::sync::atomic::{AtomicUsize, Ordering};

use hadal_core::Tensor;

use super::*;
use crate::sampler::Weighted;
use crate::testing::fails;
use crate::transforms::{HorizontalFlip, Normalize, RandomCrop};
use crate::{Error, ImageSet, Sample, Split, Subset, digits};

/// Sample `i` is the number `i` with the label `10 i`; some of them misbehave.
struct Numbers {
    samples: usize,
    fails: Option<usize>,
    panics: Option<usize>,
    asked: AtomicUsize,
}

fn numbers(samples: usize) -> Numbers {
    Numbers { samples, fails: None, panics: None, asked: AtomicUsize::new(0) }
}

impl Dataset for Numbers {
    fn len(&self) -> usize {
        self.samples
    }

    fn get(&self, index: usize) -> Result<Sample> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        if self.fails == Some(index) {
            return Err(Error::invalid("the file is gone"));
        }
        assert!(self.panics != Some(index), "no such luck");
        Ok(Sample { input: Tensor::from([index as f32]), target: Tensor::from(10 * index as i64) })
    }
}

fn inputs(batches: Batches) -> Vec<Vec<f32>> {
    batches.map(|batch| batch.unwrap().input.to_vec()).collect()
}

#[test]
fn batches_are_stacked_samples() {
    for workers in [0, 1] {
        let loader = Loader::new(numbers(5), 2).workers(workers);
        let batches: Vec<Batch> = loader.epoch(0).map(Result::unwrap).collect();
        assert_eq!((loader.len(), loader.samples()), (3, 5));
        assert_eq!(batches[1].input.shape().to_vec(), [2, 1]);
        assert_eq!(batches[1].target.to_vec::<i64>(), [20, 30]);
        assert_eq!((batches[2].len(), &batches[2].indices[..]), (1, &[4][..]));
        let whole = loader.last_batch(LastBatch::Drop);
        assert_eq!((whole.len(), whole.samples(), whole.epoch(0).count()), (2, 4, 2));
    }
}

#[test]
fn the_order_does_not_depend_on_the_workers() {
    let loader = Loader::new(numbers(1000), 7).shuffle(3);
    let expected = inputs(loader.clone().workers(0).epoch(4));
    for workers in [1, 2, 5] {
        for prefetch in [1, 3, 100] {
            assert_eq!(inputs(loader.clone().workers(workers).prefetch(prefetch).epoch(4)), expected);
        }
    }
    assert_ne!(inputs(loader.epoch(5)), expected);
    assert_eq!(inputs(loader.resume(4, 100)), expected[100..]);
    assert_eq!(inputs(loader.resume(4, 1000)).len(), 0);
}

#[test]
fn an_error_names_the_sample_and_ends_the_epoch() {
    for workers in [0, 3] {
        let loader = Loader::new(Numbers { fails: Some(11), ..numbers(100) }, 4).workers(workers);
        let mut batches: Vec<_> = loader.epoch(0).collect();
        assert_eq!(batches.len(), 3);
        fails(batches.pop().unwrap(), &["sample 11: the file is gone"]);
    }
}

#[test]
fn a_panic_names_the_sample_and_ends_the_epoch() {
    for workers in [0, 3] {
        let loader = Loader::new(Numbers { panics: Some(5), ..numbers(100) }, 4).workers(workers);
        let mut batches: Vec<_> = loader.epoch(0).collect();
        assert_eq!(batches.len(), 2);
        fails(batches.pop().unwrap(), &["sample 5: the data set panicked: no such luck"]);
    }
}

#[test]
fn a_sampler_that_leaves_the_data_set_is_told_so() {
    let loader = Loader::new(numbers(3), 2).sampler(Weighted::new(&[0.0, 0.0, 0.0, 1.0], 2, 0));
    fails(loader.epoch(0).next().unwrap(), &["sample 3 of a data set of 3"]);
}

#[test]
fn samples_of_different_shapes_are_named() {
    struct Ragged;
    impl Dataset for Ragged {
        fn len(&self) -> usize {
            4
        }
        fn get(&self, index: usize) -> Result<Sample> {
            Ok(Sample { input: Tensor::zeros([1 + index / 3]), target: Tensor::from(0i64) })
        }
    }
    let parts = ["sample 3: its input is f32 [2]", "sample 2 in the same batch is f32 [1]", "resize"];
    fails(Loader::new(Ragged, 2).epoch(0).last().unwrap(), &parts);
}

#[test]
fn an_early_end_stops_the_workers() {
    let dataset = Arc::new(numbers(1_000_000));
    let mut batches = Loader::new(Arc::clone(&dataset), 10).workers(3).prefetch(5).epoch(0);
    batches.next().unwrap().unwrap();
    drop(batches);
    // The workers are gone, so nobody holds the data set but this test, and nobody read far ahead.
    assert_eq!(Arc::strong_count(&dataset), 1);
    assert!(dataset.asked.load(Ordering::Relaxed) <= 10 * (5 + 1));
}

#[test]
fn an_empty_data_set_has_no_batch() {
    assert_eq!(Loader::new(numbers(0), 3).epoch(0).count(), 0);
}

#[test]
#[should_panic(expected = "the batch size is zero")]
fn a_batch_size_of_zero() {
    let _ = Loader::new(numbers(3), 0);
}

#[test]
fn mixtures_do_not_depend_on_the_workers() {
    let loader = Loader::new(numbers(50), 8).shuffle(1).mix(Mix::up(0.5, 500));
    let expected = inputs(loader.clone().workers(0).epoch(0));
    assert_eq!(inputs(loader.workers(3).epoch(0)), expected);
}

/// A data set that gives its samples as tensors only.
struct Copied(ImageSet);

impl Dataset for Copied {
    fn len(&self) -> usize {
        self.0.len()
    }
    fn get(&self, index: usize) -> Result<Sample> {
        self.0.get(index)
    }
}

fn images() -> ImageSet {
    let (images, labels) = digits::generate(Split::Test, 0..50, 0);
    ImageSet { images, shape: [1, 28, 28], labels, classes: ('0'..='9').map(String::from).collect() }
}

#[test]
fn images_in_memory_make_the_batches_that_their_samples_make() {
    let pipeline = || {
        let cropped = Pipeline::new().then(RandomCrop::new(24, 26).padding(2)).then(HorizontalFlip::default());
        cropped.then(Normalize::new(&[0.3], &[0.2]))
    };
    let part = Subset::new(Arc::new(images()), (5..45).rev().collect());
    let direct = Loader::new(part, 7).shuffle(2).transform(pipeline());
    let copied =
        Loader::new(Subset::new(Copied(images()), (5..45).rev().collect()), 7).shuffle(2).transform(pipeline());
    for (a, b) in direct.epoch(3).zip(copied.epoch(3)) {
        let (a, b) = (a.unwrap(), b.unwrap());
        assert_eq!(a.input.shape()[1..], [1, 24, 26]);
        assert_eq!((a.input.shape(), a.target.dtype(), &a.indices), (b.input.shape(), b.target.dtype(), &b.indices));
        assert_eq!((a.input.to_vec::<f32>(), a.target.to_vec::<i64>()), (b.input.to_vec(), b.target.to_vec()));
    }
    let large = Pipeline::new().then(RandomCrop::new(40, 40));
    fails(Loader::new(images(), 4).transform(large).epoch(0).next().unwrap(), &["sample 0: random crop to 40 × 40"]);
}
