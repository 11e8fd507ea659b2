//! Formulas written once and computed with one number or with sixteen, and the loops over slices that do so.
//!
//! The compiler finds the vectors of a simple loop by itself, but not those of one over many slices or with several sums.

use crate::number::{Arithmetic, Number};
use crate::simd::{LANES, Simd};

/// A value of one element of each of `N` slices and of `K` constants.
pub(crate) trait Formula<const N: usize, const K: usize>: Copy + Sync {
    fn value<F: Arithmetic>(self, x: [F; N], constants: [F; K]) -> F;
}

/// Two sums over the elements of `N` slices, with `K` constants.
pub(crate) trait Pair<const N: usize, const K: usize>: Copy + Sync {
    /// The sums with the terms of one element of each slice.
    fn add<F: Arithmetic>(self, sums: (F, F), x: [F; N], constants: [F; K]) -> (F, F);
}

/// The blocks of slices of one length, and what is left.
#[inline(always)]
pub(crate) fn blocks<T, const N: usize>(x: [&[T]; N], len: usize) -> ([&[[T; LANES]]; N], [&[T]; N]) {
    let (mut whole, mut rest) = ([&[][..]; N], [&[][..]; N]);
    for n in 0..N {
        let (blocks, left) = x[n][..len].as_chunks();
        // As long as `len` says, for the compiler to see.
        (whole[n], rest[n]) = (&blocks[..len / LANES], &left[..len % LANES]);
    }
    (whole, rest)
}

/// One vector of each.
#[inline(always)]
pub(crate) fn load<S: Simd, T: Number, const N: usize>(simd: S, x: [&[[T; LANES]]; N], at: usize) -> [T::Lanes<S>; N] {
    let mut lanes = [T::splat(simd, T::ZERO); N];
    for n in 0..N {
        lanes[n] = T::load(simd, &x[n][at]);
    }
    lanes
}

/// One element of each.
#[inline(always)]
pub(crate) fn pick<T: Number, const N: usize>(x: [&[T]; N], at: usize) -> [T; N] {
    let mut numbers = [T::ZERO; N];
    for n in 0..N {
        numbers[n] = x[n][at];
    }
    numbers
}

/// Constants in all lanes.
#[inline(always)]
pub(crate) fn splat<S: Simd, T: Number, const K: usize>(simd: S, constants: [T; K]) -> [T::Lanes<S>; K] {
    let mut lanes = [T::splat(simd, T::ZERO); K];
    for k in 0..K {
        lanes[k] = T::splat(simd, constants[k]);
    }
    lanes
}

/// `y[i] = value(x[..][i], constants)`
#[inline(always)]
pub(crate) fn map<S: Simd, T: Number, const N: usize, const K: usize>(
    simd: S,
    x: [&[T]; N],
    constants: [T; K],
    y: &mut [T],
    formula: impl Formula<N, K>,
) {
    let (x, x_rest) = blocks(x, y.len());
    let lanes = splat(simd, constants);
    let (y, y_rest) = y.as_chunks_mut();
    for (at, y) in y.iter_mut().enumerate() {
        T::store(formula.value(load(simd, x, at), lanes), y);
    }
    for (at, y) in y_rest.iter_mut().enumerate() {
        *y = formula.value(pick(x_rest, at), constants);
    }
}

/// `y[i] = value(x[..][i], constants[..][i])`
#[inline(always)]
pub(crate) fn map_columns<S: Simd, T: Number, const N: usize, const K: usize>(
    simd: S,
    x: [&[T]; N],
    constants: [&[T]; K],
    y: &mut [T],
    formula: impl Formula<N, K>,
) {
    let ((x, x_rest), (constants, constants_rest)) = (blocks(x, y.len()), blocks(constants, y.len()));
    let (y, y_rest) = y.as_chunks_mut();
    for (at, y) in y.iter_mut().enumerate() {
        T::store(formula.value(load(simd, x, at), load(simd, constants, at)), y);
    }
    for (at, y) in y_rest.iter_mut().enumerate() {
        *y = formula.value(pick(x_rest, at), pick(constants_rest, at));
    }
}
