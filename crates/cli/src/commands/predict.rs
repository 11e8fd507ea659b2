//! `hadal predict`: labels for files.

use crate::args::Predict as Options;
use crate::trained::Trained;
use hadal::attempt;
use hadal::data::image;
use hadal::format::npy;
use hadal::prelude::*;
use serde_json::{Value, json};
use std::path::Path;

/// Prints the likeliest labels of every file with their probabilities. A file that cannot be read is reported and the
/// others are still done; the command then fails.
pub fn run(options: Options) -> Result<()> {
    let trained = Trained::read(&options.model)?;
    let mut results = Vec::new();
    let mut failed = 0;
    for path in &options.files {
        match predict(&trained, path, options.top) {
            Ok(result) => results.push(result),
            Err(error) => {
                failed += 1;
                eprintln!("error: {error}");
                results.push(json!({ "file": path.display().to_string(), "error": error.to_string() }));
            }
        }
    }
    if options.json {
        println!("{}", json!({ "predictions": results }));
    }
    match failed {
        0 => Ok(()),
        n => Err(Error::invalid(format!("{n} of {} files could not be used", options.files.len()))),
    }
}

fn predict(trained: &Trained, path: &Path, top: usize) -> Result<Value> {
    let input = read(trained, path)?;
    let output = no_grad(|| attempt(|| trained.model.forward(&input.unsqueeze(0))))?;
    let name = path.display().to_string();
    if trained.labels.is_empty() {
        let values = output.to_f64_vec();
        println!("{name}: {}", values.iter().map(|value| format!("{value:.6}")).collect::<Vec<_>>().join(", "));
        return Ok(match values[..] {
            [value] => json!({ "file": name, "value": value }),
            _ => json!({ "file": name, "values": values }),
        });
    }
    let probabilities = output.softmax(1).to_f64_vec();
    let mut ranked: Vec<(&String, f64)> = trained.labels.iter().zip(probabilities).collect();
    ranked.sort_by(|a, b| b.1.total_cmp(&a.1));
    ranked.truncate(top);
    let text: Vec<String> = ranked.iter().map(|(label, p)| format!("{label} {:.2} %", 100.0 * p)).collect();
    println!("{name}: {}", text.join(", "));
    let ranked: Vec<Value> = ranked.iter().map(|(label, p)| json!({ "label": label, "probability": p })).collect();
    Ok(json!({ "file": name, "label": ranked[0]["label"], "probabilities": ranked }))
}

/// The input of a file: an image is resized and normalized; an array must have the model's shape, bytes are taken as
/// pixels and normalized, floats are taken as they are.
fn read(trained: &Trained, path: &Path) -> Result<Tensor> {
    let shape = trained.preprocessing.shape();
    let image = || trained.preprocessing.image().map_err(|error| Error::file(path, error));
    if path.extension().is_some_and(|e| e.eq_ignore_ascii_case("npy")) {
        let array = npy::read(path)?;
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
