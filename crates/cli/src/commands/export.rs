//! `hadal export`: a trained model as an ONNX file.

use crate::args::Export as Options;
use crate::console::say;
use hadal::Trained;
use hadal::format::npy;
use hadal::onnx::{Export, Model};
use hadal::{Error, Meta, Result, Tensor, attempt, no_grad};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The largest difference from the model, relative to the largest number of its output, that counts as the same model:
/// other runtimes sum in other orders.
const TOLERANCE: f64 = 1e-4;

/// Runs a model whose path is the first argument on the array in the second, and saves the result to the third.
const BY_ONNXRUNTIME: &str = "
import sys, numpy, onnxruntime
session = onnxruntime.InferenceSession(sys.argv[1], providers=['CPUExecutionProvider'])
inputs = {session.get_inputs()[0].name: numpy.load(sys.argv[2])}
numpy.save(sys.argv[3], session.run(None, inputs)[0])
print('onnxruntime ' + onnxruntime.__version__)
";

/// Writes the file, and compares it with the model if asked to.
pub fn run(options: Options) -> Result<()> {
    let trained = Trained::read(&options.model)?;
    // The names under which the server gives the same.
    let output = match (trained.labels.is_empty(), trained.preprocessing.scale()) {
        (false, _) => "logits",
        (true, None) => "prediction",
        (true, Some(_)) => "standardized",
    };
    let export = Export::new([("input", meta(&trained, options.batch))]).outputs([output]);
    let export = match options.dynamic_batch {
        true => export.dynamic_batch(),
        false => export,
    };
    let export = export
        .metadata("hadal.architecture", &trained.name)
        .metadata("hadal.labels", json(&trained.labels)?)
        .metadata("hadal.preprocessing", json(&trained.preprocessing)?)
        .metadata("hadal.manifest", json(&trained.manifest)?);
    export.to_file(&options.output, &|x| attempt(|| vec![trained.model.forward(&x[0])]))?;
    say!("{} written to {}", trained.name, options.output.display());
    if options.verify {
        let batches = if options.dynamic_batch { vec![1, 3] } else { vec![options.batch] };
        batches.into_iter().try_for_each(|batch| verify(&trained, &options, batch))?;
    }
    Ok(())
}

fn json(value: &impl serde::Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|e| Error::invalid(format!("cannot be written as JSON: {e}")))
}

fn meta(trained: &Trained, batch: usize) -> Meta {
    let shape: Vec<usize> = [batch].into_iter().chain(trained.preprocessing.shape()).collect();
    Meta::new(shape, trained.model.input_dtype())
}

/// Compares the file with the model on one random batch.
fn verify(trained: &Trained, options: &Options, batch: usize) -> Result<()> {
    let Meta { shape, dtype, .. } = meta(trained, batch);
    let input = if dtype.is_float() { Tensor::randn(shape).to_dtype(dtype) } else { Tensor::randint(0, 2, shape) };
    let expected = no_grad(|| attempt(|| trained.model.forward(&input)))?;
    let model = Model::load(&options.output)?;
    let found = no_grad(|| model.run(&[("input", (&input).into())]))?;
    let found = found[0].tensor().ok_or_else(|| Error::invalid("the written model does not return a tensor"))?;
    compare("read again by Hadal", batch, found, &expected)?;
    match &options.python {
        None => Ok(()),
        Some(python) => {
            let (runtime, found) = by_onnxruntime(python, &options.output, &input)?;
            compare(&format!("run by {runtime}"), batch, &found, &expected)
        }
    }
}

/// Prints the largest difference; one that is too large is an error.
fn compare(how: &str, batch: usize, found: &Tensor, expected: &Tensor) -> Result<()> {
    if found.shape() != expected.shape() {
        return Err(Error::invalid(format!("{how}: the output has shape {}, not {}", found.shape(), expected.shape())));
    }
    let (found, expected) = (found.to_f64_vec(), expected.to_f64_vec());
    let apart = found.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    let scale = expected.iter().map(|b| b.abs()).fold(0.0, f64::max);
    let samples = if batch == 1 { "1 sample".to_owned() } else { format!("{batch} samples") };
    say!("{how}, {samples}: max |Δ| {apart:.1e} (largest output {scale:.3})");
    // NaN is no small difference.
    match apart <= TOLERANCE * scale.max(1e-30) || apart == 0.0 {
        true if found.iter().all(|x| !x.is_nan()) => Ok(()),
        _ => Err(Error::invalid(format!("{how}: the outputs are not those of the model"))),
    }
}

/// A folder for what is exchanged with another program, deleted at its end.
struct Exchange(PathBuf);

impl Drop for Exchange {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Name and version of the runtime, and its output.
fn by_onnxruntime(python: &Path, model: &Path, input: &Tensor) -> Result<(String, Tensor)> {
    let folder = std::env::temp_dir().join(format!("hadal-verify-{}", std::process::id()));
    std::fs::create_dir_all(&folder).map_err(|e| Error::file(&folder, format!("cannot be made: {e}")))?;
    let folder = Exchange(folder);
    let [given, made] = ["input.npy", "output.npy"].map(|name| folder.0.join(name));
    npy::write(&given, input)?;
    let run = Command::new(python).arg("-c").arg(BY_ONNXRUNTIME).arg(model).arg(&given).arg(&made).output();
    let output = run.map_err(|e| Error::file(python, format!("cannot be run: {e}")))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let last = said.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("it says nothing").to_owned();
        return Err(Error::file(python, format!("could not run the model: {last}")));
    }
    Ok((String::from_utf8_lossy(&output.stdout).trim().to_owned(), npy::read(&made)?))
}
