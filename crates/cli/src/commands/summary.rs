//! `hadal summary`: a model's layers, shapes, parameters and FLOPs.

use crate::args::Summary as Options;
use crate::console::say;
use hadal::models::{self, Spec};
use hadal::nn::summary;
use hadal::{Result, Trained, attempt};
use std::path::Path;

/// Prints the table for a model by name or in a file.
pub fn run(options: Options) -> Result<()> {
    let path = Path::new(&options.model);
    let (model, input) = if path.exists() {
        let trained = Trained::read(path)?;
        (trained.model, trained.preprocessing.shape())
    } else {
        let spec = Spec { input: options.input, outputs: options.classes };
        (models::build(&options.model, &spec)?, spec.input)
    };
    say!("{}", attempt(|| summary(&*model, &input))?);
    Ok(())
}
