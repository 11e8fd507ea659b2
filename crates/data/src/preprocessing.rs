//! How an input becomes what a model takes: stored with the model, applied in training and in prediction alike.

use crate::image::Channels;
use crate::tabular::Encoder;
use crate::transforms::{Normalize, Pipeline, Resize};
use crate::{Error, Result};
use hadal_core::Tensor;
use serde::{Deserialize, Serialize};

/// What is done to an input; in a model file, JSON such as
/// `{"kind": "image", "channels": 1, "height": 28, "width": 28, "mean": [0.13], "std": [0.31]}`.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Preprocessing {
    /// Bytes `[channels, height, width]`, resized, divided by 255 and normalized per channel.
    Image {
        /// 1 for grey, 3 for colours.
        channels: usize,
        /// Rows that the model takes.
        height: usize,
        /// Columns that the model takes.
        width: usize,
        /// What is subtracted from each channel, of values from 0 to 1.
        mean: Vec<f32>,
        /// What each channel is then divided by.
        std: Vec<f32>,
    },
    /// A row of a table: numbers standardized, categories one-hot.
    Table {
        /// How columns become features.
        encoder: Encoder,
        /// The column that was learned.
        target: String,
        /// How numbers in that column were standardized, if they are what is predicted.
        scale: Option<Scale>,
    },
    /// Numbers of this shape, taken as they are.
    Array {
        /// The shape of one sample.
        shape: Vec<usize>,
    },
}

/// How a number to predict was standardized: `(x − mean) / std`.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Scale {
    /// Mean of the training targets.
    pub mean: f64,
    /// Their standard deviation.
    pub std: f64,
}

impl Scale {
    /// Predictions or targets in the units of the table.
    pub fn undo(self, numbers: &Tensor) -> Tensor {
        numbers.mul(self.std).add(self.mean)
    }
}

impl Preprocessing {
    /// How the numbers to predict were standardized, if they were.
    pub fn scale(&self) -> Option<Scale> {
        if let Preprocessing::Table { scale, .. } = self { *scale } else { None }
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
    ///
    /// # Errors
    /// When the model takes no images, or images with other than 1 or 3 channels.
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
