//! `matmul`: products of vectors, matrices and stacks of matrices.

use crate::ops::linear::linear::packed;
use crate::ops::prelude::*;
use crate::ops::quantized::dynamic_quantized_linear::dense;
use crate::run::map::Number;
use crate::run::matrix::Matrices;
use hadal_kernels::gemm::{GemmElement, HalfElement, Init, gemm_batched, gemm_half_batched};
use half::{bf16, f16};
use std::sync::Arc;

#[derive(Debug)]
struct Matmul;

/// The sizes of `[batch…, m, k] · [batch…, k, n]`; a vector counts as a row on the left and a column on the right.
struct Sizes {
    batch: Shape,
    m: usize,
    n: usize,
    k: usize,
}

impl Sizes {
    fn of(a: &Shape, b: &Shape) -> Result<Sizes> {
        let ([.., k], [.., _]) = (&a[..], &b[..]) else {
            let message = format!("needs operands with axes, got shapes {a} and {b}; multiply by a number with `*`");
            return Err(Error::op("matmul", message));
        };
        let (left, right) = (matrix_shape(a, 0), matrix_shape(b, 1));
        let ([a_batch @ .., m, _], [b_batch @ .., inner, n]) = (&left[..], &right[..]) else { unreachable!() };
        if k != inner {
            let fix = match (a.rank(), b.rank()) {
                (_, 2..) if k == n => "; transpose the right operand with .t()",
                (2.., _) if m == inner => "; transpose the left operand with .t()",
                _ => "",
            };
            let message = format!("needs equal inner sizes, got {k} and {inner} (shapes {a} and {b}){fix}");
            return Err(Error::op("matmul", message));
        }
        let batch = Shape::from(a_batch).broadcast(&b_batch.into(), "matmul")?;
        Ok(Sizes { batch, m: *m, n: *n, k: *k })
    }

    /// The shape of the stack of products.
    fn stacked(&self) -> Shape {
        self.batch.iter().copied().chain([self.m, self.n]).collect()
    }
}

/// The shape of an operand as matrices: a vector gets an axis of size 1 at `at`.
fn matrix_shape(shape: &Shape, at: usize) -> Shape {
    let mut shape = shape.clone();
    if shape.rank() == 1 {
        shape.sizes_mut().insert(at, 1);
    }
    shape
}

fn matrices<'a, T: Element>(x: &Input<'a>, at: usize) -> Matrices<'a, T> {
    let layout = x.layout();
    if layout.shape.rank() == 1 { Matrices::new(x, &layout.unsqueeze(at)) } else { Matrices::new(x, layout) }
}

fn floats<T: Element + GemmElement>(sizes: &Sizes, x: &[Input], y: &mut Output) {
    let (a, b) = (matrices::<T>(&x[0], 0), matrices::<T>(&x[1], 1));
    let (a_offsets, b_offsets) = (a.offsets(&sizes.batch), b.offsets(&sizes.batch));
    let Sizes { m, n, k, .. } = *sizes;
    gemm_batched(a_offsets.len(), m, n, k, a.first(), &a_offsets, b.first(), &b_offsets, y.slice(), Init::Zero);
}

/// Summed in `f32` and rounded once.
fn halves<T: Element + HalfElement>(sizes: &Sizes, x: &[Input], y: &mut Output) {
    let (a, b) = (matrices::<T>(&x[0], 0), matrices::<T>(&x[1], 1));
    let (a_offsets, b_offsets) = (a.offsets(&sizes.batch), b.offsets(&sizes.batch));
    let Sizes { m, n, k, .. } = *sizes;
    gemm_half_batched(a_offsets.len(), m, n, k, a.first(), &a_offsets, b.first(), &b_offsets, y.slice());
}

/// Whole numbers wrap, as in every other operation.
fn integers<T: Number>(sizes: &Sizes, x: &[Input], y: &mut Output) {
    let (a, b) = (x[0].contiguous::<T>(), x[1].contiguous::<T>());
    let offsets = |shape: Shape| {
        let stack = Layout::contiguous(&shape[..shape.rank() - 2]).broadcast_to(&sizes.batch);
        let size = shape[shape.rank() - 2] * shape[shape.rank() - 1];
        stack.positions().map(|i| i * size).collect::<Vec<_>>()
    };
    let (a_offsets, b_offsets) = (offsets(matrix_shape(x[0].shape(), 0)), offsets(matrix_shape(x[1].shape(), 1)));
    let Sizes { m, n, k, .. } = *sizes;
    y.slice::<T>().fill(T::default());
    for ((c, a_start), b_start) in y.slice::<T>().chunks_exact_mut((m * n).max(1)).zip(a_offsets).zip(b_offsets) {
        for (i, row) in c.chunks_exact_mut(n.max(1)).enumerate() {
            for p in 0..k {
                let factor = a[a_start + i * k + p];
                let terms = &b[b_start + p * n..][..n];
                row.iter_mut().zip(terms).for_each(|(c, &b)| *c = c.plus(factor.times(b)));
            }
        }
    }
}

