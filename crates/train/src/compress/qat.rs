//! Quantization-aware training: layers that compute with what eight bits leave of their inputs and weights, and so learn to
//! live with it (Jacob et al. 2018, arXiv 1712.05877).

use hadal_core::{Mode, Module, Param, Parametrization, Result, Tag, Tensor, Visitor, no_grad};
use std::sync::Arc;

/// How the range of a layer's input is found while it trains. It always holds 0.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Observer {
    /// From the least to the largest number seen: PyTorch's `MinMaxObserver`.
    MinMax,
    /// Of the least and the largest number of each batch, averages that a new batch has this share in, 0.01 in PyTorch's
    /// `MovingAverageMinMaxObserver`: an outlier is forgotten.
    MovingAverage(f64),
}

impl Default for Observer {
    /// A moving average with share 0.01, as in PyTorch.
    fn default() -> Observer {
        Observer::MovingAverage(0.01)
    }
}

/// Lets every dense layer and convolution of a model train with what eight bits leave of its input and weight. The gradient
/// is passed straight through.
///
/// Inputs are rounded to 256 steps of the range that is observed in training mode and kept as buffers
/// (`conv1.parametrization.low` and `high`); before the first batch they pass as they are. Weights are rounded to the steps
/// from −127 to 127 of each output channel's own scale, in the pass that uses them. A batch normalization behind a
/// convolution multiplies whole output channels, so that folding it changes the scales and no step: there is nothing to
/// prepare for it.
///
/// [`quantize_static`](super::quantize_static) takes the ranges that were learned. Add an optimizer as ever, before or
/// after: the parameters are the same.
pub fn prepare_qat(model: &(impl Module + ?Sized), observer: Observer) {
    parametrize(model, &|| Some(Arc::new(FakeQuantized::new(observer))));
}

/// Takes away what [`prepare_qat`] did; the weights stay.
pub fn remove_qat(model: &(impl Module + ?Sized)) {
    parametrize(model, &|| None);
}

fn parametrize(model: &(impl Module + ?Sized), make: &dyn Fn() -> Option<Arc<dyn Parametrization>>) {
    model.visit(&mut Layers(make));
}

/// Visits the layers whose products may be of bytes.
struct Layers<'a>(&'a dyn Fn() -> Option<Arc<dyn Parametrization>>);

impl Visitor for Layers<'_> {
    fn enter(&mut self, _: &str) {}
    fn leave(&mut self) {}
    fn param(&mut self, _: &Param) {}
    fn layer(&mut self, tag: &Tag) {
        if ["Linear", "Conv1d", "Conv2d", "Conv3d"].contains(&tag.kind()) {
            tag.parametrize((self.0)());
        }
    }
}

/// Rounds a layer's input and weight.
#[derive(Module)]
struct FakeQuantized {
    /// The range of the input, `f32` of rank 0; infinite before the first batch.
    low: Param,
    high: Param,
    #[module(config)]
    observer: Observer,
    mode: Mode,
}

impl FakeQuantized {
    fn new(observer: Observer) -> FakeQuantized {
        let [low, high] = [f32::INFINITY, f32::NEG_INFINITY].map(|value| Param::buffer(Tensor::from(value)));
        FakeQuantized { low, high, observer, mode: Mode::default() }
    }

    fn observe(&self, x: &Tensor) -> Result<()> {
        let (low, high) = x.detach().try_aminmax(..)?;
        let next = |old: Tensor, new: &Tensor, wider: Tensor| match self.observer {
            Observer::MinMax => Ok(wider),
            Observer::MovingAverage(share) => {
                let moved = old.try_add(new.try_sub(&old)?.try_mul(share)?)?;
                old.try_isinf()?.try_where_(new, moved)
            }
        };
        let (old_low, old_high) = (self.low.get(), self.high.get());
        let (wider_low, wider_high) = (old_low.try_minimum(&low)?, old_high.try_maximum(&high)?);
        self.low.set(&next(old_low, &low, wider_low)?)?;
        self.high.set(&next(old_high, &high, wider_high)?)
    }
}

