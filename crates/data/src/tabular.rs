//! From a table to tensors: numbers are normalized, categories become indicators, what is missing is filled in.

use hadal_core::Tensor;
use serde::{Deserialize, Serialize};

use crate::csv::{Column, Table};
use crate::{Error, Result};

/// How the columns of a table become features; fitted on the training table and applied to any.
///
/// ```no_run
/// use hadal_data::{csv, tabular::Encoder};
/// let table = csv::read("train.csv", &csv::Options::default())?;
/// let encoder = Encoder::fit(&table, &["age", "job"])?;
/// let features = encoder.features(&table)?; // [rows, 1 + number of jobs]
/// # Ok::<(), hadal_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Encoder {
    /// The columns in the order of their features.
    pub columns: Vec<(String, Encoding)>,
}

/// What becomes of a column.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum Encoding {
    /// One feature, `(x - mean) / std`; a missing number is taken to be the mean.
    Number {
        /// Mean of the numbers that are there.
        mean: f64,
        /// Their standard deviation; 1 when they are all equal.
        std: f64,
    },
    /// One feature per level, 1 for the one that it is, else 0; all 0 when missing or a level that was not there in
    /// training.
    Category {
        /// The levels known from training.
        levels: Vec<String>,
    },
}

impl Encoder {
    /// Learns mean, deviation and levels of the columns called `inputs`.
    ///
    /// # Errors
    /// When a column does not exist or holds no value at all.
    pub fn fit(table: &Table, inputs: &[&str]) -> Result<Encoder> {
        let fit = |&name: &&str| {
            let encoding = match table.column(name)? {
                Column::Numbers(values) => {
                    let known: Vec<f64> = values.iter().copied().filter(|value| !value.is_nan()).collect();
                    if known.is_empty() {
                        return Err(Error::invalid(format!("the column {name:?} holds no value at all")));
                    }
                    let mean = known.iter().sum::<f64>() / known.len() as f64;
                    let variance = known.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / known.len() as f64;
                    Encoding::Number { mean, std: if variance > 0.0 { variance.sqrt() } else { 1.0 } }
                }
                Column::Categories { levels, .. } => Encoding::Category { levels: levels.clone() },
            };
            Ok((name.to_string(), encoding))
        };
        Ok(Encoder { columns: inputs.iter().map(fit).collect::<Result<_>>()? })
    }

    /// The number of features.
    pub fn width(&self) -> usize {
        let width = |(_, encoding): &(String, Encoding)| match encoding {
            Encoding::Number { .. } => 1,
            Encoding::Category { levels } => levels.len(),
        };
        self.columns.iter().map(width).sum()
    }

    /// The names of the features: `age`, `job=clerk`, `job=cook`.
    pub fn names(&self) -> Vec<String> {
        let names = |(name, encoding): &(String, Encoding)| match encoding {
            Encoding::Number { .. } => vec![name.clone()],
            Encoding::Category { levels } => levels.iter().map(|level| format!("{name}={level}")).collect(),
        };
        self.columns.iter().flat_map(names).collect()
    }

    /// `[rows, features]` of `f32`.
    ///
    /// # Errors
    /// When a column is missing, or holds numbers where training had categories, or the reverse.
    pub fn features(&self, table: &Table) -> Result<Tensor> {
        let width = self.width();
        let mut features = vec![0.0; table.rows * width];
        let mut first = 0;
        for (name, encoding) in &self.columns {
            let rows = features.chunks_exact_mut(width.max(1));
            match (encoding, table.column(name)?) {
                (Encoding::Number { mean, std }, Column::Numbers(values)) => {
                    let known = rows.zip(values).filter(|(_, value)| !value.is_nan());
                    known.for_each(|(row, value)| row[first] = ((value - mean) / std) as f32);
                    first += 1;
                }
                (Encoding::Category { levels }, Column::Categories { levels: there, codes }) => {
                    let known: Vec<Option<usize>> =
                        there.iter().map(|level| levels.binary_search(level).ok()).collect();
                    for (row, code) in rows.zip(codes) {
                        if let Some(level) = code.and_then(|code| known[code as usize]) {
                            row[first + level] = 1.0;
                        }
                    }
                    first += levels.len();
                }
                (_, found) => {
                    let found = if matches!(found, Column::Numbers(_)) { "numbers" } else { "categories" };
                    let message =
                        format!("the column {name:?} holds {found} here, but not where the encoder was fitted");
                    return Err(Error::invalid(message));
                }
            }
        }
        Ok(Tensor::from_vec(features, [table.rows, width]))
    }
}

