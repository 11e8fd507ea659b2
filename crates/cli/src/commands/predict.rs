//! `hadal predict`: labels for files.

use crate::args::Predict as Options;
use crate::console::{note, say};
use crate::recipe::Recipe;
use crate::source;
use hadal::Trained;
use hadal::data::image;
use hadal::data::preprocessing::Preprocessing;
use hadal::format::npy;
use hadal::prelude::*;
use serde_json::{Value, json};
use std::path::Path;

/// Prints the likeliest labels of every file with their probabilities, or the numbers predicted; of a table, those of
/// every row. A file that cannot be read is reported and the others are still done; the command then fails.
pub fn run(options: Options) -> Result<()> {
    let trained = Trained::read(&options.model)?;
    let mut results = Vec::new();
    let mut failed = 0;
    for path in &options.files {
        match predict(&trained, path, options.top) {
            Ok(found) => results.extend(found),
            Err(error) => {
                failed += 1;
                note!("error: {error}");
                results.push(json!({ "file": path.display().to_string(), "error": error.to_string() }));
            }
        }
    }
    if options.json {
        say!("{}", json!({ "predictions": results }));
    }
    match failed {
        0 => Ok(()),
        n => Err(Error::invalid(format!("{n} of {} files could not be used", options.files.len()))),
    }
}

/// The predictions for a file, printed.
fn predict(trained: &Trained, path: &Path, top: usize) -> Result<Vec<Value>> {
    let (inputs, lines) = read(trained, path)?;
    let numbers = trained.prediction(&trained.forward(&inputs)?).to_f64_vec();
    let rows = numbers.chunks((numbers.len() / inputs.shape()[0]).max(1)).enumerate();
    Ok(rows.map(|(row, numbers)| show(trained, path, lines.get(row).copied(), numbers, top)).collect())
}

/// Prints one prediction and returns it as JSON.
fn show(trained: &Trained, path: &Path, line: Option<usize>, numbers: &[f64], top: usize) -> Value {
    let mut prediction = json!({ "file": path.display().to_string() });
    let place = match line {
        Some(line) => format!("{} line {line}", path.display()),
        None => path.display().to_string(),
    };
    if let Some(line) = line {
        prediction["line"] = json!(line);
    }
    if trained.labels.is_empty() {
        say!("{place}: {}", numbers.iter().map(|value| format!("{value:.6}")).collect::<Vec<_>>().join(", "));
        match numbers {
            [value] => prediction["value"] = json!(value),
            _ => prediction["values"] = json!(numbers),
        }
        return prediction;
    }
    let mut ranked: Vec<(&String, f64)> = trained.labels.iter().zip(numbers.iter().copied()).collect();
    ranked.sort_by(|a, b| b.1.total_cmp(&a.1));
    ranked.truncate(top);
    let text: Vec<String> = ranked.iter().map(|(label, p)| format!("{label} {:.2} %", 100.0 * p)).collect();
    say!("{place}: {}", text.join(", "));
    let ranked: Vec<Value> = ranked.iter().map(|(label, p)| json!({ "label": label, "probability": p })).collect();
    prediction["label"] = ranked[0]["label"].clone();
    prediction["probabilities"] = json!(ranked);
    prediction
}

/// The inputs of a file, `[samples, …]`, and of a table the line of each: an image is resized and normalized; an array
/// must have the model's shape, bytes are taken as pixels and normalized, floats are taken as they are.
fn read(trained: &Trained, path: &Path) -> Result<(Tensor, Vec<usize>)> {
    if let Preprocessing::Table { encoder, .. } = &trained.preprocessing {
        let is_table = path.extension().is_some_and(|e| e.eq_ignore_ascii_case("csv"));
        if !is_table {
            return Err(Error::file(path, "the model takes rows of a table: give CSV files"));
        }
        let table = source::read_table(&Recipe::of(trained)?, path)?;
        let inputs = encoder.features(&table).map_err(|error| Error::file(path, error))?;
        return Ok((inputs, table.lines));
    }
    Ok((sample(trained, path)?.unsqueeze(0), Vec::new()))
}

fn sample(trained: &Trained, path: &Path) -> Result<Tensor> {
    let shape = trained.preprocessing.shape();
    let image = || trained.preprocessing.image().map_err(|error| Error::file(path, error));
    if path.extension().is_some_and(|e| e.eq_ignore_ascii_case("npy")) {
        let array = npy::read(path)?;
        // Grey images are often saved without their one channel.
        let array = if shape[0] == 1 && array.shape()[..] == shape[1..] { array.unsqueeze(0) } else { array };
        if array.shape()[..] != shape[..] {
            let message = format!("has shape {}, the model takes {shape:?}", array.shape());
            return Err(Error::file(path, message));
        }
        return match array.dtype() {
            DType::U8 => image()?.1.apply(&array, 0, 0, 0),
            _ => array.try_to_dtype(DType::F32),
        };
    }
    let (channels, pipeline) = image()?;
    pipeline.apply(&image::read(path, channels)?.tensor(), 0, 0, 0)
}
