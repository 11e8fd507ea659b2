//! `linear`: the affine map of a dense layer, `x·Wᵀ + b`.

use crate::op::require_one_float_type;
use crate::ops::prelude::*;
use crate::ops::quantized::dynamic_quantized_linear::dense;
use crate::run::matrix::Matrices;
use hadal_kernels::gemm::{GemmElement, Init, Mat, gemm, gemm_packed, pack_right, packed_right_len};
use hadal_kernels::reduce::sum_columns;
use std::sync::Arc;

/// `x […, in], weight [out, in] (, bias [out]) → y […, out]`
#[derive(Debug)]
struct Linear;

/// Rows for which a weight is packed: more of them pay for packing it anew, a part at a time.
const ROWS: usize = 256;

impl Rewrites for Linear {
    fn prepared(
        &self,
        inputs: &[Meta],
        given: &[Option<Tensor>],
        memo: &mut Memo,
    ) -> Option<(Arc<dyn Op>, Vec<Tensor>)> {
        let [outputs, features] = given[1].as_ref()?.shape()[..] else { return None };
        packed(&inputs[0], [outputs, features], false, given, memo)
    }

    fn on_bytes(&self, inputs: &[Meta], given: &[Option<Tensor>]) -> Option<OnBytes> {
        let weight = given[1].clone().filter(|weight| weight.dtype() == DType::F32)?;
        let bias = match given.get(2) {
            Some(bias) => Some(bias.clone()?),
            None => None,
        };
        let rows = inputs[0].shape[..inputs[0].shape.rank() - 1].iter().product();
        let shape = dense(rows, weight.shape()[1], weight.shape()[0]);
        Some(OnBytes::Products { shape, weight, bias, bounds: None })
    }
}

/// The product of `x` with a constant weight `[out, in]`, or `[in, out]` if it is `turned`, and what it reads behind `x`:
/// the weight, packed, and the other constants. None if there are too many rows.
pub(crate) fn packed(
    x: &Meta,
    [outputs, features]: [usize; 2],
    turned: bool,
    given: &[Option<Tensor>],
    memo: &mut Memo,
) -> Option<(Arc<dyn Op>, Vec<Tensor>)> {
    if x.shape.elements() > ROWS * features {
        return None;
    }
    let inputs = dispatch!(reals x.dtype, T => {
        let what = if turned { "packed, turned" } else { "packed" };
        memo.packed::<T>(what, given, packed_right_len::<T>(outputs, features), |weight, to| {
            let weight = if turned { Mat::row_major(weight, outputs) } else { Mat::transposed(weight, features) };
            pack_right(outputs, features, weight, to);
        })
    });
    Some((Arc::new(PackedLinear { outputs, features }), inputs?))
}

fn affine<T: Element + GemmElement>(x: &[Input], y: &mut Output) {
    let (rows, weight) = (Matrices::<T>::joined(&x[0]), Matrices::<T>::new(&x[1], x[1].layout()));
    let (outputs, features) = (x[1].shape()[0], x[1].shape()[1]);
    let bias = x.get(2).map(|b| b.contiguous::<T>());
    let init = bias.as_ref().map_or(Init::Zero, |b| Init::RowBias(b));
    let count = x[0].shape()[..x[0].shape().rank() - 1].iter().product();
    gemm(count, outputs, features, rows.first(), weight.first().t(), y.slice(), init);
}

impl Op for Linear {
    fn name(&self) -> &'static str {
        "linear"
    }

    fn kind(&self) -> Kind {
        Kind::Contraction
    }

    fn infer(&self, x: &[Meta]) -> Result<Metas> {
        let fail = |message: String| Err(Error::op(self.name(), message));
        let [outputs, features] = x[1].shape[..] else {
            return fail(format!("needs a weight of shape [out, in], got {}", x[1].shape));
        };
        let Some((&found, outer)) = x[0].shape.split_last() else {
            return fail(format!("needs an input with {features} features on its last axis, got a scalar"));
        };
        if found != features {
            let shape = &x[0].shape;
            return fail(format!(
                "expects {features} features, got {found} (input {shape}); use Linear::new({found}, {outputs})"
            ));
        }
        if let Some(bias) = x.get(2)
            && bias.shape != [outputs]
        {
            return fail(format!("needs a bias of shape [{outputs}], got {}", bias.shape));
        }
        require_one_float_type(self, x)?;
        one(x[0].with_shape(outer.iter().copied().chain([outputs]).collect::<Shape>()))
    }

    fn run(&self, x: &[Input], y: &mut [Output]) {
        dispatch!(reals y[0].dtype(), T => affine::<T>(x, &mut y[0]));
    }

    fn flops(&self, x: &[Meta], y: &[Meta]) -> u64 {
        2 * (y[0].shape.elements() * x[1].shape[1]) as u64
    }

    fn rewrites(&self) -> &dyn Rewrites {
        self
    }

    fn reads(&self) -> Reads {
        Reads { inputs: 0b11, outputs: 0 }
    }

    /// ∂/∂x = G·W, ∂/∂W = Gᵀ·x, ∂/∂b = the sum of G's rows.
    fn grad(&self, g: &Grad) -> Grads {
        let (outputs, features) = (g.meta(1).shape[0], g.meta(1).shape[1]);
        let rows: usize = g.meta(0).shape[..g.meta(0).shape.rank() - 1].iter().product();
        let incoming = g.of(0).reshape([rows, outputs]);
        let mut gradients = vec![
            g.when(0, || incoming.matmul(g.input(1)).reshape(&g.meta(0).shape)),
            g.when(1, || incoming.t().matmul(g.input(0).reshape([rows, features]))),
        ];
        if g.inputs() == 3 {
            gradients.push(g.when(2, || apply(ColumnSum, &[&incoming]).unwrap_or_else(|e| e.raise())));
        }
        gradients
    }

    fn onnx(&self, x: &Writer) -> Result<Values> {
        if x.meta(0).shape.rank() == 2 {
            return x.op("Gemm", &[("transB", true.into())]);
        }
        let product = x.node("MatMul", &[x.input(0), x.transpose(x.input(1), &[1, 0])], &[]);
        let bias = x.inputs().get(2);
        Ok(vec![bias.map_or(product, |&bias| x.node("Add", &[product, bias], &[]))])
    }
}

