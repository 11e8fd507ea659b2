//! Metrics of predicted numbers in the units of the table that they come from.

use hadal::data::preprocessing::{Preprocessing, Scale};
use hadal::train::metrics::Metric;
use hadal::{Result, Tensor};

/// A metric of numbers that were standardized for training.
pub struct InUnits<M> {
    metric: M,
    scale: Option<Scale>,
}

impl<M: Metric> InUnits<M> {
    /// The metric of what such a model predicts.
    pub fn new(metric: M, preprocessing: &Preprocessing) -> InUnits<M> {
        InUnits { metric, scale: preprocessing.scale() }
    }
}

impl<M: Metric> Metric for InUnits<M> {
    fn name(&self) -> String {
        self.metric.name()
    }

    fn update(&mut self, prediction: &Tensor, target: &Tensor) -> Result<()> {
        match self.scale {
            Some(scale) => self.metric.update(&scale.undo(prediction), &scale.undo(target)),
            None => self.metric.update(prediction, target),
        }
    }

    fn value(&self) -> f64 {
        self.metric.value()
    }

    fn reset(&mut self) {
        self.metric.reset();
    }
}
