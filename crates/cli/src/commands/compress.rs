//! `hadal compress`: the smallest form of a trained model that is still good enough.

mod candidate;
mod layers;
mod pruned;
mod table;

use crate::args::Compress as Options;
use crate::console::say;
use crate::source;
use candidate::{Candidate, Measure};
use hadal::format::model_file::ModelFile;
use hadal::prelude::*;
use hadal::train::compress::{Calibration, calibrate};
use hadal::{Compression, Trained};
use serde_json::json;

/// Every method by name, from the one that changes least.
const METHODS: [&str; 5] = ["f16", "bf16", "int8-weights", "int8-dynamic", "int8-static"];

/// Sizes that differ by less than this share are the same size: the faster is taken.
const SAME_SIZE: f64 = 0.02;

/// Tries every method, prints the table, and writes the smallest file that meets the targets.
///
/// # Errors
/// If none meets them; then nothing is written.
pub fn run(options: Options) -> Result<()> {
    let methods = methods(&options.methods)?;
    let calibration = calibration(&options.calibration)?;
    let file = ModelFile::read(&options.model)?;
    let trained = Trained::new(file.clone()).map_err(|error| Error::file(&options.model, error))?;
    if let Some(compression) = &trained.compression {
        let message = format!("is compressed already ({}): compress the original", compression.name());
        return Err(Error::file(&options.model, message));
    }
    let measure = Measure::new(&trained, source::open_test(&trained, options.data.clone())?)?;
    let few = source::open_training(&trained, options.data.clone(), Some(options.samples))?.train;

    let mut candidates = vec![Candidate::original(file.clone(), &measure)?];
    let mut versions = vec![("", file)];
    if let Some(share) = options.prune {
        let data = source::open_training(&trained, options.data.clone(), None)?;
        versions.push(("pruned ", pruned::train(&versions[0].1, data, share, options.epochs)?));
    }
    let mut layers = Vec::new();
    for (prefix, file) in &versions {
        let original = Trained::new(file.clone())?;
        for method in &methods {
            let compression = match *method {
                "f16" => Compression::F16,
                "bf16" => Compression::Bf16,
                "int8-weights" => Compression::Int8Weights,
                "int8-dynamic" => Compression::Int8Dynamic,
                _ => Compression::Int8Static { ranges: calibrate(&*original.model, &few, calibration)? },
            };
            if let (Compression::Int8Static { ranges }, true) = (&compression, layers.is_empty()) {
                layers = layers::sensitivities(&original, ranges, &measure)?;
            }
            candidates.push(Candidate::new(prefix, &compression, file, &measure)?);
        }
    }
    candidate::time(&mut candidates, &measure)?;
    let before = candidates[0].score;
    let drop = |candidate: &Candidate| measure.drop(before, candidate.score);
    let meets = |candidate: &&Candidate| {
        drop(candidate) <= options.max_drop + 1e-12 && options.target_size.is_none_or(|size| candidate.size <= size)
    };
    let chosen = choose(candidates.iter().skip(1).filter(meets));
    table::print(&candidates, chosen.map(|chosen| &*chosen.name), &layers, &measure);
    let report = json!({
        "model": trained.name,
        "samples": measure.samples(),
        "metric": measure.metric(),
        "max_drop": options.max_drop,
        "target_size": options.target_size,
        "candidates": candidates.iter().map(|candidate| json!({
            "method": candidate.name,
            "bytes": candidate.size,
            "milliseconds": candidate.milliseconds,
            measure.metric(): candidate.score,
            "drop": drop(candidate),
        })).collect::<Vec<_>>(),
        "layers": layers.iter().map(|layer| json!({
            "reads": layer.name,
            "error": layer.error,
            "drop": layer.drop,
        })).collect::<Vec<_>>(),
        "chosen": chosen.map(|chosen| &*chosen.name),
        "output": options.output.as_ref().filter(|_| chosen.is_some()).map(|path| path.display().to_string()),
    });
    let outcome = match (chosen, &options.output) {
        (Some(chosen), Some(path)) => {
            chosen.file.write(path)?;
            say!("{} written to {}", chosen.name, path.display());
            Ok(())
        }
        (Some(chosen), None) => {
            say!("{} is the one to take; give -o FILE to write it", chosen.name);
            Ok(())
        }
        (None, _) => Err(Error::invalid(refusal(&options, &candidates, &drop))),
    };
    if options.json {
        say!("{report}");
    }
    outcome
}

/// The smallest; of those that are about as small, the fastest.
fn choose<'a>(candidates: impl Iterator<Item = &'a Candidate> + Clone) -> Option<&'a Candidate> {
    let smallest = candidates.clone().map(|candidate| candidate.size).min()?;
    let near = |candidate: &&Candidate| candidate.size as f64 <= smallest as f64 * (1.0 + SAME_SIZE);
    candidates.filter(near).min_by(|a, b| a.milliseconds.total_cmp(&b.milliseconds))
}

/// What to say when nothing meets the targets.
fn refusal(options: &Options, candidates: &[Candidate], drop: &dyn Fn(&Candidate) -> f64) -> String {
    let percent = |share: f64| format!("{:.2} %", 100.0 * share);
    let mut wanted = vec![format!("loses at most {}", percent(options.max_drop))];
    wanted.extend(options.target_size.map(|size| format!("has at most {}", table::bytes(size))));
    let described = |candidate: &Candidate| {
        format!("{} has {} and loses {}", candidate.name, table::bytes(candidate.size), percent(drop(candidate)))
    };
    let good = candidates.iter().filter(|candidate| drop(candidate) <= options.max_drop + 1e-12);
    let nearest = good.min_by_key(|candidate| candidate.size).map_or(String::new(), |c| format!("; {}", described(c)));
    let hint = if options.prune.is_none() { "; --prune makes it smaller" } else { "" };
    format!("nothing that was tried {}{nearest}{hint}. No file was written", wanted.join(" and "))
}

fn methods(wanted: &[String]) -> Result<Vec<&'static str>> {
    if let Some(unknown) = wanted.iter().find(|name| !METHODS.contains(&name.as_str())) {
        return Err(Error::unknown("method", unknown, &METHODS));
    }
    let all = METHODS.into_iter();
    Ok(all.filter(|name| wanted.is_empty() || wanted.iter().any(|wanted| wanted == name)).collect())
}

fn calibration(name: &str) -> Result<Calibration> {
    match name {
        "min-max" => Ok(Calibration::MinMax),
        "percentile" => Ok(Calibration::Percentile(1e-4)),
        "entropy" => Ok(Calibration::Entropy),
        _ => Err(Error::unknown("calibration", name, &["min-max", "percentile", "entropy"])),
    }
}
