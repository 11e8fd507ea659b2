//! `Linear`: the dense layer.

use super::lazy::Lazy;
use super::weighted::Weighted;
use crate::init::Initialiser;
use crate::{Layer, compat};
use hadal_core::{Error, Module, Param, Result, Shape, Tag, Tensor};

/// `x·Wᵀ + b` over the last axis: `[…, in]` to `[…, out]`. Keras' `Dense`.
///
/// `weight` is `[out, in]` and `bias` `[out]`, both drawn uniformly from ±1/√in.
#[derive(Debug, Module)]
pub struct Linear {
    /// `[out, in]`
    pub weight: Param,
    /// `[out]`
    pub bias: Option<Param>,
    tag: Tag,
    #[module(config)]
    lazy: Option<Lazy>,
}

impl Linear {
    /// From `inputs` features to `outputs`.
    #[track_caller]
    pub fn new(inputs: usize, outputs: usize) -> Linear {
        if inputs == 0 || outputs == 0 {
            Error::op("Linear", format!("needs at least 1 feature each way, got {inputs} and {outputs}")).raise();
        }
        let (defaults, shape) = (compat::current(), Shape::from([outputs, inputs]));
        let weight = Param::new(defaults.weights().draw(&shape));
        Linear::from_params(weight, Some(Param::new(defaults.bias(outputs, &shape))))
    }

    /// To `outputs` features, from as many as the first input has.
    pub fn lazy(outputs: usize) -> Linear {
        let bias = Param::new(Tensor::zeros(outputs));
        Linear { lazy: Some(Lazy::new(outputs)), ..Linear::from_params(Lazy::param(), Some(bias)) }
    }

    /// Of given parameters: `weight` is `[out, in]`, `bias` `[out]`. A parameter of another layer is shared with it.
    pub fn from_params(weight: Param, bias: Option<Param>) -> Linear {
        Linear { weight, bias, tag: Tag::new("Linear"), lazy: None }
    }

    /// Without a bias.
    pub fn without_bias(self) -> Linear {
        Linear { bias: None, ..self }
    }

    /// Draws the weight anew.
    pub fn weight_init(self, init: impl Initialiser) -> Linear {
        init.fill(&self.weight);
        self
    }

    /// Draws the bias anew.
    pub fn bias_init(self, init: impl Initialiser) -> Linear {
        self.bias.iter().for_each(|bias| init.fill(bias));
        self
    }

    fn apply(&self, x: &Tensor) -> Result<Tensor> {
        if let Some(lazy) = &self.lazy {
            lazy.fill(&self.weight, |defaults, outputs| {
                let shape = Shape::from([outputs, x.shape().last().copied().unwrap_or(1)]);
                self.weight.replace(&defaults.weights().draw(&shape));
                self.bias.iter().for_each(|bias| bias.replace(&defaults.bias(outputs, &shape)));
            });
        }
        let weight = self.weight.get();
        suggest_flatten(x, &weight)?;
        let (x, weight) = self.tag.parametrized(x, weight)?;
        self.with_weight(&weight, &x)
    }
}

impl Weighted for Linear {
    fn weight(&self) -> &Param {
        &self.weight
    }

    fn output_axis(&self) -> usize {
        0
    }

    fn tag(&self) -> &Tag {
        &self.tag
    }

    fn with_weight(&self, weight: &Tensor, x: &Tensor) -> Result<Tensor> {
        x.try_linear(weight, self.bias.as_ref().map(Param::get).as_ref())
    }
}

/// An image put into a dense layer is the classic mistake: the axes after the batch have the right number of elements,
/// but are not one axis.
fn suggest_flatten(x: &Tensor, weight: &Tensor) -> Result<()> {
    let [_, features] = weight.shape()[..] else { return Ok(()) };
    match &x.shape()[..] {
        [_, rest @ ..] if rest.len() > 1 && rest.last() != Some(&features) => {
            if rest.iter().product::<usize>() != features {
                return Ok(());
            }
            let message = format!(
                "expects {features} features on the last axis, got {} (input {}); \
                 put Flatten before it: x.flatten(1, -1) has {features}",
                x.size(-1),
                x.shape()
            );
            Err(Error::op("linear", message))
        }
        _ => Ok(()),
    }
}

impl Layer for Linear {
    fn forward(&self, x: &Tensor) -> Tensor {
        self.tag.call(x, || self.apply(x))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::recorded::compare;
    use hadal_core::ModuleExt;

    #[test]
    fn computes_what_pytorch_computes() {
        compare("Linear", |a| {
            let layer = Linear::new(a.integer("in_features") as usize, a.integer("out_features") as usize);
            Box::new(if a.flag("bias") { layer } else { layer.without_bias() })
        });
    }

    #[test]
    fn a_lazy_layer_learns_its_size_once() {
        let layer = Linear::lazy(3);
        assert_eq!(layer.build(&[2, 5]), [2, 3]);
        assert_eq!(*layer.weight.get().shape(), [3, 5]);
        assert_eq!(layer.parameter_count(), 18);
        let before = layer.weight.get().to_bytes();
        layer.build(&[1, 5]);
        assert_eq!(layer.weight.get().to_bytes(), before);
    }

    #[test]
    fn an_image_asks_for_flatten() {
        let error = Linear::new(784, 128).apply(&Tensor::zeros([64, 1, 28, 28])).unwrap_err().to_string();
        assert_eq!(
            error,
            "linear expects 784 features on the last axis, got 28 (input [64, 1, 28, 28]); \
             put Flatten before it: x.flatten(1, -1) has 784"
        );
    }

    #[test]
    fn errors_name_the_layer() {
        let model = crate::seq![Linear::new(3, 4), Linear::new(5, 2)];
        model.named_state();
        let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| model.forward(&Tensor::zeros([1, 3]))));
        let message = *panic.unwrap_err().downcast::<String>().unwrap();
        assert_eq!(message, "1: linear expects 5 features, got 4 (input [1, 4]); use Linear::new(4, 2)");
    }
}
