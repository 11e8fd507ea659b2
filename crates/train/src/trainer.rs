//! `compile`, `fit`, `evaluate`, `predict`.

use crate::callback::{Callback, State};
use crate::history::{Ending, History, Logs};
use crate::interrupt;
use crate::metrics::{Mean, Metric};
use crate::overlap;
use hadal_core::compile::Graphs;
use hadal_core::{DType, Error, Gradients, ModuleExt, Result, Tensor, attempt, no_grad, profile, warn_once};
use hadal_data::{Batch, Loader};
use hadal_nn::Layer;
use hadal_nn::losses::Distillation;
use hadal_nn::optim::{Optimizer, clip_by_global_norm, clip_by_norm, clip_by_value};
use std::time::{Duration, Instant};

type Loss = Box<dyn Fn(&Tensor, &Tensor) -> Tensor>;

/// How gradients are limited before a step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Clip {
    /// Each element to ±limit.
    Value(f64),
    /// Each parameter's gradient to this norm.
    Norm(f64),
    /// All gradients together to this norm.
    GlobalNorm(f64),
}

/// A model with everything that training needs.
pub struct Trainer<M> {
    model: M,
    optimizer: Optimizer,
    loss: Loss,
    metrics: Vec<Box<dyn Metric>>,
    clip: Option<Clip>,
    accumulate: usize,
    /// Another model whose opinion counts in training.
    teacher: Option<(Box<dyn Layer>, Distillation)>,
    /// What `fit` validated on.
    validation: Option<Loader>,
    /// Training steps and predictions as graphs, if they are compiled.
    graphs: Option<[Graphs; 2]>,
}

/// `model.compile(optimizer, loss)`, as in Keras.
pub trait Compile: Layer + Sized {
    /// Joins the model with an optimizer over its parameters and a loss of (prediction, target) that is a scalar:
    /// the mean over the batch.
    fn compile(self, optimizer: Optimizer, loss: impl Fn(&Tensor, &Tensor) -> Tensor + 'static) -> Trainer<Self> {
        let (loss, metrics) = (Box::new(loss), Vec::new());
        Trainer {
            model: self,
            optimizer,
            loss,
            metrics,
            clip: None,
            accumulate: 1,
            teacher: None,
            validation: None,
            graphs: None,
        }
    }
}

impl<M: Layer> Compile for M {}

/// A place in a training run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// Epochs completed.
    pub epoch: usize,
    /// Batches completed of the epoch that follows.
    pub batch: usize,
}

/// What to run: `Fit::epochs(10).validation(&test)`.
pub struct Fit<'a> {
    epochs: usize,
    start: Position,
    validation: Option<&'a Loader>,
    callbacks: Vec<&'a mut dyn Callback>,
}

impl<'a> Fit<'a> {
    /// This many epochs over the training data.
    pub fn epochs(epochs: usize) -> Fit<'a> {
        Fit { epochs, start: Position::default(), validation: None, callbacks: Vec::new() }
    }

    /// Evaluates on these batches after every epoch; the results are logged as `val_loss`, `val_accuracy`, …
    pub fn validation(mut self, loader: &'a Loader) -> Self {
        self.validation = Some(loader);
        self
    }

    /// Adds a callback; callbacks run in the order in which they were added.
    pub fn callback(mut self, callback: &'a mut dyn Callback) -> Self {
        self.callbacks.push(callback);
        self
    }

    /// Starts there instead of at the beginning: continues an earlier run (see [`crate::checkpoint`]).
    pub fn start_at(mut self, position: Position) -> Self {
        self.start = position;
        self
    }
}

/// What `evaluate` returns.
#[derive(Clone, Debug)]
pub struct Scores {
    /// The mean loss over all samples.
    pub loss: f64,
    /// The metrics by name, in the order in which they were added.
    pub metrics: Logs,
}

impl<M: Layer> Trainer<M> {
    /// Adds a metric, computed on the training batches as they pass and on validation data.
    pub fn metric(mut self, metric: impl Metric + 'static) -> Self {
        self.metrics.push(Box::new(metric));
        self
    }

    /// Limits the gradients before every step.
    ///
    /// # Panics
    /// If the limit is not positive.
    #[track_caller]
    pub fn clip(mut self, clip: Clip) -> Self {
        let (Clip::Value(limit) | Clip::Norm(limit) | Clip::GlobalNorm(limit)) = clip;
        if limit.is_nan() || limit <= 0.0 {
            Error::op("clip", format!("needs a positive limit, got {clip:?}")).raise();
        }
        self.clip = Some(clip);
        self
    }

