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
    /// The root of the mean squared difference of the outputs, of their own.
    pub error: f64,
    /// What is lost on the samples that were looked at.
    pub drop: f64,
}

/// One for each range that makes products of bytes by itself, in the order of the model's layers; on the first batch of the
/// test data.
pub fn sensitivities(trained: &Trained, ranges: &Ranges, measure: &Measure) -> Result<Vec<Sensitivity>> {
    let expected = trained.forward(&measure.first)?;
    let (numbers, before) = (expected.to_f64_vec(), measure.score_of_first(&expected)?);
    let size = numbers.iter().map(|x| x * x).sum::<f64>();
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
        let apart = found.to_f64_vec().iter().zip(&numbers).map(|(a, b)| (a - b) * (a - b)).sum::<f64>();
        let drop = measure.drop(before, measure.score_of_first(&found)?);
        Ok(Sensitivity { name: layer(name), error: (apart / size.max(f64::MIN_POSITIVE)).sqrt(), drop })
    };
    inputs.into_iter().map(alone).collect()
}