/// The labels in a column of categories: `[rows]` of `i64`, positions in `levels` (those of the training table).
///
/// # Errors
/// When the column does not exist, holds numbers, or a label is missing or not one of `levels`; the line is named.
pub fn labels(table: &Table, column: &str, levels: &[String]) -> Result<Tensor> {
    let Column::Categories { levels: there, codes } = table.column(column)? else {
        let message = format!("the target {column:?} holds numbers; list it under `categories` to classify");
        return Err(Error::invalid(message));
    };
    let label = |(row, code): (usize, &Option<u32>)| {
        let text = code.map(|code| &there[code as usize]);
        let position = text.and_then(|text| levels.iter().position(|level| level == text));
        position.map(|position| position as i64).ok_or_else(|| {
            let found = text.map_or("missing".to_string(), |text| format!("{text:?}"));
            let line = table.lines[row];
            Error::invalid(format!("line {line}: the target {column:?} is {found}; expected one of {levels:?}"))
        })
    };
    let labels: Vec<i64> = codes.iter().enumerate().map(label).collect::<Result<_>>()?;
    Ok(Tensor::from_slice(&labels))
}

/// The numbers of a column, for regression: `[rows, 1]` of `f32`.
///
/// # Errors
/// When the column does not exist, holds categories, or a number is missing; the line is named.
pub fn numbers(table: &Table, column: &str) -> Result<Tensor> {
    let Column::Numbers(values) = table.column(column)? else {
        return Err(Error::invalid(format!("the target {column:?} holds categories, not numbers")));
    };
    if let Some(row) = values.iter().position(|value| value.is_nan()) {
        return Err(Error::invalid(format!("line {}: the target {column:?} is missing", table.lines[row])));
    }
    Ok(Tensor::from_vec(values.iter().map(|&value| value as f32).collect(), [table.rows, 1]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::csv::{Options, read};
    use crate::testing::{fails, folder};

    fn table(text: &str) -> Table {
        read(folder().write("table.csv", text), &Options::default()).unwrap()
    }

    #[test]
    fn features_of_training_and_of_new_rows() {
        let train = table("age,job,income\n10,cook,low\n30,clerk,high\n?,clerk,low\n");
        let encoder = Encoder::fit(&train, &["age", "job"]).unwrap();
        assert_eq!(encoder.names(), ["age", "job=clerk", "job=cook"]);
        // Mean 20, standard deviation 10.
        let expected = [-1.0, 0.0, 1.0, 1.0, 1.0, 0.0, 0.0, 1.0, 0.0];
        assert_eq!(encoder.features(&train).unwrap().to_vec::<f32>(), expected);
        let new = table("job,age\nbaker,25\n?,20\ncook,0\n");
        let features = encoder.features(&new).unwrap();
        assert_eq!(features.to_vec::<f32>(), [0.5, 0.0, 0.0, 0.0, 0.0, 0.0, -2.0, 0.0, 1.0]);
        fails(encoder.features(&table("age,job\n1,2\n")), &["\"job\" holds numbers here"]);
        fails(encoder.features(&table("age\n1\n")), &["no column `job`"]);
    }

    #[test]
    fn targets() {
        let table = table("income,size\nlow,1\nhigh,2.5\nlow,\n");
        let levels = ["high", "low"].map(String::from);
        assert_eq!(labels(&table, "income", &levels).unwrap().to_vec::<i64>(), [1, 0, 1]);
        fails(labels(&table, "income", &levels[1..]), &["line 3", "is \"high\"", "[\"low\"]"]);
        fails(labels(&table, "size", &levels), &["holds numbers"]);
        fails(numbers(&table, "size"), &["line 4: the target \"size\" is missing"]);
        fails(numbers(&table, "income"), &["holds categories"]);
    }
}