    /// Steps once per this many batches, on the mean of their gradients.
    ///
    /// # Panics
    /// If that is 0.
    #[track_caller]
    pub fn accumulate(mut self, batches: usize) -> Self {
        if batches == 0 {
            Error::op("accumulate", "needs at least 1 batch per step, got 0").raise();
        }
        self.accumulate = batches;
        self
    }

    /// Trains on what a teacher makes of each batch as well: the loss of a training step is [`Distillation::join`] of the
    /// trainer's own loss. The teacher stays as it is, in evaluation mode; `evaluate` and validation measure the student
    /// alone.
    pub fn distill(mut self, teacher: impl Layer + 'static, how: Distillation) -> Self {
        teacher.eval();
        self.teacher = Some((Box::new(teacher), how));
        self
    }

    /// Compiles the training step, and the predictions of `evaluate`: see [`compile`](hadal_core::compile()). The bits stay
    /// the same. A step that [accumulates](Trainer::accumulate) is not compiled; a model or loss that reads elements
    /// cannot be.
    pub fn compiled(mut self) -> Self {
        self.graphs = Some(Default::default());
        self
    }

    /// The model.
    pub fn model(&self) -> &M {
        &self.model
    }

    /// The optimizer.
    pub fn optimizer(&self) -> &Optimizer {
        &self.optimizer
    }

    /// The model, trained.
    pub fn into_model(self) -> M {
        self.model
    }

    /// Trains. The model is in training mode during batches and back in evaluation mode at the end.
    ///
    /// # Errors
    /// When a batch does not fit the model or the loss (the error names the layer and the sample), a sample cannot be
    /// had, a callback fails, or there is nothing to train on.
    pub fn fit(&mut self, train: &Loader, plan: Fit) -> Result<History> {
        let Fit { epochs, start, validation, mut callbacks } = plan;
        let mut history = History::default();
        let mut stop = None;
        if epochs == 0 {
            return Err(Error::op("fit", "got 0 epochs: nothing would be learned"));
        }
        require_batches("fit", "training data", train)?;
        if let Some(validation) = validation {
            require_batches("fit", "validation data", validation)?;
            if overlap::begins_alike(train, validation) {
                warn_once(
                    "validation on training data",
                    "the validation data is training data: val_loss will not show overfitting. Set some samples aside \
                     with random_split",
                );
            }
        }
        self.validation = validation.cloned();
        let mut run =
            Run { epoch: start.epoch, epochs, batch: start.batch, batches: train.len(), logs: Logs::default() };
        self.notify(&mut callbacks, &mut run, &mut stop, |c, s| c.on_train_begin(s))?;
        for epoch in start.epoch..epochs {
            let batch = if epoch == start.epoch { start.batch } else { 0 };
            run = Run { epoch, batch, logs: Logs::default(), ..run };
            self.notify(&mut callbacks, &mut run, &mut stop, |c, s| c.on_epoch_begin(s))?;
            let whole = self.train_epoch(train, &mut run, &mut callbacks, &mut stop, &mut history)?;
            if !whole {
                break;
            }
            if let Some(validation) = validation {
                self.notify(&mut callbacks, &mut run, &mut stop, |c, s| c.on_test_begin(s))?;
                let scores = self.measure(validation)?;
                run.logs.set("val_loss", scores.loss);
                scores.metrics.iter().for_each(|(name, value)| run.logs.set(format!("val_{name}"), value));
                self.notify(&mut callbacks, &mut run, &mut stop, |c, s| c.on_test_end(s))?;
            }
            self.notify(&mut callbacks, &mut run, &mut stop, |c, s| c.on_epoch_end(s))?;
            history.epochs.push(run.logs.clone());
            if stop.is_some() || interrupt::requested() {
                break;
            }
        }
        self.notify(&mut callbacks, &mut run, &mut stop, |c, s| c.on_train_end(s))?;
        self.model.eval();
        history.ending = match stop {
            Some(reason) => Ending::Stopped(reason),
            None if interrupt::requested() => Ending::Interrupted,
            None => Ending::Finished,
        };
        Ok(history)
    }

