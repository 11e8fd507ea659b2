//! `fit`: training from the raw files of a data set, beside the bare training step on batches in memory.
//!
//! What `fit` adds is the loader (decoding, augmentation, batches), metrics and callbacks. The two take turns, and the
//! ratio is taken within each.

use crate::quiet::Patience;
use crate::spread::Spread;
use crate::{machine, report};
use hadal::data::transforms::{HorizontalFlip, Normalize, Pipeline, RandomCrop};
use hadal::data::{Batch, Loader, Split, Subset, datasets};
use hadal::models::{self, Spec};
use hadal::prelude::*;
use std::error::Error;
use std::path::Path;
use std::time::Instant;

/// A model like that of a workload, and the data that it is trained on.
struct Case {
    name: &'static str,
    about: &'static str,
    set: datasets::Name,
    batch: usize,
    /// Whether images are cropped from a border of 4 pixels and flipped.
    augment: bool,
    model: fn(&Spec) -> hadal::Result<Box<dyn Layer>>,
    optimizer: fn(Vec<Param>) -> Optimizer,
}

const CASES: [Case; 3] = [
    Case {
        name: "fit_mnist_mlp",
        about: "MNIST, 784-128-10 as in W5",
        set: datasets::Name::Mnist,
        batch: 32,
        augment: false,
        model: |spec| models::build("mlp", spec),
        optimizer: |p| Adam::new(1e-3).optimize(p),
    },
    Case {
        name: "fit_cifar10_cnn",
        about: "CIFAR-10, cropped and flipped, the CNN of W4",
        set: datasets::Name::Cifar10,
        batch: 32,
        augment: true,
        model: |spec| models::build("keras-cnn", spec),
        optimizer: |p| Adam::new(1e-3).optimize(p),
    },
    Case {
        name: "fit_cifar10_resnet18",
        about: "CIFAR-10, cropped and flipped, the ResNet-18 of W8",
        set: datasets::Name::Cifar10,
        batch: 64,
        augment: true,
        model: |spec| models::build("resnet18", spec),
        optimizer: |p| Sgd::new(0.01).momentum(0.9).optimize(p),
    },
];

/// Seconds of a turn of either.
const TURN: f64 = 0.5;

/// Measures the cases whose names begin with one of `names`, or all, with the files in a folder.
pub fn measure(names: &[String], data: &Path, rounds: usize, threads: usize, json: bool) -> Result<(), Box<dyn Error>> {
    eprintln!("{}", machine::line(threads));
    if !json {
        println!("{:<24} {:>10} {:>10} {:>10} {:>7}", "", "loading ms", "step ms", "fit ms", "of turns");
    }
    let mut patience = Patience::seconds(15.0);
    for case in CASES.iter().filter(|case| names.is_empty() || names.iter().any(|name| case.name.starts_with(name))) {
        let found = case.measure(data, rounds, &mut patience)?;
        let ratio = Spread::of(found.iter().map(|turn| turn.fit / turn.step));
        // Other processes only add to a time.
        let least = |of: fn(&Turn) -> f64| 1e3 * Spread::of(found.iter().map(of)).least;
        let [loading_ms, step_ms, fit_ms] =
            [least(|turn| turn.loading), least(|turn| turn.step), least(|turn| turn.fit)];
        if json {
            for (metric, value) in [("load_batch_ms", loading_ms), ("train_step_ms", step_ms), ("fit_step_ms", fit_ms)]
            {
                println!("{}", report::line("hadal", case.name, metric, value, "ms", threads, case.about));
            }
        } else {
            println!(
                "{:<24} {loading_ms:>10.4} {step_ms:>10.4} {fit_ms:>10.4} {:>6.2}× ({:.2} to {:.2})  {}",
                case.name, ratio.median, ratio.least, ratio.greatest, case.about
            );
        }
    }
    Ok(())
}

/// Seconds for a batch.
struct Turn {
    /// One thread loads it, and nothing else runs.
    loading: f64,
    /// The bare step.
    step: f64,
    /// In `fit`.
    fit: f64,
}

impl Case {
    fn measure(&self, data: &Path, rounds: usize, patience: &mut Patience) -> Result<Vec<Turn>, Box<dyn Error>> {
        let set = datasets::load(self.set, Split::Train, Some(data), &mut |_| ())?;
        let (mean, std) = set.mean_and_std();
        let [channels, height, width] = set.shape;
        let mut pipeline = Pipeline::new();
        if self.augment {
            pipeline = pipeline.then(RandomCrop::new(height, width).padding(4)).then(HorizontalFlip::default());
        }
        let pipeline = pipeline.then(Normalize::new(&mean, &std));
        manual_seed(0);
        let model = (self.model)(&Spec { input: vec![channels, height, width], outputs: set.classes.len() })?;
        let bare = (self.optimizer)(model.parameters());
        let samples = set.len();
        let loader = |batches: usize| -> Loader {
            let part = Subset::new(set.clone(), (0..(batches * self.batch).min(samples)).collect());
            Loader::new(part, self.batch)
        };
        let prepared = loader(50).transform(Pipeline::new().then(Normalize::new(&mean, &std)));
        let ready: Vec<Batch> = prepared.epoch(0).collect::<hadal::Result<_>>()?;
        let mut next = 0;
        let mut step = |model: &dyn Layer| {
            let batch = &ready[next % ready.len()];
            next += 1;
            let loss = cross_entropy(&model.forward(&batch.input), &batch.target);
            bare.step(&loss.backward()).expect("every parameter has a gradient");
        };
        (0..3).for_each(|_| step(&*model));
        let begin = Instant::now();
        (0..3).for_each(|_| step(&*model));
        let steps = (3.0 * TURN / begin.elapsed().as_secs_f64()) as usize;
        // An epoch is at most the whole set.
        let steps = steps.clamp(3, samples / self.batch);

        let train = loader(steps).transform(pipeline).shuffle(0);
        let optimizer = (self.optimizer)(model.parameters());
        let mut trainer = model.compile(optimizer, cross_entropy).metric(Accuracy::new());
        let per_batch = |begin: Instant| begin.elapsed().as_secs_f64() / steps as f64;
        let mut turns = Vec::new();
        for _ in 0..rounds {
            patience.wait();
            let begin = Instant::now();
            train.clone().workers(0).epoch(0).try_for_each(|batch| batch.map(drop))?;
            let loading = per_batch(begin);
            trainer.model().train();
            (0..steps / 10).for_each(|_| step(&**trainer.model()));
            let begin = Instant::now();
            (0..steps).for_each(|_| step(&**trainer.model()));
            let of_step = per_batch(begin);
            let (mut nan, mut bar) = (TerminateOnNan, ProgressBar::new());
            let begin = Instant::now();
            trainer.fit(&train, Fit::epochs(1).callback(&mut nan).callback(&mut bar))?;
            turns.push(Turn { loading, step: of_step, fit: per_batch(begin) });
        }
        Ok(turns)
    }
}
