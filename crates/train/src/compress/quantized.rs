//! Models whose products are of bytes, for predictions.

use super::calibration::{Calibration, Histogram};
use crate::metrics::Metric;
use hadal_core::compile::{Graphs, Int8, Ranges, Visit};
use hadal_core::{DType, Error, ModuleExt, Result, Tensor, attempt, no_grad};
use hadal_data::Loader;
use hadal_nn::Layer;
use std::collections::HashMap;

/// A model in evaluation mode that is run as a graph of bytes.
///
/// The weights are those of the model: when they change, they are quantized anew, and a static quantization should be
/// calibrated anew.
pub struct Quantized<'a, M: ?Sized> {
    model: &'a M,
    graphs: Graphs,
}

/// Dense layers with weights of bytes, one scale for each output; their inputs become bytes row by row, each with its own
/// range. Needs no data, and suits models of dense layers, such as transformers.
pub fn quantize_dynamic<M: Layer + ?Sized>(model: &M) -> Quantized<'_, M> {
    Quantized::new(model, Int8::Dynamic)
}

/// Weights of bytes, one scale for each output channel, in the order of numbers: dense layers read a quarter of the memory,
/// which is what few inputs at once wait for; convolutions take as long as ever. Needs no data.
pub fn quantize_weights<M: Layer + ?Sized>(model: &M) -> Quantized<'_, M> {
    Quantized::new(model, Int8::Weights)
}

/// Convolutions and dense layers with weights of bytes, one scale for each output channel, and images that stay bytes from
/// one to the next: batch normalization, bounds such as ReLU, sums with shortcuts and max pooling happen on the way.
///
/// The ranges of images come from the inputs of `data`: see [`calibrate`].
///
/// # Errors
/// What reading the data or running the model gives, or if there is no data.
pub fn quantize_static<'a, M: Layer + ?Sized>(
    model: &'a M,
    data: &Loader,
    calibration: Calibration,
) -> Result<Quantized<'a, M>> {
    Ok(Quantized::new(model, Int8::Static(calibrate(model, data, calibration)?)))
}

/// The ranges of the values that a static quantization needs, from the inputs of `data`, a few hundred of which are enough;
/// they should be like those that the model will see. What a model learned in
/// [quantization-aware training](super::prepare_qat) stays what it is.
///
/// # Errors
/// What reading the data or running the model gives, or if there is no data.
pub fn calibrate<M: Layer + ?Sized>(model: &M, data: &Loader, calibration: Calibration) -> Result<Ranges> {
    model.eval();
    model.named_state(); // ranges are named after layers
    let (mut learned, mut extremes) = (Ranges::new(), Ranges::new());
    observe(model, data, &mut |name, x, range| {
        if let Some(range) = range {
            learned.insert(name.to_owned(), range);
            return;
        }
        let (low, high) = entry(&mut extremes, name);
        let finite = numbers(x).into_iter().filter(|x| x.is_finite());
        finite.for_each(|x| (*low, *high) = (low.min(x), high.max(x)));
    })?;
    if learned.is_empty() && extremes.is_empty() {
        let message = "found nothing to quantize: the data is empty, or the model has no convolution or dense layer";
        return Err(Error::op("calibrate", message));
    }
    if calibration != Calibration::MinMax && !extremes.is_empty() {
        let histogram = |(name, (low, high))| (name, Histogram::new(low, high));
        let mut histograms: HashMap<String, Histogram> = extremes.into_iter().map(histogram).collect();
        observe(model, data, &mut |name, x, _| {
            if let Some(histogram) = histograms.get_mut(name).filter(|histogram| histogram.low < histogram.high) {
                histogram.add(&numbers(x));
            }
        })?;
        extremes = histograms.into_iter().map(|(name, histogram)| (name, histogram.range(calibration))).collect();
    }
    extremes.extend(learned);
    Ok(extremes)
}

fn entry<'a>(ranges: &'a mut Ranges, name: &str) -> &'a mut (f32, f32) {
    if !ranges.contains_key(name) {
        ranges.insert(name.to_owned(), (0.0, 0.0));
    }
    ranges.get_mut(name).expect("just inserted")
}

/// Shows the values whose ranges are needed, for every batch, with those that were learned.
fn observe<M: Layer + ?Sized>(model: &M, data: &Loader, visit: Visit) -> Result<()> {
    let graphs = Graphs::default();
    let forward = |x: &[Tensor]| Ok(vec![attempt(|| model.forward(&x[0]))?]);
    no_grad(|| data.epoch(0).try_for_each(|batch| graphs.observe(&[&batch?.input], &forward, &mut *visit)))
}

fn numbers(x: &Tensor) -> Vec<f32> {
    x.to_dtype(DType::F32).to_vec()
}

impl<'a, M: Layer + ?Sized> Quantized<'a, M> {
    /// A model that is run in this way.
    pub fn new(model: &'a M, int8: Int8) -> Quantized<'a, M> {
        model.eval();
        model.named_state(); // ranges are named after layers
        let mut graphs = Graphs::default();
        graphs.quantize(int8);
        Quantized { model, graphs }
    }

    /// What the model makes of a batch.
    ///
    /// # Errors
    /// What the model refuses.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let forward = |x: &[Tensor]| Ok(vec![attempt(|| self.model.forward(&x[0]))?]);
        no_grad(|| Ok(self.graphs.call(&[x], &forward)?.swap_remove(0)))
    }

    /// A metric over all samples.
    ///
    /// # Errors
    /// What reading the data or running the model gives.
    pub fn measure(&self, data: &Loader, metric: &mut dyn Metric) -> Result<f64> {
        metric.reset();
        for batch in data.epoch(0) {
            let batch = batch?;
            metric.update(&self.forward(&batch.input)?, &batch.target)?;
        }
        Ok(metric.value())
    }
}
