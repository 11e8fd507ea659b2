//! How much each layer suffers from eight bits: each alone.

use super::candidate::Measure;
use hadal::Trained;
use hadal::compile::{Int8, Ranges};
use hadal::prelude::*;
use hadal::train::compress::Quantized;

/// What becomes of the model when one value, and what reads it, is quantized.
pub struct Sensitivity {
    /// The value: see [`Ranges`].
    pub name: String,
    /// How far a sample's outputs are from what they were, relative to them: the median of the samples, since a few that lie
    /// beyond all ranges would hide the others.
    pub error: f64,
    /// What is lost on the samples that were looked at.
    pub drop: f64,
}

/// One for each range that makes products of bytes by itself, in the order of the model's layers; on the first batch of the
/// test data.
pub fn sensitivities(trained: &Trained, ranges: &Ranges, measure: &Measure) -> Result<Vec<Sensitivity>> {
    let expected = trained.forward(&measure.first)?;
    let before = measure.score_of_first(&expected)?;
    let mut order: Vec<String> = trained.model.named_parameters().into_iter().map(|(name, _)| name).collect();
    order.iter_mut().for_each(|name| name.truncate(name.rfind('.').unwrap_or(0)));
    let layer = |name: &str| name.rsplit_once('.').map_or(String::new(), |(layer, _)| layer.to_owned());
    let place = |name: &str| order.iter().position(|known| *known == layer(name));
    let mut inputs: Vec<&String> =
        ranges.keys().filter(|name| name.ends_with(".input") && place(name).is_some()).collect();
    inputs.sort_by_key(|name| place(name));
    let alone = |name: &String| {
        let range = Ranges::from([(name.clone(), ranges[name])]);
        let found = Quantized::new(&*trained.model, Int8::Static(range)).forward(&measure.first)?;
        let drop = measure.drop(before, measure.score_of_first(&found)?);
        Ok(Sensitivity { name: layer(name), error: median_error(&found, &expected), drop })
    };
    inputs.into_iter().map(alone).collect()
}

fn median_error(found: &Tensor, expected: &Tensor) -> f64 {
    let samples = expected.shape()[0].max(1);
    let (found, expected) = (found.to_f64_vec(), expected.to_f64_vec());
    let each = (expected.len() / samples).max(1);
    let norm = |x: &mut dyn Iterator<Item = f64>| x.map(|x| x * x).sum::<f64>().sqrt();
    let error = |(a, b): (&[f64], &[f64])| {
        let apart = norm(&mut a.iter().zip(b).map(|(a, b)| a - b));
        apart / norm(&mut b.iter().copied()).max(f64::MIN_POSITIVE)
    };
    let mut errors: Vec<f64> = found.chunks(each).zip(expected.chunks(each)).map(error).collect();
    errors.sort_by(f64::total_cmp);
    errors.get(errors.len() / 2).copied().unwrap_or(0.0)
}
