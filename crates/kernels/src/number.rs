//! What the generic kernels need of `f32` and `f64`.

use std::marker::PhantomData;
use std::ops::{Add, AddAssign, Div, Mul, Sub};

use crate::scratch::Plain;
use crate::simd::{LANES, Simd};

/// What a formula is computed with: one number, or sixteen side by side.
pub(crate) trait Arithmetic: Copy + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self> {
    /// `self · factor + addend`, rounded once.
    fn fma(self, factor: Self, addend: Self) -> Self;
    /// `other` where it is larger, or NaN.
    fn larger(self, other: Self) -> Self;
    /// `other` where it is smaller, or NaN.
    fn smaller(self, other: Self) -> Self;
}

/// `f32` or `f64`.
pub(crate) trait Number: Plain + Default + PartialOrd + Arithmetic + Div<Output = Self> + AddAssign {
    /// Sixteen of them: what a kernel computes with where the compiler would not find the vectors by itself.
    type Lanes<S: Simd>: Arithmetic;
    fn splat<S: Simd>(simd: S, x: Self) -> Self::Lanes<S>;
    fn load<S: Simd>(simd: S, x: &[Self; LANES]) -> Self::Lanes<S>;
    fn store<S: Simd>(x: Self::Lanes<S>, to: &mut [Self; LANES]);
    /// Lanes 0, 2, … of `a`, then those of `b`.
    fn evens<S: Simd>(a: Self::Lanes<S>, b: Self::Lanes<S>) -> Self::Lanes<S>;

    const ZERO: Self;
    const ONE: Self;
    const INFINITY: Self;
    const NEGATIVE_INFINITY: Self;
    /// The least finite number.
    const LOWEST: Self;

    /// The square root, correctly rounded.
    fn sqrt(self) -> Self;

    /// The nearest number of this type.
    fn from_f64(x: f64) -> Self;
}

macro_rules! number {
    ($type:ty, $lanes:ident, $fma:path) => {
        impl Arithmetic for $type {
            #[inline(always)]
            fn fma(self, factor: Self, addend: Self) -> Self {
                $fma(self, factor, addend)
            }

            #[inline(always)]
            fn larger(self, other: Self) -> Self {
                if other > self || other.is_nan() { other } else { self }
            }

            #[inline(always)]
            fn smaller(self, other: Self) -> Self {
                if other < self || other.is_nan() { other } else { self }
            }
        }

        impl Number for $type {
            const ZERO: Self = 0.0;
            const ONE: Self = 1.0;
            const INFINITY: Self = <$type>::INFINITY;
            const NEGATIVE_INFINITY: Self = <$type>::NEG_INFINITY;
            const LOWEST: Self = <$type>::MIN;

            type Lanes<S: Simd> = $lanes<S>;

            #[inline(always)]
            fn splat<S: Simd>(simd: S, x: Self) -> $lanes<S> {
                $lanes::splat(simd, x)
            }

            #[inline(always)]
            fn load<S: Simd>(simd: S, x: &[Self; LANES]) -> $lanes<S> {
                $lanes::load(simd, x)
            }

            #[inline(always)]
            fn store<S: Simd>(x: $lanes<S>, to: &mut [Self; LANES]) {
                x.store(to);
            }

            #[inline(always)]
            fn evens<S: Simd>(a: $lanes<S>, b: $lanes<S>) -> $lanes<S> {
                a.evens(b)
            }

            #[inline(always)]
            fn sqrt(self) -> Self {
                <$type>::sqrt(self)
            }

            #[inline(always)]
            fn from_f64(x: f64) -> Self {
                x as $type
            }
        }
    };
}
number!(f32, Singles, crate::fused::mul_add);
number!(f64, Doubles, f64::mul_add);

/// Sixteen `f32`: a vector.
#[derive(Clone, Copy)]
pub(crate) struct Singles<S: Simd>(pub(crate) S, pub(crate) S::F);

/// Sixteen `f64`.
#[derive(Clone, Copy)]
pub(crate) struct Doubles<S: Simd>(pub(crate) [f64; LANES], PhantomData<S>);

impl<S: Simd> Singles<S> {
    #[inline(always)]
    fn splat(simd: S, x: f32) -> Self {
        Singles(simd, simd.splat(x))
    }

    #[inline(always)]
    fn load(simd: S, x: &[f32; LANES]) -> Self {
        Singles(simd, simd.load(x))
    }

    #[inline(always)]
    fn store(self, to: &mut [f32; LANES]) {
        self.0.store(self.1, to);
    }

    #[inline(always)]
    fn evens(self, b: Self) -> Self {
        Singles(self.0, self.0.evens(self.1, b.1))
    }
}

impl<S: Simd> Doubles<S> {
    #[inline(always)]
    fn splat(_: S, x: f64) -> Self {
        Doubles([x; LANES], PhantomData)
    }

    #[inline(always)]
    fn load(_: S, x: &[f64; LANES]) -> Self {
        Doubles(*x, PhantomData)
    }

    #[inline(always)]
    fn store(self, to: &mut [f64; LANES]) {
        *to = self.0;
    }

    #[inline(always)]
    fn evens(self, b: Self) -> Self {
        let half = LANES / 2;
        let lane = |i: usize| if i < half { self.0[2 * i] } else { b.0[2 * (i - half)] };
        Doubles(std::array::from_fn(lane), PhantomData)
    }
}

macro_rules! operators {
    ($($operator:ident $method:ident $assign:tt)*) => { $(
        impl<S: Simd> $operator for Singles<S> {
            type Output = Self;
            #[inline(always)]
            fn $method(self, other: Self) -> Self {
                Singles(self.0, self.0.$method(self.1, other.1))
            }
        }

        impl<S: Simd> $operator for Doubles<S> {
            type Output = Self;
            #[inline(always)]
            fn $method(mut self, other: Self) -> Self {
                for i in 0..LANES {
                    self.0[i] $assign other.0[i];
                }
                self
            }
        }
    )* };
}
operators!(Add add += Sub sub -= Mul mul *=);

impl<S: Simd> Arithmetic for Singles<S> {
    #[inline(always)]
    fn fma(self, factor: Self, addend: Self) -> Self {
        Singles(self.0, self.0.mul_add(self.1, factor.1, addend.1))
    }

    #[inline(always)]
    fn larger(self, other: Self) -> Self {
        let Singles(simd, other) = other;
        Singles(simd, simd.select(simd.eq(other, other), simd.max(other, self.1), other))
    }

    #[inline(always)]
    fn smaller(self, other: Self) -> Self {
        let Singles(simd, other) = other;
        Singles(simd, simd.select(simd.eq(other, other), simd.min(other, self.1), other))
    }
}

impl<S: Simd> Arithmetic for Doubles<S> {
    #[inline(always)]
    fn fma(mut self, factor: Self, addend: Self) -> Self {
        for i in 0..LANES {
            self.0[i] = self.0[i].mul_add(factor.0[i], addend.0[i]);
        }
        self
    }

    #[inline(always)]
    fn larger(mut self, other: Self) -> Self {
        for i in 0..LANES {
            self.0[i] = self.0[i].larger(other.0[i]);
        }
        self
    }

    #[inline(always)]
    fn smaller(mut self, other: Self) -> Self {
        for i in 0..LANES {
            self.0[i] = self.0[i].smaller(other.0[i]);
        }
        self
    }
}
