//! How an input becomes what the model takes: stored with the model, applied in training and in prediction alike.

use hadal::data::image::Channels;
use hadal::data::tabular::Encoder;
use hadal::data::transforms::{Normalize, Pipeline, Resize};
use hadal::train::metrics::Metric;
use hadal::{Error, Result, Tensor};
use serde::{Deserialize, Serialize};

/// What is done to an input.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Preprocessing {
    /// Bytes `[channels, height, width]`, resized, divided by 255 and normalized per channel.
    Image { channels: usize, height: usize, width: usize, mean: Vec<f32>, std: Vec<f32> },
    /// A row of a table: numbers standardized, categories one-hot. The target is the column that was learned; numbers
    /// in it were standardized too.
    Table { encoder: Encoder, target: String, scale: Option<Scale> },
    /// Numbers of this shape, taken as they are.
    Array { shape: Vec<usize> },
}

/// How a number to predict was standardized: `(x − mean) / std`.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Scale {
    pub mean: f64,
    pub std: f64,
}

impl Scale {
    /// Predictions or targets in the units of the table.
    pub fn undo(self, numbers: &Tensor) -> Tensor {
        numbers.mul(self.std).add(self.mean)
    }
}

/// A metric of numbers in the units of the table.
pub struct InUnits<M> {
    metric: M,
    scale: Option<Scale>,
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

impl Preprocessing {
    /// How the numbers to predict were standardized, if they were.
    pub fn scale(&self) -> Option<Scale> {
        if let Preprocessing::Table { scale, .. } = self { *scale } else { None }
    }

    /// A metric of predicted numbers.
    pub fn metric<M: Metric>(&self, metric: M) -> InUnits<M> {
        InUnits { metric, scale: self.scale() }
    }

    /// The shape of one sample.
    pub fn shape(&self) -> Vec<usize> {
        match self {
            Preprocessing::Image { channels, height, width, .. } => vec![*channels, *height, *width],
            Preprocessing::Table { encoder, .. } => vec![encoder.width()],
            Preprocessing::Array { shape } => shape.clone(),
        }
    }

    /// For images: how many colour channels a file is read with, and the pipeline that makes it an input.
    pub fn image(&self) -> Result<(Channels, Pipeline)> {
        let Preprocessing::Image { channels, height, width, mean, std } = self else {
            let shape = self.shape();
            return Err(Error::invalid(format!(
                "the model takes arrays of shape {shape:?}, not images: give .npy files"
            )));
        };
        let colours = match channels {
            1 => Channels::Grey,
            3 => Channels::Rgb,
            other => {
                return Err(Error::invalid(format!("the model takes images with {other} channels; files have 1 or 3")));
            }
        };
        Ok((colours, Pipeline::new().then(Resize { height: *height, width: *width }).then(Normalize::new(mean, std))))
    }
}
