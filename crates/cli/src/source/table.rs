//! Tables in CSV files.

use super::{Source, TEST_BATCH, first, measured, parts, required};
use crate::console::note;
use crate::recipe::Recipe;
use hadal::data::csv::{self, Column, Table};
use hadal::data::preprocessing::{Preprocessing, Scale};
use hadal::data::tabular::{self, Encoder};
use hadal::data::{Loader, Subset, TensorDataset};
use hadal::{Error, Result, Tensor, Trained};
use std::path::Path;
use std::sync::Arc;

pub fn open(recipe: &Recipe, limit: Option<usize>) -> Result<Source> {
    let path = required(recipe, "the CSV file")?;
    let table = read(recipe, &path)?;
    let in_file = |error: Error| Error::file(&path, error);
    recipe.data.categories.iter().try_for_each(|name| table.column(name).map(drop)).map_err(in_file)?;
    let target = target(recipe, &table).map_err(in_file)?;
    // Categories are classes, numbers are to be predicted as they are.
    let labels = match table.column(&target)? {
        Column::Categories { levels, .. } => levels.clone(),
        Column::Numbers(_) => Vec::new(),
    };
    let inputs: Vec<&str> = table.names.iter().map(String::as_str).filter(|name| *name != target).collect();
    if inputs.is_empty() {
        let hint = match target.chars().find(|c| [';', '\t', '|'].contains(c)) {
            Some(c) => format!("; its cells seem to be separated by {c:?}: set data.delimiter in a recipe"),
            None => String::new(),
        };
        let message =
            format!("has only one column, {target:?}, and that is the target: nothing to predict it from{hint}");
        return Err(Error::file(&path, message));
    }
    if labels.len() == 1 {
        return Err(in_file(Error::invalid(format!("the target {target:?} is always {:?}", labels[0]))));
    }
    let classes = classes(&table, &target, &labels).map_err(in_file)?;
    let [train, validation, test] = parts(recipe, table.rows, classes.as_deref()).map_err(in_file)?;
    // What is learned of a column is learned from the training rows alone.
    let learned = table.select(&train);
    let encoder = Encoder::fit(&learned, &inputs).map_err(in_file)?;
    let scale = if labels.is_empty() { Some(scale(&learned, &target).map_err(in_file)?) } else { None };
    let targets = targets(&table, &target, classes.as_deref(), scale).map_err(in_file)?;
    let all = Arc::new(TensorDataset::new(&encoder.features(&table).map_err(in_file)?, &targets));
    let part = |indices| Loader::new(Subset::new(all.clone(), indices), TEST_BATCH);
    Ok(Source {
        train: Loader::new(Subset::new(all.clone(), first(train, limit)), recipe.train.batch_size)
            .shuffle(recipe.train.seed),
        validation: (!validation.is_empty()).then(|| part(validation)),
        test: part(test),
        outputs: labels.len().max(1),
        labels,
        preprocessing: Preprocessing::Table { encoder, target, scale },
    })
}

pub fn open_test(recipe: &Recipe, trained: &Trained, whole: bool) -> Result<Loader> {
    let Preprocessing::Table { encoder, target, scale } = &trained.preprocessing else {
        return Err(Error::invalid("the model takes no rows of a table, but its recipe has one"));
    };
    let path = required(recipe, "the CSV file")?;
    let table = read(recipe, &path)?;
    let in_file = |error: Error| Error::file(&path, error);
    let classes = classes(&table, target, &trained.labels).map_err(in_file)?;
    let targets = targets(&table, target, classes.as_deref(), *scale).map_err(in_file)?;
    let all = TensorDataset::new(&encoder.features(&table).map_err(in_file)?, &targets);
    measured(all, recipe, classes.as_deref(), whole)
}

/// A table read as the recipe says.
pub fn read(recipe: &Recipe, path: &Path) -> Result<Table> {
    let mut options = csv::Options { categories: recipe.data.categories.clone(), ..csv::Options::default() };
    options.delimiter = recipe.data.delimiter.map_or(options.delimiter, |delimiter| delimiter as u8);
    options.missing.extend(recipe.data.missing.iter().cloned());
    csv::read(path, &options)
}

/// The target's name: the one that the recipe says, else that of the last column.
fn target(recipe: &Recipe, table: &Table) -> Result<String> {
    match &recipe.data.target {
        Some(name) => table.column(name).map(|_| name.clone()),
        None => Ok(table.names.last().expect("a table has columns").clone()),
    }
}

/// The class of every row; `None` where there are no classes.
fn classes(table: &Table, target: &str, labels: &[String]) -> Result<Option<Vec<usize>>> {
    if labels.is_empty() {
        return Ok(None);
    }
    let classes = tabular::labels(table, target, labels)?.to_vec::<i64>();
    Ok(Some(classes.into_iter().map(|class| class as usize).collect()))
}

/// What is known of the numbers to predict, from the rows that are learned from.
fn scale(learned: &Table, target: &str) -> Result<Scale> {
    let values = tabular::numbers(learned, target)?.to_f64_vec();
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let variance = values.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / values.len() as f64;
    let mut distinct = values.clone();
    distinct.sort_by(f64::total_cmp);
    distinct.dedup();
    if distinct.len() <= FEW && distinct.iter().all(|x| x.fract() == 0.0) && values.len() > 2 * distinct.len() {
        note!(
            "warning: the target {target:?} has only {} different values, all whole numbers, and is taken for a quantity; \
             if they are classes, list it in data.categories of a recipe",
            distinct.len()
        );
    }
    Ok(Scale { mean, std: if variance > 0.0 { variance.sqrt() } else { 1.0 } })
}

/// Up to this many different whole numbers look like classes.
const FEW: usize = 10;

/// Labels `[rows]`, or standardized numbers `[rows, 1]` where there are no classes.
fn targets(table: &Table, target: &str, classes: Option<&[usize]>, scale: Option<Scale>) -> Result<Tensor> {
    if let Some(classes) = classes {
        return Ok(Tensor::from_slice(&classes.iter().map(|&class| class as i64).collect::<Vec<_>>()));
    }
    let Scale { mean, std } = scale.unwrap_or(Scale { mean: 0.0, std: 1.0 });
    tabular::numbers(table, target)?.try_sub(mean)?.try_div(std)
}