impl Parametrization for FakeQuantized {
    fn input(&self, x: &Tensor) -> Result<Tensor> {
        let training = self.mode.is_training();
        if training && x.elements() > 0 {
            no_grad(|| self.observe(x))?;
        }
        let (low, high) = (self.low.get(), self.high.get());
        if !low.is_traced() && low.try_item::<f32>()?.is_infinite() {
            return Ok(x.clone());
        }
        let (from, to) = (low.try_clamp_max(0)?, high.try_clamp_min(0)?);
        let scale = to.try_sub(&from)?.try_div(255)?.try_clamp_min(f64::from(f32::EPSILON))?;
        let zero = from.try_neg()?.try_div(&scale)?.try_round()?.try_clamp(0, 255)?;
        let rounded = x.try_fake_quantize(&scale, &zero, 0..=255)?;
        // In a graph that evaluates, whether there was a batch is seen when it runs.
        if low.is_traced() && !training { low.try_isinf()?.try_where_(x, rounded) } else { Ok(rounded) }
    }

    fn weight(&self, weight: &Tensor) -> Result<Tensor> {
        let others: Vec<usize> = (1..weight.rank()).collect();
        let scale = no_grad(|| {
            let largest = weight.detach().try_abs()?.try_amax(&others[..])?;
            // Filters of zeros have any scale.
            largest.try_div(127)?.try_clamp_min(f64::from(f32::MIN_POSITIVE))
        })?;
        weight.try_fake_quantize_per_channel(&scale, &scale.zeros_like(), 0, -127..=127)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hadal_core::testing::{Fixture, assert_close};
    use hadal_core::{DType, ModuleExt};
    use hadal_nn::layers::{BatchNorm2d, Conv2d, Flatten, Linear, Relu};
    use hadal_nn::{Layer, seq, state_dict};

    #[test]
    fn observes_and_rounds_as_pytorch_does() {
        for (name, case) in Fixture::read("compress/observers").cases {
            let observer = match case.attributes.text("observer") {
                "min_max" => Observer::MinMax,
                _ => {
                    let options = case.attributes.get("options").expect("options");
                    Observer::MovingAverage(options["averaging_constant"].as_f64().expect("a number"))
                }
            };
            let fake = FakeQuantized::new(observer);
            let inputs = case.inputs(DType::F32);
            let mut found: Vec<Tensor> = inputs.iter().map(|x| fake.input(x).unwrap()).collect();
            fake.eval();
            found.extend([fake.low.get(), fake.high.get(), fake.input(&inputs[0]).unwrap()]);
            for (i, expected) in case.numbered("out") {
                assert_close(&found[i], expected, 2e-5, &format!("{name}: {i}"));
            }
        }
    }

    #[test]
    fn ranges_are_state_of_the_layer() {
        let model = seq![Conv2d::new(1, 2, 3), BatchNorm2d::new(2), Relu, Flatten::new(), Linear::new(8, 3)];
        let x = Tensor::randn([5, 1, 4, 4]);
        model.eval();
        let before = no_grad(|| model.forward(&x));
        prepare_qat(&model, Observer::default());
        model.eval();
        let ranges: Vec<String> = state_dict(&model).into_keys().filter(|name| name.contains("param")).collect();
        let expected =
            ["0.parametrization.high", "0.parametrization.low", "4.parametrization.high", "4.parametrization.low"];
        assert_eq!(ranges, expected);
        // Weights are rounded at once, inputs when there is a range.
        let weights_only = no_grad(|| model.forward(&x));
        model.train();
        model.forward(&x);
        model.eval();
        let rounded = no_grad(|| model.forward(&x));
        assert!(before.to_bytes() != weights_only.to_bytes() && weights_only.to_bytes() != rounded.to_bytes());
        remove_qat(&model);
        assert_eq!(state_dict(&model).len(), 9);
        model.forward(&x);
    }

    #[test]
    fn the_gradient_is_passed_straight_through() {
        let layer = Linear::new(3, 2).without_bias();
        prepare_qat(&layer, Observer::MinMax);
        let x = Tensor::from([[1.0f32, -2.0, 0.5]]);
        let gradient = layer.forward(&x).sum(..).backward().get(&layer.weight).unwrap().to_vec::<f32>();
        // That of the rounded input: −2 and 1 are ends of the range.
        let step = 3.0 / 255.0;
        let expected = [1.0, -2.0, 0.5, 1.0, -2.0, 0.5];
        assert!(
            gradient.iter().zip(expected).all(|(found, expected)| (found - expected).abs() <= step),
            "{gradient:?}"
        );
    }
}
