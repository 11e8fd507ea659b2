//! Sums, dot products and extremes.
//!
//! Every reduction has one order, which depends on the shape alone: the same bits on every machine and for any number
//! of threads. The error of a sum of n numbers is at most about (log₂ n + 8) · ε · Σ|x|.

mod columns;
mod tree;

use crate::number::{Arithmetic, Number};
use columns::fold_columns;
use tree::{fold, fold_rows};

/// An element type of reductions: `f32` or `f64`.
#[allow(private_bounds)]
pub trait ReduceElement: Folds {}
impl ReduceElement for f32 {}
impl ReduceElement for f64 {}

/// What a reduction folds with.
#[derive(Clone, Copy)]
pub(crate) enum Folding {
    Sum,
    Dot,
    Max,
    Min,
}

/// All reductions, compiled in this crate and not again in every crate that calls them.
pub(crate) trait Folds: Number {
    fn fold(folding: Folding, x: &[Self], y: &[Self]) -> Self;
    fn fold_rows(folding: Folding, x: &[Self], columns: usize, out: &mut [Self]);
    fn fold_columns(folding: Folding, x: &[Self], shape: [usize; 3], out: &mut [Self]);
}

macro_rules! choose {
    ($folding:expr, $function:ident($($argument:expr),+)) => {
        match $folding {
            Folding::Sum => $function::<Self, Sum>($($argument),+),
            Folding::Dot => $function::<Self, Dot>($($argument),+),
            Folding::Max => $function::<Self, Max>($($argument),+),
            Folding::Min => $function::<Self, Min>($($argument),+),
        }
    };
}

macro_rules! compile {
    ($type:ty) => {
        impl Folds for $type {
            fn fold(folding: Folding, x: &[Self], y: &[Self]) -> Self {
                choose!(folding, fold(x, y))
            }

            fn fold_rows(folding: Folding, x: &[Self], columns: usize, out: &mut [Self]) {
                choose!(folding, fold_rows(x, columns, out))
            }

            fn fold_columns(folding: Folding, x: &[Self], shape: [usize; 3], out: &mut [Self]) {
                choose!(folding, fold_columns(x, shape, out))
            }
        }
    };
}
compile!(f32);
compile!(f64);

macro_rules! folds {
    ($($(#[$doc:meta])* $name:ident: $empty:ident, |$sum:ident, $x:ident, $y:ident| $step:expr, |$a:ident, $b:ident| $merge:expr;)+) => {$(
        $(#[$doc])*
        pub(crate) struct $name;
        impl Fold for $name {
            fn empty<T: Number>() -> T {
                T::$empty
            }
            #[inline(always)]
            fn step<F: Arithmetic>($sum: F, $x: F, $y: F) -> F {
                $step
            }
            #[inline(always)]
            fn merge<F: Arithmetic>($a: F, $b: F) -> F {
                $merge
            }
        }
    )+};
}

folds! {
    Sum: ZERO, |sum, x, _y| sum + x, |a, b| a + b;
    Dot: ZERO, |sum, x, y| x.fma(y, sum), |a, b| a + b;
    /// A NaN replaces anything and is not replaced.
    Max: NEGATIVE_INFINITY, |sum, x, _y| sum.larger(x), |a, b| a.larger(b);
    Min: INFINITY, |sum, x, _y| sum.smaller(x), |a, b| a.smaller(b);
}

/// The sum of the elements; 0 for none.
pub fn sum<T: ReduceElement>(x: &[T]) -> T {
    T::fold(Folding::Sum, x, x)
}

/// The sum of `x[i]·y[i]`, each product added without rounding it first.
///
/// # Panics
/// If the slices differ in length.
#[track_caller]
pub fn dot<T: ReduceElement>(x: &[T], y: &[T]) -> T {
    assert_eq!(x.len(), y.len(), "a dot product takes two vectors of one length");
    T::fold(Folding::Dot, x, y)
}

/// The sum of `x[i]²`.
pub fn sum_squares<T: ReduceElement>(x: &[T]) -> T {
    T::fold(Folding::Dot, x, x)
}

/// The largest element, NaN if there is one, -∞ for none.
pub fn max<T: ReduceElement>(x: &[T]) -> T {
    T::fold(Folding::Max, x, x)
}

/// The smallest element, NaN if there is one, ∞ for none.
pub fn min<T: ReduceElement>(x: &[T]) -> T {
    T::fold(Folding::Min, x, x)
}

macro_rules! axes {
    ($($name:literal, $fold:ident: $rows:ident, $columns:ident;)+) => {$(
        #[doc = concat!("The ", $name, " of each row of `x`, seen as `[out.len(), columns]`; as the function of the slice.")]
        ///
        /// # Panics
        /// If `x` does not have that many elements.
        #[track_caller]
        pub fn $rows<T: ReduceElement>(x: &[T], columns: usize, out: &mut [T]) {
            assert_eq!(x.len(), columns * out.len(), "x is [{}, {columns}]", out.len());
            T::fold_rows(Folding::$fold, x, columns, out);
        }

        #[doc = concat!("The ", $name, " over the middle axis: `[outer, reduce, inner] → [outer, inner]`.")]
        ///
        /// # Panics
        /// If a slice does not have that many elements.
        #[track_caller]
        pub fn $columns<T: ReduceElement>(x: &[T], [outer, reduce, inner]: [usize; 3], out: &mut [T]) {
            assert_eq!(x.len(), outer * reduce * inner, "x is [{outer}, {reduce}, {inner}]");
            assert_eq!(out.len(), outer * inner, "out is [{outer}, {inner}]");
            T::fold_columns(Folding::$fold, x, [outer, reduce, inner], out);
        }
    )+};
}

axes! {
    "sum", Sum: sum_rows, sum_columns;
    "sum of squares", Dot: sum_squares_rows, sum_squares_columns;
    "maximum", Max: max_rows, max_columns;
    "minimum", Min: min_rows, min_columns;
}

pub(crate) use tree::{Fold, SHORT, fold_inline, fold_pairs_inline};

#[cfg(test)]
mod tests;