impl Rewrites for Matmul {
    /// A dense layer, if the right operand is a matrix that does not change and the left has rows.
    fn prepared(
        &self,
        inputs: &[Meta],
        given: &[Option<Tensor>],
        memo: &mut Memo,
    ) -> Option<(Arc<dyn Op>, Vec<Tensor>)> {
        let [features, outputs] = given[1].as_ref()?.shape()[..] else { return None };
        let x = &inputs[0];
        let suits = x.shape.rank() >= 2 && matches!(x.dtype, DType::F32 | DType::F64);
        suits.then(|| packed(x, [outputs, features], true, given, memo))?
    }

    /// A dense layer, if the right operand is a matrix that does not change.
    fn on_bytes(&self, inputs: &[Meta], given: &[Option<Tensor>]) -> Option<OnBytes> {
        let weight = given[1].as_ref().filter(|weight| weight.rank() == 2 && weight.dtype() == DType::F32)?;
        let outer = inputs[0].shape.split_last()?.1;
        let shape = dense(outer.iter().product(), weight.shape()[0], weight.shape()[1]);
        Some(OnBytes::Products { shape, weight: weight.t(), bias: None, bounds: None })
    }
}

impl Op for Matmul {
    fn name(&self) -> &'static str {
        "matmul"
    }

    fn rewrites(&self) -> &dyn Rewrites {
        self
    }

    fn kind(&self) -> Kind {
        Kind::Contraction
    }

    fn infer(&self, x: &[Meta]) -> Result<Metas> {
        if x[0].dtype == DType::Bool {
            let message = "does not multiply bool matrices; convert with .to_dtype(DType::F32)".to_string();
            return Err(Error::op(self.name(), message));
        }
        let mut shape = Sizes::of(&x[0].shape, &x[1].shape)?.stacked();
        if x[1].shape.rank() == 1 {
            shape.sizes_mut().pop();
        }
        if x[0].shape.rank() == 1 {
            let row = shape.rank() - 1 - (x[1].shape.rank() > 1) as usize;
            shape.sizes_mut().remove(row);
        }
        one(x[0].with_shape(shape))
    }

    fn run(&self, x: &[Input], y: &mut [Output]) {
        let sizes = Sizes::of(x[0].shape(), x[1].shape()).expect("`infer` has checked the shapes");
        match y[0].dtype() {
            DType::F32 => floats::<f32>(&sizes, x, &mut y[0]),
            DType::F64 => floats::<f64>(&sizes, x, &mut y[0]),
            DType::F16 => halves::<f16>(&sizes, x, &mut y[0]),
            DType::BF16 => halves::<bf16>(&sizes, x, &mut y[0]),
            dtype => dispatch!(integers dtype, T => integers::<T>(&sizes, x, &mut y[0])),
        }
    }

    fn flops(&self, x: &[Meta], _: &[Meta]) -> u64 {
        let sizes = Sizes::of(&x[0].shape, &x[1].shape).expect("`infer` has checked the shapes");
        2 * (sizes.stacked().elements() * sizes.k) as u64
    }

    fn reads(&self) -> Reads {
        Reads::INPUTS
    }

    /// ∂/∂A = G·Bᵀ and ∂/∂B = Aᵀ·G, summed over the batch axes along which an operand was stretched.
    fn grad(&self, g: &Grad) -> Grads {
        let (a, b) = (&g.meta(0).shape, &g.meta(1).shape);
        let incoming = || g.of(0).reshape(Sizes::of(a, b).expect("`infer` has checked the shapes").stacked());
        let (left, right) = (matrix_shape(a, 0), matrix_shape(b, 1));
        vec![
            g.when(0, || incoming().matmul(g.input(1).reshape(&right).t()).sum_to(&left).reshape(a)),
            g.when(1, || g.input(0).reshape(&left).t().matmul(incoming()).sum_to(&right).reshape(b)),
        ]
    }

    fn onnx(&self, x: &Writer) -> Result<Values> {
        x.arithmetic("MatMul")
    }
}

