//! The arithmetic that a step's formulas are written in, once for 16 f32 of every instruction set and once for one f64.

use super::backward::{Gradients, Kept, backward_on};
use super::forward::{Forward, Outputs, forward_on};
use super::{Cell, Sequences};
use crate::gemm::Element;
use crate::math::{double, exponential};
use crate::simd::{Isa, Kernel, LANES, Simd, dispatch_on};

/// Numbers that are computed together.
pub(crate) trait Arithmetic<T>: Copy {
    type V: Copy;
    const LANES: usize;

    /// At most [`Self::LANES`] numbers; zeros fill up.
    fn load(self, from: &[T]) -> Self::V;
    /// As many numbers as `to` holds, at most [`Self::LANES`].
    fn store(self, x: Self::V, to: &mut [T]);
    fn zero(self) -> Self::V;
    fn add(self, a: Self::V, b: Self::V) -> Self::V;
    fn sub(self, a: Self::V, b: Self::V) -> Self::V;
    fn mul(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a > 0 ? b : 0`
    fn where_positive(self, a: Self::V, b: Self::V) -> Self::V;
    /// NaN stays NaN.
    fn relu(self, a: Self::V) -> Self::V;
    fn sigmoid(self, a: Self::V) -> Self::V;
    fn tanh(self, a: Self::V) -> Self::V;
}

/// 16 f32.
#[derive(Clone, Copy)]
pub(super) struct Vectors<S>(S);

impl<S: Simd> Arithmetic<f32> for Vectors<S> {
    type V = S::F;
    const LANES: usize = LANES;

    #[inline(always)]
    fn load(self, from: &[f32]) -> S::F {
        if let Ok(whole) = from.try_into() {
            return self.0.load(whole);
        }
        let mut part = [0.0; LANES];
        part[..from.len()].copy_from_slice(from);
        self.0.load(&part)
    }

    #[inline(always)]
    fn store(self, x: S::F, to: &mut [f32]) {
        if let Ok(whole) = to.try_into() {
            return self.0.store(x, whole);
        }
        let mut part = [0.0; LANES];
        self.0.store(x, &mut part);
        to.copy_from_slice(&part[..to.len()]);
    }

    #[inline(always)]
    fn zero(self) -> S::F {
        self.0.splat(0.0)
    }

    #[inline(always)]
    fn add(self, a: S::F, b: S::F) -> S::F {
        self.0.add(a, b)
    }

    #[inline(always)]
    fn sub(self, a: S::F, b: S::F) -> S::F {
        self.0.sub(a, b)
    }

    #[inline(always)]
    fn mul(self, a: S::F, b: S::F) -> S::F {
        self.0.mul(a, b)
    }

    #[inline(always)]
    fn where_positive(self, a: S::F, b: S::F) -> S::F {
        self.0.select(self.0.lt(self.zero(), a), b, self.zero())
    }

    #[inline(always)]
    fn relu(self, a: S::F) -> S::F {
        self.0.max(self.zero(), a)
    }

    #[inline(always)]
    fn sigmoid(self, a: S::F) -> S::F {
        exponential::sigmoid(self.0, a)
    }

    #[inline(always)]
    fn tanh(self, a: S::F) -> S::F {
        exponential::tanh(self.0, a)
    }
}

/// One f64.
#[derive(Clone, Copy)]
pub(super) struct Single;

impl Arithmetic<f64> for Single {
    type V = f64;
    const LANES: usize = 1;

    #[inline(always)]
    fn load(self, from: &[f64]) -> f64 {
        from[0]
    }

    #[inline(always)]
    fn store(self, x: f64, to: &mut [f64]) {
        to[0] = x;
    }

    #[inline(always)]
    fn zero(self) -> f64 {
        0.0
    }

    #[inline(always)]
    fn add(self, a: f64, b: f64) -> f64 {
        a + b
    }

    #[inline(always)]
    fn sub(self, a: f64, b: f64) -> f64 {
        a - b
    }

    #[inline(always)]
    fn mul(self, a: f64, b: f64) -> f64 {
        a * b
    }

    #[inline(always)]
    fn where_positive(self, a: f64, b: f64) -> f64 {
        if a > 0.0 { b } else { 0.0 }
    }

    #[inline(always)]
    fn relu(self, a: f64) -> f64 {
        if 0.0 > a { 0.0 } else { a }
    }

    #[inline(always)]
    fn sigmoid(self, a: f64) -> f64 {
        double::sigmoid(a)
    }

    #[inline(always)]
    fn tanh(self, a: f64) -> f64 {
        libm::tanh(a)
    }
}

/// A computation in any [`Arithmetic`]. As of a [`Kernel`], all of it must be `#[inline(always)]`.
pub(crate) trait Pass<T> {
    fn run<A: Arithmetic<T>>(self, a: A);
}

/// A number with an [`Arithmetic`]; nobody else can implement it.
pub(crate) trait Real: Element {
    /// Runs a pass with the instructions of `isa`.
    fn run(isa: Isa, pass: impl Pass<Self>);

    /// [`forward_on`], compiled in this crate and not again in every crate that calls it.
    fn unroll(isa: Isa, cell: Cell, sequences: &Sequences, from: Forward<Self>, to: Outputs<Self>);

    /// [`backward_on`] likewise.
    fn unroll_back(isa: Isa, cell: Cell, sequences: &Sequences, from: Kept<Self>, to: Gradients<Self>);
}

struct InVectors<P>(P);

impl<P: Pass<f32>> Kernel for InVectors<P> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        self.0.run(Vectors(s));
    }
}

fn run_f32(isa: Isa, pass: impl Pass<f32>) {
    dispatch_on(isa, InVectors(pass));
}

fn run_f64(_: Isa, pass: impl Pass<f64>) {
    pass.run(Single);
}

macro_rules! real {
    ($type:ty, $run:path) => {
        impl Real for $type {
            fn run(isa: Isa, pass: impl Pass<$type>) {
                $run(isa, pass);
            }

            fn unroll(isa: Isa, cell: Cell, sequences: &Sequences, from: Forward<$type>, to: Outputs<$type>) {
                forward_on(isa, cell, sequences, from, to);
            }

            fn unroll_back(isa: Isa, cell: Cell, sequences: &Sequences, from: Kept<$type>, to: Gradients<$type>) {
                backward_on(isa, cell, sequences, from, to);
            }
        }
    };
}
real!(f32, run_f32);
real!(f64, run_f64);
