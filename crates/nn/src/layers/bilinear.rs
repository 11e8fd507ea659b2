//! `Bilinear`: a product of two inputs.

use crate::init::{Initialiser, Uniform};
use hadal_core::{Error, Module, Param, Result, Shape, Tag, Tensor};

/// `aᵀ·W·b + bias`: `[…, in1]` and `[…, in2]` to `[…, out]`.
///
/// `weight` is `[out, in1, in2]` and `bias` `[out]`, both drawn uniformly from ±1/√in1.
#[derive(Debug, Module)]
pub struct Bilinear {
    /// `[out, in1, in2]`
    pub weight: Param,
    /// `[out]`
    pub bias: Option<Param>,
    tag: Tag,
}

impl Bilinear {
    /// From `first` and `second` features to `outputs`.
    pub fn new(first: usize, second: usize, outputs: usize) -> Bilinear {
        let shape = Shape::from([outputs, first, second]);
        let bound = 1.0 / (first.max(1) as f64).sqrt();
        let uniform = Uniform::new(-bound, bound);
        let (weight, bias) = (uniform.draw(&shape), uniform.draw(&outputs.into()));
        Bilinear { weight: Param::new(weight), bias: Some(Param::new(bias)), tag: Tag::new("Bilinear") }
    }

    /// Without a bias.
    pub fn without_bias(self) -> Bilinear {
        Bilinear { bias: None, ..self }
    }

    /// The output for two inputs.
    #[track_caller]
    pub fn forward(&self, a: &Tensor, b: &Tensor) -> Tensor {
        self.tag.call(a, || self.apply(a, b))
    }

    /// `a·W` for all outputs at once, then the dot product with `b`.
    fn apply(&self, a: &Tensor, b: &Tensor) -> Result<Tensor> {
        let weight = self.weight.get();
        let [outputs, first, second] = weight.shape()[..] else { unreachable!("three axes") };
        let (outer, other) = (&a.shape()[..a.rank().saturating_sub(1)], &b.shape()[..b.rank().saturating_sub(1)]);
        if a.shape().last() != Some(&first) || b.shape().last() != Some(&second) || outer != other {
            let message = format!("needs inputs […, {first}] and […, {second}], got {} and {}", a.shape(), b.shape());
            return Err(Error::op("bilinear", message));
        }
        let rows: usize = outer.iter().product();
        let flat = weight.try_permute([1, 0, 2])?.try_reshape([first, outputs * second])?;
        let left = a.try_reshape([rows, first])?.try_matmul(flat)?.try_reshape([rows, outputs, second])?;
        let y = left.try_mul(b.try_reshape([rows, 1, second])?)?.try_sum(-1)?;
        let y = if let Some(bias) = &self.bias { y.try_add(bias.get())? } else { y };
        y.try_reshape(outer.iter().copied().chain([outputs]).collect::<Shape>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::recorded::compare_call;

    #[test]
    fn computes_what_pytorch_computes() {
        compare_call(
            "Bilinear",
            |a| {
                let size = |name| a.integer(name) as usize;
                Bilinear::new(size("in1_features"), size("in2_features"), size("out_features"))
            },
            |layer, x| layer.forward(&x[0], &x[1]),
        );
    }
}
