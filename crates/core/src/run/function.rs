//! Functions of one real number, applied to every element: the whole of an op such as `sin` or `gelu`.

use crate::Result;
use crate::grad::{Grad, Grads};
use crate::onnx::{Values, Writer};
use crate::op::{Input, Kind, Metas, Op, Output, Reads, apply, one, require_float};
use crate::run::map;
use crate::run::real::Real;
use crate::tensor::{Meta, Tensor};
use std::fmt::Debug;

/// A function of one real number, which is an [`Op`] on float tensors of any shape.
///
/// The half types are computed in `f32`. The method on `Tensor` converts integers by `floating` first.
pub trait Function: Debug + Send + Sync + 'static {
    /// The op's name.
    const NAME: &'static str;

    /// What [`Function::pull`] reads.
    const READS: Reads;

    /// The function itself.
    fn value<T: Real>(&self, x: T) -> T;

    /// The function of a tile of `f32`s, where there is a faster way than one by one.
    fn tile(&self, x: &[f32], y: &mut [f32]) {
        map::each(|x| self.value(x))(x, y);
    }

    /// The gradient of the input from that of the output: `g.of(0)` times the derivative.
    fn pull(&self, g: &Grad) -> Tensor;

    /// The same value in ordinary operations, where [`Function::pull`] is a [`Pull`].
    fn composed(&self, _: &Tensor) -> Option<Tensor> {
        None
    }

    /// The function as ONNX nodes; see [`Op::onnx`].
    fn onnx(&self, x: &Writer) -> Result<Values> {
        let composed = |inputs: &[Tensor]| self.composed(&inputs[0]).map(|y| vec![y]);
        x.composed_all(|inputs| composed(inputs).ok_or_else(|| x.no_form("has no form in ONNX")))
    }
}

/// The gradient of a [`Function`] as one pass over its input and the incoming gradient.
///
/// Gradients of gradients come from [`Function::composed`].
#[derive(Debug)]
pub struct Pull {
    /// The function's name.
    pub name: &'static str,
    /// `(x, g, y)`: `y = g·f'(x)`
    pub single: fn(&[f32], &[f32], &mut [f32]),
    /// The same in double precision.
    pub double: fn(&[f64], &[f64], &mut [f64]),
}

impl Pull {
    /// The gradient of the function's input.
    pub fn of(self, g: &Grad) -> Tensor {
        apply(self, &[&g.input(0), &g.of(0)]).unwrap_or_else(|e| e.raise())
    }
}

impl Op for Pull {
    fn name(&self) -> &'static str {
        self.name
    }

    fn kind(&self) -> Kind {
        Kind::Map
    }

    fn infer(&self, x: &[Meta]) -> Result<Metas> {
        one(x[0].clone())
    }

    fn run(&self, x: &[Input], y: &mut [Output]) {
        map::float2(x, &mut y[0], self.single, self.double);
    }

    fn grad(&self, _: &Grad) -> Grads {
        unreachable!("a gradient that is differentiated again comes from `decompose`")
    }
}

impl<F: Function> Op for F {
    fn name(&self) -> &'static str {
        F::NAME
    }

    fn kind(&self) -> Kind {
        Kind::Map
    }

    fn infer(&self, x: &[Meta]) -> Result<Metas> {
        require_float(self, &x[0])?;
        one(x[0].clone())
    }

    fn run(&self, x: &[Input], y: &mut [Output]) {
        map::float(&x[0], &mut y[0], |x, y| self.tile(x, y), map::each(|x: f64| self.value(x)));
    }

    fn reads(&self) -> Reads {
        F::READS
    }

    fn grad(&self, g: &Grad) -> Grads {
        vec![Some(self.pull(g))]
    }

    fn decompose(&self, x: &[Tensor]) -> Option<Vec<Tensor>> {
        self.composed(&x[0]).map(|y| vec![y])
    }

    fn onnx(&self, x: &Writer) -> Result<Values> {
        Function::onnx(self, x)
    }
}
