//! Models whose products are of bytes, for predictions.

use super::calibration::{Calibration, Histogram};
use crate::metrics::Metric;
use hadal_core::compile::{Graphs, Int8, Ranges};
use hadal_core::{DType, Error, ModuleExt, Result, Tensor, attempt, no_grad};
use hadal_data::Loader;
use hadal_nn::Layer;
use std::collections::HashMap;

/// A model in evaluation mode that is run as a graph of bytes.
///
/// The weights are those of the model: when they change, they are quantized anew, and a static quantization should be
/// calibrated anew.
pub struct Quantized<'a, M> {
    model: &'a M,
    graphs: Graphs,
}

/// Dense layers with weights of bytes, one scale for each output; their inputs become bytes row by row, each with its own
/// range. Needs no data, and suits models of dense layers, such as transformers.
pub fn quantize_dynamic<M: Layer>(model: &M) -> Quantized<'_, M> {
    Quantized::new(model, Int8::Dynamic)
}

/// Convolutions and dense layers with weights of bytes, one scale for each output channel, and images that stay bytes from
/// one to the next: batch normalization, bounds such as ReLU, sums with shortcuts and max pooling happen on the way.
///
/// The ranges of images come from the inputs of `data`, a few hundred of which are enough; they should be like those that
/// the model will see.
///
/// # Errors
/// What reading the data or running the model gives, or if there is no data.
pub fn quantize_static<'a, M: Layer>(
    model: &'a M,
    data: &Loader,
    calibration: Calibration,
) -> Result<Quantized<'a, M>> {
    model.eval();
    let mut extremes: HashMap<usize, (f32, f32)> = HashMap::new();
    observe(model, data, &mut |value, x| {
        let (low, high) = extremes.entry(value).or_insert((0.0, 0.0));
        x.iter().filter(|x| x.is_finite()).for_each(|&x| (*low, *high) = (low.min(x), high.max(x)));
    })?;
    if extremes.is_empty() {
        let message = "found nothing to quantize: the data is empty, or the model has no convolution or dense layer";
        return Err(Error::op("quantize_static", message));
    }
    let ranges: Ranges = if calibration == Calibration::MinMax {
        extremes
    } else {
        let histogram = |(value, (low, high))| (value, Histogram::new(low, high));
        let mut histograms: HashMap<usize, Histogram> = extremes.into_iter().map(histogram).collect();
        observe(model, data, &mut |value, x| {
            if let Some(histogram) = histograms.get_mut(&value).filter(|histogram| histogram.low < histogram.high) {
                histogram.add(x);
            }
        })?;
        histograms.into_iter().map(|(value, histogram)| (value, histogram.range(calibration))).collect()
    };
    Ok(Quantized::new(model, Int8::Static(ranges)))
}

/// Shows the values whose ranges are needed, for every batch.
fn observe<M: Layer>(model: &M, data: &Loader, visit: &mut dyn FnMut(usize, &[f32])) -> Result<()> {
    let graphs = Graphs::default();
    no_grad(|| {
        data.epoch(0).try_for_each(|batch| {
            let forward = |x: &[Tensor]| Ok(vec![attempt(|| model.forward(&x[0]))?]);
            graphs.observe(&[&batch?.input], &forward, &mut |value, x| {
                visit(value, &x.to_dtype(DType::F32).to_vec::<f32>());
            })
        })
    })
}

impl<'a, M: Layer> Quantized<'a, M> {
    fn new(model: &'a M, int8: Int8) -> Quantized<'a, M> {
        model.eval();
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
