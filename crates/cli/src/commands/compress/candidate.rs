//! A form of a model, and how good it is.

use crate::in_units::InUnits;
use crate::source::Task;
use hadal::compile::Graphs;
use hadal::data::Loader;
use hadal::data::preprocessing::Preprocessing;
use hadal::format::model_file::ModelFile;
use hadal::prelude::*;
use hadal::{Compression, Trained, attempt};
use std::time::{Duration, Instant};

/// A form of the model, as a file and as something that runs.
pub struct Candidate {
    /// The method's name.
    pub name: String,
    pub file: ModelFile,
    /// Bytes of the file.
    pub size: usize,
    /// Accuracy, or the root of the mean squared error.
    pub score: f64,
    /// Median for one sample.
    pub milliseconds: f64,
    trained: Trained,
    /// What runs a model that computes with numbers: its graph for inference, as the others have one.
    graphs: Graphs,
}

impl Candidate {
    /// The model as it was trained.
    pub fn original(file: ModelFile, measure: &Measure) -> Result<Candidate> {
        Candidate::of("f32".to_owned(), file, measure)
    }

    /// A file made smaller.
    pub fn new(prefix: &str, compression: &Compression, file: &ModelFile, measure: &Measure) -> Result<Candidate> {
        Candidate::of(format!("{prefix}{}", compression.name()), compression.apply(file)?, measure)
    }

    fn of(name: String, file: ModelFile, measure: &Measure) -> Result<Candidate> {
        let size = file.to_bytes()?.len();
        // What is measured is what the file holds, read again.
        let trained = Trained::new(file.clone())?;
        let score = measure.score(&|x| trained.forward(x), &measure.test)?;
        let mut graphs = Graphs::default();
        graphs.for_inference();
        Ok(Candidate { name, file, size, score, milliseconds: 0.0, trained, graphs })
    }

    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        match self.trained.compression.as_ref().and_then(Compression::int8) {
            Some(_) => self.trained.forward(x),
            None => {
                let forward = |x: &[Tensor]| Ok(vec![attempt(|| self.trained.model.forward(&x[0]))?]);
                no_grad(|| Ok(self.graphs.call(&[x], &forward)?.swap_remove(0)))
            }
        }
    }
}

/// Rounds at most, and the time that they may take all together.
const ROUNDS: usize = 101;
const MOST: Duration = Duration::from_secs(8);
/// Rounds that are not counted: graphs are made, and memory is taken.
const WARM_UP: usize = 3;

/// Measures the median time for one sample, of all candidates in turns, so that they meet the same machine.
pub fn time(candidates: &mut [Candidate], measure: &Measure) -> Result<()> {
    let x = measure.first.try_narrow(0, 0, 1)?.try_contiguous()?;
    let mut times: Vec<Vec<f64>> = vec![Vec::new(); candidates.len()];
    let begun = Instant::now();
    for round in 0..WARM_UP + ROUNDS {
        for (candidate, times) in candidates.iter().zip(&mut times) {
            let start = Instant::now();
            candidate.forward(&x)?;
            if round >= WARM_UP {
                times.push(start.elapsed().as_secs_f64() * 1e3);
            }
        }
        if round > WARM_UP && begun.elapsed() > MOST {
            break;
        }
    }
    for (candidate, mut times) in candidates.iter_mut().zip(times) {
        times.sort_by(f64::total_cmp);
        candidate.milliseconds = times[times.len() / 2];
    }
    Ok(())
}

/// What candidates are measured on.
pub struct Measure {
    task: Task,
    preprocessing: Preprocessing,
    test: Loader,
    /// The first batch of it.
    pub first: Tensor,
    pub targets: Tensor,
}

impl Measure {
    /// With this data.
    ///
    /// # Errors
    /// If there is none.
    pub fn new(trained: &Trained, test: Loader) -> Result<Measure> {
        let Some(first) = test.epoch(0).next() else { return Err(Error::invalid("the test data is empty")) };
        let Batch { input, target, .. } = first?;
        let (task, preprocessing) = (Task::of(&trained.labels), trained.preprocessing.clone());
        Ok(Measure { task, preprocessing, test, first: input, targets: target })
    }

    /// Samples of the data.
    pub fn samples(&self) -> usize {
        self.test.samples()
    }

    /// What is measured, as in `hadal evaluate`.
    pub fn metric(&self) -> &'static str {
        match self.task {
            Task::Classify => "accuracy",
            Task::Regress => "rmse",
        }
    }

    fn fresh(&self) -> Box<dyn Metric> {
        match self.task {
            Task::Classify => Box::new(Accuracy::new()),
            Task::Regress => Box::new(InUnits::new(RootMeanSquaredError::default(), &self.preprocessing)),
        }
    }

    fn score(&self, forward: &dyn Fn(&Tensor) -> Result<Tensor>, data: &Loader) -> Result<f64> {
        let mut metric = self.fresh();
        for batch in data.epoch(0) {
            let Batch { input, target, .. } = batch?;
            metric.update(&forward(&input)?, &target)?;
        }
        Ok(metric.value())
    }

    /// The metric of predictions for the first batch.
    pub fn score_of_first(&self, prediction: &Tensor) -> Result<f64> {
        let mut metric = self.fresh();
        metric.update(prediction, &self.targets)?;
        Ok(metric.value())
    }

    /// What is lost from one score to another: of accuracy the difference, of an error the share by which it grows.
    pub fn drop(&self, before: f64, after: f64) -> f64 {
        match self.task {
            Task::Classify => before - after,
            Task::Regress => (after - before) / before.max(f64::MIN_POSITIVE),
        }
    }
}
