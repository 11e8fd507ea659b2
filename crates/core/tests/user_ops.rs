//! An operation made outside of the crate, by the same trait as its own.

use hadal_core::grad::{Grad, Grads};
use hadal_core::op::{Input, Kind, Metas, Op, Output, Reads, apply, broadcast, one, require_float};
use hadal_core::testing::{gradient_check, gradient_check_twice};
use hadal_core::{DType, Error, Result, Tensor, dispatch};

/// `a·b + c` of elements, for `f32` and `f64`.
#[derive(Debug)]
struct MultiplyAdd;

impl Op for MultiplyAdd {
    fn name(&self) -> &'static str {
        "multiply_add"
    }

    fn kind(&self) -> Kind {
        Kind::Map
    }

    fn infer(&self, x: &[hadal_core::Meta]) -> Result<Metas> {
        require_float(self, &x[0])?;
        if !matches!(x[0].dtype, DType::F32 | DType::F64) {
            return Err(Error::op(self.name(), format!("computes f32 and f64, got {}", x[0].dtype)));
        }
        let product = broadcast(self, &x[..2])?;
        one(broadcast(self, &[product, x[2].clone()])?)
    }

    fn run(&self, x: &[Input], y: &mut [Output]) {
        let shape = y[0].shape().clone();
        dispatch!(reals y[0].dtype(), T => {
            let read = |i: usize| x[i].arranged::<T>(&x[i].layout().broadcast_to(&shape));
            let (a, b, c) = (read(0), read(1), read(2));
            for (i, y) in y[0].slice::<T>().iter_mut().enumerate() {
                *y = a[i] * b[i] + c[i];
            }
        });
    }

    fn reads(&self) -> Reads {
        Reads { inputs: 0b11, outputs: 0 }
    }

    fn grad(&self, g: &Grad) -> Grads {
        vec![
            g.when(0, || g.of(0).mul(g.input(1)).sum_to(&g.meta(0).shape)),
            g.when(1, || g.of(0).mul(g.input(0)).sum_to(&g.meta(1).shape)),
            g.when(2, || g.of(0).sum_to(&g.meta(2).shape)),
        ]
    }
}

fn multiply_add(x: &[Tensor]) -> Result<Tensor> {
    apply(MultiplyAdd, &[&x[0], &x[1], &x[2]])
}

#[test]
fn a_user_op_computes_and_differentiates_like_any_other() {
    let x = [Tensor::from([[1.0f64], [2.0]]), Tensor::from([3.0f64, -0.5, 2.0]), Tensor::from([10.0f64])];
    let y = multiply_add(&x).unwrap();
    assert_eq!(y.to_vec::<f64>(), [13.0, 9.5, 12.0, 16.0, 9.0, 14.0]);
    gradient_check(|x| multiply_add(x).unwrap(), &x).unwrap();
    gradient_check_twice(|x| multiply_add(x).unwrap(), &x).unwrap();
}

#[test]
fn its_errors_have_its_name() {
    let ones = |shape: &[usize]| Tensor::ones(shape);
    let text = |x: [Tensor; 3]| multiply_add(&x).unwrap_err().to_string();
    assert_eq!(
        text([ones(&[2]), ones(&[3]), ones(&[1])]),
        "multiply_add cannot broadcast [2] with [3]: aligned at the last axis, sizes must be equal or 1"
    );
    let half = ones(&[1]).to_dtype(DType::F16);
    assert_eq!(text([half.clone(), half.clone(), half]), "multiply_add computes f32 and f64, got f16");
}
