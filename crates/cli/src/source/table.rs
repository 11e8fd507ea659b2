//! Tables in CSV files.

use super::{Source, TEST_BATCH, first, measured, parts, required};
use crate::preprocessing::Preprocessing;
use crate::recipe::Recipe;
use crate::trained::Trained;
use hadal::data::csv::{self, Column, Table};
use hadal::data::tabular::{self, Encoder};
use hadal::data::{Loader, Subset, TensorDataset};
use hadal::{Error, Result, Tensor};
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
    let (targets, classes) = targets(&table, &target, &labels).map_err(in_file)?;
    let [train, validation, test] = parts(recipe, table.rows, classes.as_deref()).map_err(in_file)?;
    // What is learned of a column is learned from the training rows alone.
    let encoder = Encoder::fit(&table.select(&train), &inputs).map_err(in_file)?;
    let all = Arc::new(TensorDataset::new(&encoder.features(&table).map_err(in_file)?, &targets));
    let part = |indices| Loader::new(Subset::new(all.clone(), indices), TEST_BATCH);
    Ok(Source {
        train: Loader::new(Subset::new(all.clone(), first(train, limit)), recipe.train.batch_size)
            .shuffle(recipe.train.seed),
        validation: (!validation.is_empty()).then(|| part(validation)),
        test: part(test),
        outputs: labels.len().max(1),
        labels,
        preprocessing: Preprocessing::Table { encoder, target },
    })
}

pub fn open_test(recipe: &Recipe, trained: &Trained, whole: bool) -> Result<Loader> {
    let Preprocessing::Table { encoder, target } = &trained.preprocessing else {
        return Err(Error::invalid("the model takes no rows of a table, but its recipe has one"));
    };
    let path = required(recipe, "the CSV file")?;
    let table = read(recipe, &path)?;
    let in_file = |error: Error| Error::file(&path, error);
    let (targets, classes) = targets(&table, target, &trained.labels).map_err(in_file)?;
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

/// Labels `[rows]`, or numbers `[rows, 1]` where there are no classes; and the class of every row.
fn targets(table: &Table, target: &str, labels: &[String]) -> Result<(Tensor, Option<Vec<usize>>)> {
    if labels.is_empty() {
        return Ok((tabular::numbers(table, target)?, None));
    }
    let classes = tabular::labels(table, target, labels)?;
    let places = classes.to_vec::<i64>().into_iter().map(|class| class as usize).collect();
    Ok((classes, Some(places)))
}