#[fallible]
impl Tensor {
    /// The matrix product, as `torch.matmul`: `[…, m, k]` by `[…, k, n]` gives `[…, m, n]`, batch axes broadcast.
    /// A vector is a row on the left and a column on the right, and its axis is dropped from the result.
    ///
    /// Each element is one chain of fused multiply-adds in the order of k, whatever the layout or number of threads.
    /// Half-precision operands are multiplied and summed in `f32`, and the sums rounded once.
    ///
    /// ```
    /// # use hadal_core::Tensor;
    /// let a = Tensor::from([[1.0f32, 2.0], [3.0, 4.0]]);
    /// let b = Tensor::from([[1.0f32, 0.0], [1.0, 1.0]]);
    /// assert_eq!(a.matmul(&b).to_vec::<f32>(), [3.0, 2.0, 7.0, 4.0]);
    /// assert_eq!(a.matmul(Tensor::from([1.0f32, 1.0])).to_vec::<f32>(), [3.0, 7.0]);
    /// ```
    pub fn matmul(&self, other: impl Operand) -> Result<Tensor> {
        let other = other.beside(self);
        Sizes::of(self.shape(), other.shape())?;
        let (a, b) = self.promoted(other)?;
        match (&a.shape()[..], b.rank()) {
            // One large product instead of a batch of small ones.
            ([outer @ .., k], 1 | 2) if outer.len() > 1 => {
                let rows: usize = outer.iter().product();
                let columns = &b.shape()[1..];
                let shape: Shape = outer.iter().chain(columns).copied().collect();
                apply(Matmul, &[&a.try_reshape([rows, *k])?, &b])?.try_reshape(shape)
            }
            _ => apply(Matmul, &[&a, &b]),
        }
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("matmul", |a, x| {
        let right = x.get(1).unwrap_or(&x[0]);
        vec![match a.torch() {
            "a b -> a.t() @ b" => x[0].t().matmul(right),
            "a b -> a @ b.t()" => x[0].matmul(right.t()),
            _ => x[0].matmul(right),
        }]
    })
}

#[cfg(test)]
mod tests {
    use crate::{DType, Tensor};

    #[test]
    fn mistakes_are_explained() {
        let text = |a: &Tensor, b: &Tensor| a.try_matmul(b).unwrap_err().to_string();
        assert_eq!(
            text(&Tensor::zeros([2, 4]), &Tensor::zeros([3, 4])),
            "matmul needs equal inner sizes, got 4 and 3 (shapes [2, 4] and [3, 4]); \
             transpose the right operand with .t()"
        );
        assert_eq!(
            text(&Tensor::zeros([5, 2, 4]), &Tensor::zeros([3, 2])),
            "matmul needs equal inner sizes, got 4 and 3 (shapes [5, 2, 4] and [3, 2])"
        );
        assert_eq!(
            text(&Tensor::from(2f32), &Tensor::zeros([3])),
            "matmul needs operands with axes, got shapes [] and [3]; multiply by a number with `*`"
        );
    }

    #[test]
    fn half_precision_sums_in_f32() {
        // 2048 + 1 is not a half-precision number: summed in f16 the ones would be lost.
        let a = Tensor::from([2048.0f32, 1.0, 1.0]).to_dtype(DType::F16);
        let y = a.matmul(a.ones_like());
        assert_eq!((y.dtype(), y.item::<f32>()), (DType::F16, 2050.0));
    }

    #[test]
    fn half_precision_equals_pytorch() {
        let a = [[0.1f32, -2.3, 4.7], [100.25, 0.003, -7.9]];
        let b = [[1.7f32, 0.33], [-0.9, 12.5], [3.1, -0.07]];
        let incoming = [[1.0f32, 0.5], [-0.25, 2.0]];
        // PyTorch 2.15 on a CPU: a @ b, and the gradients of a and b.
        let expected = [
            (
                DType::F16,
                [16.8125, -29.0625, 146.0, 33.6875],
                [1.865234375, 5.3515625, 3.064453125, 0.235107421875, 25.21875, -0.9150390625],
                [-24.96875, 200.5, -2.30078125, -1.14453125, 6.671875, -13.4453125],
            ),
            (
                DType::BF16,
                [16.75, -29.0, 146.0, 33.5],
                [1.8671875, 5.34375, 3.0625, 0.234375, 25.25, -0.9140625],
                [-24.875, 200.0, -2.296875, -1.140625, 6.65625, -13.5],
            ),
        ];
        for (dtype, y, of_a, of_b) in expected {
            let leaf = |x: Tensor| x.to_dtype(dtype).requires_grad();
            let (a, b) = (leaf(Tensor::from(a)), leaf(Tensor::from(b)));
            let product = a.matmul(&b);
            let gradients = product.backward_from(&Tensor::from(incoming).to_dtype(dtype));
            assert_eq!(product.to_f64_vec(), y);
            for (leaf, expected) in [(&a, of_a), (&b, of_b)] {
                let gradient = gradients.of(leaf).unwrap();
                assert_eq!((gradient.dtype(), gradient.to_f64_vec()), (dtype, expected.to_vec()));
            }
        }
    }
}
