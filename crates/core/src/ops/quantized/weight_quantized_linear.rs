//! `weight_quantized_linear`: a dense layer whose weight is bytes in memory, and whose input and sums are numbers.

use crate::ops::prelude::*;
use crate::run::bytes::SignedBytes;
use hadal_kernels::quantized::multiply_bytes;
use std::sync::Arc;

/// `x f32 […, in], weight i8 [out, in], scales f32 [out], bias f32 [out] → y f32 […, out]`
#[derive(Debug)]
struct WeightQuantizedLinear;

/// The op for a weight `[out, in]`, and its inputs behind the first.
pub(crate) fn op(weight: &Tensor, bias: Option<&Tensor>) -> Result<(Arc<dyn Op>, Vec<Tensor>)> {
    let SignedBytes { values, scales, .. } = SignedBytes::of(weight)?;
    let bias = match bias {
        Some(bias) => bias.try_contiguous()?,
        None => Tensor::zeros([scales.len()]),
    };
    Ok((Arc::new(WeightQuantizedLinear), vec![Tensor::from_vec(values, weight.shape()), Tensor::from(scales), bias]))
}

impl Op for WeightQuantizedLinear {
    fn name(&self) -> &'static str {
        "weight_quantized_linear"
    }

    fn infer(&self, x: &[Meta]) -> Result<Metas> {
        let fail = |message: String| Err(Error::op(self.name(), message));
        let [outputs, features] = x[1].shape[..] else {
            return fail(format!("needs a weight of shape [out, in], got {}", x[1].shape));
        };
        let Some((&found, outer)) = x[0].shape.split_last().filter(|_| x[0].dtype == DType::F32) else {
            return fail(format!("needs f32 features, got {} {}", x[0].dtype, x[0].shape));
        };
        if found != features {
            return fail(format!("expects {features} features, got {found} (input {})", x[0].shape));
        }
        one(x[0].with_shape(outer.iter().copied().chain([outputs]).collect::<Shape>()))
    }

    fn run(&self, x: &[Input], y: &mut [Output]) {
        let (values, weight) = (x[0].contiguous::<f32>(), x[1].contiguous::<i8>());
        let (scales, bias) = (x[2].contiguous::<f32>(), x[3].contiguous::<f32>());
        multiply_bytes(x[1].shape()[1], &values, &weight, &scales, &bias, y[0].slice());
    }

    fn flops(&self, x: &[Meta], y: &[Meta]) -> u64 {
        2 * (y[0].shape.elements() * x[1].shape[1]) as u64
    }

    /// None: the layer is made for predictions.
    fn grad(&self, g: &Grad) -> Grads {
        vec![None; g.inputs()]
    }
}

/// Weights (1, 2, 127) and (−63.5, 0, 2.5), of which the first are bytes as they are, and the second in steps of 1/2.
fn by_hand(x: &Tensor) -> Result<Tensor> {
    let weight = Tensor::from([[1.0f32, 2.0, 127.0], [-63.5, 0.0, 2.5]]);
    let (_, others) = op(&weight, Some(&Tensor::from([0.5f32, -0.5])))?;
    let x = x.to_dtype(DType::F32);
    apply(WeightQuantizedLinear, &std::iter::once(&x).chain(&others).collect::<Vec<_>>())
}

pub(crate) fn cases() -> Cases {
    Cases::new("weight_quantized_linear", |_, x| vec![by_hand(&x[0]).unwrap_or_else(|e| e.raise())]).with(
        "by_hand",
        "{}",
        &[Tensor::from([[0.0f64, 0.25, 1.0], [-1.0, -1.0, 0.0]])],
        &[Tensor::from([[128.0f64, 2.0], [-2.5, 63.0]])],
    )
}
