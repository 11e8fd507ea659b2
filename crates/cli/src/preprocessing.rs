//! How an input becomes what the model takes: stored with the model, applied in training and in prediction alike.

use hadal::data::csv::{Column, Table};
use hadal::data::image::Channels;
use hadal::data::transforms::{Normalize, Pipeline, Resize};
use hadal::{Error, Result, Tensor};
use serde::{Deserialize, Serialize};

/// What is done to an input.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Preprocessing {
    /// Bytes `[channels, height, width]`, resized, divided by 255 and normalized per channel.
    Image { channels: usize, height: usize, width: usize, mean: Vec<f32>, std: Vec<f32> },
    /// A row of a table: numbers standardized, categories one-hot.
    Table { features: Vec<Feature> },
}

/// A column of a table and what was learned of it from the training rows.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Feature {
    /// `(x − mean) / std`; a missing number counts as the mean.
    Number { name: String, mean: f64, std: f64 },
    /// One input per level; a missing or unknown level is all zeros.
    Category { name: String, levels: Vec<String> },
}

impl Preprocessing {
    /// The shape of one sample.
    pub fn shape(&self) -> Vec<usize> {
        match self {
            Preprocessing::Image { channels, height, width, .. } => vec![*channels, *height, *width],
            Preprocessing::Table { features } => vec![features.iter().map(Feature::width).sum()],
        }
    }

    /// For images: how many colour channels a file is read with, and the pipeline that makes it an input.
    pub fn image(&self) -> Result<(Channels, Pipeline)> {
        let Preprocessing::Image { channels, height, width, mean, std } = self else {
            return Err(Error::invalid("this model takes rows of a table, not images"));
        };
        let colours = match channels {
            1 => Channels::Grey,
            3 => Channels::Rgb,
            other => {
                return Err(Error::invalid(format!(
                    "this model takes images with {other} channels; files have 1 or 3"
                )));
            }
        };
        Ok((colours, Pipeline::new().then(Resize { height: *height, width: *width }).then(Normalize::new(mean, std))))
    }
}

impl Feature {
    /// What the training rows say about a column; the statistics are of those rows only.
    pub fn learn(name: &str, column: &Column, rows: &[usize]) -> Feature {
        let name = name.to_owned();
        match column {
            Column::Numbers(values) => {
                let known: Vec<f64> = rows.iter().map(|&row| values[row]).filter(|v| v.is_finite()).collect();
                let count = known.len().max(1) as f64;
                let mean = known.iter().sum::<f64>() / count;
                let variance = known.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / count;
                Feature::Number { name, mean, std: if variance > 0.0 { variance.sqrt() } else { 1.0 } }
            }
            Column::Categories { levels, .. } => Feature::Category { name, levels: levels.clone() },
        }
    }

    fn width(&self) -> usize {
        match self {
            Feature::Number { .. } => 1,
            Feature::Category { levels, .. } => levels.len(),
        }
    }

    fn name(&self) -> &str {
        let (Feature::Number { name, .. } | Feature::Category { name, .. }) = self;
        name
    }
}

/// The rows of a table as inputs `[rows, features]`.
pub fn encode(table: &Table, features: &[Feature]) -> Result<Tensor> {
    let width: usize = features.iter().map(Feature::width).sum();
    let mut values = vec![0f32; table.rows * width];
    let mut at = 0;
    for feature in features {
        let rows = values.chunks_mut(width).map(|row| &mut row[at..]);
        match (feature, table.column(feature.name())?) {
            (Feature::Number { mean, std, .. }, Column::Numbers(numbers)) => {
                let scaled = |v: &f64| if v.is_finite() { ((v - mean) / std) as f32 } else { 0.0 };
                rows.zip(numbers).for_each(|(row, v)| row[0] = scaled(v));
            }
            (Feature::Category { levels, .. }, Column::Categories { levels: found, codes }) => {
                let places: Vec<Option<usize>> = found.iter().map(|l| levels.iter().position(|k| k == l)).collect();
                for (row, code) in rows.zip(codes) {
                    if let Some(place) = code.and_then(|code| places[code as usize]) {
                        row[place] = 1.0;
                    }
                }
            }
            (feature, _) => {
                let name = feature.name();
                let kinds = match feature {
                    Feature::Number { .. } => "numbers in the training data and categories here",
                    Feature::Category { .. } => "categories in the training data and numbers here",
                };
                return Err(Error::invalid(format!("column {name:?} has {kinds}")));
            }
        }
        at += feature.width();
    }
    Tensor::try_from_vec(values, [table.rows, width])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_standardized_by_its_training_rows() {
        let levels = vec!["blue".to_owned(), "red".into()];
        let colours = Column::Categories { levels, codes: vec![Some(1), None, Some(0)] };
        let numbers = Column::Numbers(vec![1.0, 3.0, f64::NAN]);
        let table = Table { names: vec!["x".into(), "colour".into()], columns: vec![numbers, colours], rows: 3 };
        let features: Vec<Feature> =
            table.names.iter().zip(&table.columns).map(|(n, c)| Feature::learn(n, c, &[0, 1])).collect();
        let x = encode(&table, &features).unwrap();
        assert_eq!(x.to_vec::<f32>(), [-1.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0]);
    }
}