    /// The batches of one epoch; false if it was cut short.
    fn train_epoch(
        &mut self,
        train: &Loader,
        run: &mut Run,
        callbacks: &mut [&mut dyn Callback],
        stop: &mut Option<String>,
        history: &mut History,
    ) -> Result<bool> {
        self.model.train();
        let mut loss = Mean::default();
        self.metrics.iter_mut().for_each(|metric| metric.reset());
        let mut gathered: Option<Gradients> = None;
        let mut waiting = 0;
        let mut batches = train.resume(run.epoch as u64, run.batch);
        let mut spent = Duration::ZERO;
        loop {
            let begun = Instant::now();
            let Some(batch) = batches.next() else { break };
            let batch = batch?;
            let _region = profile::region("training step");
            let samples = batch.len();
            self.notify(callbacks, run, stop, |c, s| c.on_train_batch_begin(s))?;
            run.batch += 1;
            let (prediction, value) = match &self.graphs {
                Some([steps, _]) if self.accumulate == 1 => self.graph(steps, &batch, true)?,
                _ => {
                    let (prediction, value) = self.run(&batch, true)?;
                    let gradients = value.try_backward()?;
                    match &mut gathered {
                        None => gathered = Some(gradients),
                        Some(sum) => sum.accumulate(gradients),
                    }
                    waiting += 1;
                    if waiting == self.accumulate || run.batch == run.batches {
                        let gradients = gathered.take().expect("just filled");
                        self.step(gradients, waiting)?;
                        waiting = 0;
                    }
                    (prediction, value)
                }
            };
            loss.update(value.item::<f64>(), samples);
            run.logs.set("loss", loss.value());
            for metric in &mut self.metrics {
                metric.update(&prediction, &batch.target)?;
                run.logs.set(metric.name(), metric.value());
            }
            history.samples += samples;
            spent += begun.elapsed();
            self.notify(callbacks, run, stop, |c, s| c.on_train_batch_end(s))?;
            if stop.is_some() || interrupt::requested() {
                break;
            }
        }
        history.seconds += spent.as_secs_f64();
        Ok(run.batch >= run.batches)
    }

    fn step(&self, mut gradients: Gradients, batches: usize) -> Result<()> {
        if batches > 1 {
            gradients.scale(1.0 / batches as f64);
        }
        match self.clip {
            Some(Clip::Value(limit)) => clip_by_value(&mut gradients, limit),
            Some(Clip::Norm(limit)) => clip_by_norm(&mut gradients, limit),
            Some(Clip::GlobalNorm(limit)) => {
                clip_by_global_norm(&mut gradients, limit);
            }
            None => (),
        }
        self.optimizer.step(&gradients)
    }

    /// The prediction and the loss of a batch.
    fn run(&self, batch: &Batch, training: bool) -> Result<(Tensor, Tensor)> {
        let prediction = attempt(|| self.model.forward(&batch.input))?;
        let loss = self.loss(&batch.input, &prediction, &batch.target, training);
        Ok((prediction.clone(), loss.map_err(|e| name_sample(e, &prediction, batch))?))
    }

    /// The loss of a prediction; in training, a teacher has its say.
    fn loss(&self, input: &Tensor, prediction: &Tensor, target: &Tensor, training: bool) -> Result<Tensor> {
        let loss = attempt(|| (self.loss)(prediction, target))?;
        match &self.teacher {
            Some((teacher, how)) if training => {
                let opinion = no_grad(|| attempt(|| teacher.forward(input)))?;
                how.try_join(&loss, prediction, &opinion)
            }
            _ => Ok(loss),
        }
    }

    /// As [`Trainer::run`], and, if it is a training step, the update of the weights, as a graph.
    fn graph(&self, graphs: &Graphs, batch: &Batch, updates: bool) -> Result<(Tensor, Tensor)> {
        let results = graphs.call(&[&batch.input, &batch.target], &|given| {
            let prediction = attempt(|| self.model.forward(&given[0]))?;
            let loss = self.loss(&given[0], &prediction, &given[1], updates)?;
            if updates {
                self.step(loss.try_backward()?, 1)?;
            }
            Ok(vec![prediction, loss])
        });
        match results.map(<[Tensor; 2]>::try_from) {
            Ok(results) => Ok(results.unwrap_or_else(|_| unreachable!("two results")).into()),
            // The layers themselves have more to say.
            Err(error) => Err(no_grad(|| self.run(batch, updates)).err().unwrap_or(error)),
        }
    }

