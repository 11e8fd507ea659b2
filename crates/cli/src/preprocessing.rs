//! How an input becomes what the model takes: stored with the model, applied in training and in prediction alike.

use hadal::data::image::Channels;
use hadal::data::tabular::Encoder;
use hadal::data::transforms::{Normalize, Pipeline, Resize};
use hadal::{Error, Result};
use serde::{Deserialize, Serialize};

/// What is done to an input.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Preprocessing {
    /// Bytes `[channels, height, width]`, resized, divided by 255 and normalized per channel.
    Image { channels: usize, height: usize, width: usize, mean: Vec<f32>, std: Vec<f32> },
    /// A row of a table: numbers standardized, categories one-hot. The target is the column that was learned.
    Table { encoder: Encoder, target: String },
    /// Numbers of this shape, taken as they are.
    Array { shape: Vec<usize> },
}

impl Preprocessing {
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