/// [`Linear`] in a graph, with a constant weight that is packed: `x […, in], packed (, bias [out]) → y […, out]`
#[derive(Debug)]
struct PackedLinear {
    outputs: usize,
    features: usize,
}

impl Op for PackedLinear {
    fn name(&self) -> &'static str {
        Linear.name()
    }

    fn kind(&self) -> Kind {
        Kind::Contraction
    }

    fn infer(&self, x: &[Meta]) -> Result<Metas> {
        let weight = x[1].with_shape([self.outputs, self.features]);
        Linear.infer(&[&[x[0].clone(), weight], &x[2..]].concat())
    }

    fn run(&self, x: &[Input], y: &mut [Output]) {
        let rows = y[0].shape().elements() / self.outputs.max(1);
        dispatch!(reals y[0].dtype(), T => {
            let bias = x.get(2).map(|bias| bias.contiguous::<T>());
            let (values, packed) = (x[0].contiguous::<T>(), x[1].contiguous::<T>());
            let sizes = [rows, self.outputs, self.features];
            gemm_packed(sizes, &values, &packed, bias.as_deref(), y[0].slice());
        });
    }

    fn flops(&self, _: &[Meta], y: &[Meta]) -> u64 {
        2 * (y[0].shape.elements() * self.features) as u64
    }

    fn grad(&self, _: &Grad) -> Grads {
        unreachable!("a graph is made after its gradients")
    }
}

/// `[rows, columns] → [columns]`: what [`Tensor::sum`] gives, in an order that suits tall matrices of many columns.
#[derive(Debug)]
struct ColumnSum;

impl Op for ColumnSum {
    fn name(&self) -> &'static str {
        "linear_bias_grad"
    }

    fn kind(&self) -> Kind {
        Kind::Reduce
    }

    fn infer(&self, x: &[Meta]) -> Result<Metas> {
        one(x[0].with_shape(x[0].shape[1]))
    }

    fn run(&self, x: &[Input], y: &mut [Output]) {
        let (rows, columns) = (x[0].shape()[0], x[0].shape()[1]);
        dispatch!(reals x[0].dtype(), T => sum_columns::<T>(&x[0].contiguous(), [1, rows, columns], y[0].slice()));
    }

    fn grad(&self, g: &Grad) -> Grads {
        vec![Some(g.of(0).expand(&g.meta(0).shape))]
    }
}

#[fallible]
impl Tensor {
    /// `self · weightᵀ + bias` over the last axis: `[…, in]` by `[out, in]` gives `[…, out]`, as PyTorch's `F.linear`.
    /// Half-precision inputs are multiplied and summed in `f32`.
    pub fn linear(&self, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
        let dtype = self.dtype();
        let wide = |t: &Tensor| if t.dtype() == dtype { t.try_to_dtype(dtype.compute()) } else { Ok(t.clone()) };
        let (x, weight) = (wide(self)?, wide(weight)?);
        match bias.map(wide).transpose()? {
            Some(bias) => apply(Linear, &[&x, &weight, &bias]),
            None => apply(Linear, &[&x, &weight]),
        }?
        .try_to_dtype(dtype)
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("linear", |_, x| vec![x[0].linear(&x[1], x.get(2))])
}

#[cfg(test)]
mod tests {
    use crate::{DType, Tensor};

    #[test]
    fn mistakes_are_explained() {
        let text = |x: &Tensor, w: &Tensor, b: Option<&Tensor>| x.try_linear(w, b).unwrap_err().to_string();
        let (x, w) = (Tensor::zeros([100, 2048]), Tensor::zeros([10, 800]));
        assert_eq!(
            text(&x, &w, None),
            "linear expects 800 features, got 2048 (input [100, 2048]); use Linear::new(2048, 10)"
        );
        let x = Tensor::zeros([100, 800]);
        assert_eq!(text(&x, &w, Some(&x)), "linear needs a bias of shape [10], got [100, 800]");
        assert_eq!(
            text(&x.to_dtype(DType::F64), &w, None),
            "linear got f64 and f32 tensors: convert one with .to_dtype(DType::F64)"
        );
        assert_eq!(
            text(&x.to_dtype(DType::I64), &w.to_dtype(DType::I64), None),
            "linear needs a floating-point tensor, got i64; convert with .to_dtype(DType::F32)"
        );
    }
}