    /// The loss and metrics over all samples. Leaves the model in evaluation mode.
    ///
    /// # Errors
    /// As [`fit`](Trainer::fit).
    pub fn evaluate(&mut self, loader: &Loader) -> Result<Scores> {
        require_batches("evaluate", "data", loader)?;
        if self.validation.as_ref().is_some_and(|validation| overlap::begins_alike(validation, loader)) {
            warn_once(
                "test on validation data",
                "this is the data that fit validated on: a model that was chosen by it looks better on it than on new \
                 data. Keep test data apart",
            );
        }
        self.measure(loader)
    }

    fn measure(&mut self, loader: &Loader) -> Result<Scores> {
        let _region = profile::region("evaluation");
        self.model.eval();
        let mut loss = Mean::default();
        self.metrics.iter_mut().for_each(|metric| metric.reset());
        no_grad(|| {
            for batch in loader.epoch(0) {
                let batch = batch?;
                let (prediction, value) = match &self.graphs {
                    Some([_, predictions]) => self.graph(predictions, &batch, false)?,
                    None => self.run(&batch, false)?,
                };
                loss.update(value.try_item()?, batch.len());
                self.metrics.iter_mut().try_for_each(|metric| metric.update(&prediction, &batch.target))?;
            }
            Ok::<(), Error>(())
        })?;
        let mut metrics = Logs::default();
        self.metrics.iter().for_each(|metric| metrics.set(metric.name(), metric.value()));
        Ok(Scores { loss: loss.value(), metrics })
    }

    /// The model's results for all samples, joined along the first axis. Leaves the model in evaluation mode.
    ///
    /// # Errors
    /// As [`fit`](Trainer::fit).
    pub fn predict(&self, loader: &Loader) -> Result<Tensor> {
        require_batches("predict", "data", loader)?;
        self.model.eval();
        let result = |batch: Result<Batch>| batch.and_then(|batch| attempt(|| self.model.forward(&batch.input)));
        let results: Vec<Tensor> = no_grad(|| loader.epoch(0).map(result).collect::<Result<_>>())?;
        Tensor::try_cat(&results.iter().collect::<Vec<_>>(), 0)
    }

    fn notify(
        &mut self,
        callbacks: &mut [&mut dyn Callback],
        run: &mut Run,
        stop: &mut Option<String>,
        hook: impl Fn(&mut dyn Callback, &mut State) -> Result<()>,
    ) -> Result<()> {
        for callback in callbacks {
            let Run { epoch, epochs, batch, batches, .. } = *run;
            let (model, optimizer) = (&self.model, &self.optimizer);
            let logs = &mut run.logs;
            hook(&mut **callback, &mut State { model, optimizer, epoch, epochs, batch, batches, logs, stop })?;
        }
        Ok(())
    }
}

/// Refuses a loader whose epochs have no batch.
fn require_batches(who: &str, what: &str, loader: &Loader) -> Result<()> {
    if !loader.is_empty() {
        return Ok(());
    }
    let message = match loader.dataset().len() {
        0 => format!("got no batches: the {what} is empty"),
        n => format!(
            "got no batches: the {what} has {n} samples, and incomplete batches of {} are dropped",
            loader.batch_size()
        ),
    };
    Err(Error::op(who, message))
}

/// Where a label is out of range, the error says which sample of the batch has it; this adds which one of the data set
/// that is.
fn name_sample(error: Error, prediction: &Tensor, batch: &Batch) -> Error {
    let (scores, labels) = (prediction.shape(), &batch.target);
    let (&[_, classes], false) = (&scores[..], labels.dtype().is_float() || labels.elements() != batch.len()) else {
        return error;
    };
    let labels = labels.to_dtype(DType::I64).to_vec::<i64>();
    match labels.iter().position(|label| !(0..classes as i64).contains(label)) {
        Some(at) if error.to_string().contains("label") => Error::invalid(format!(
            "{error} (sample {at} of this batch is sample {} of the data set)",
            batch.indices[at]
        )),
        _ => error,
    }
}

/// Where a run stands.
struct Run {
    epoch: usize,
    epochs: usize,
    batch: usize,
    batches: usize,
    logs: Logs,
}
