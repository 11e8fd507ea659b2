//! The sum of two images of bytes, as bytes.

use super::finish::nearest_byte;
use crate::simd::{Vectorized, vectorized};
use crate::threads::for_chunks_mut;

/// Bytes of a task.
const CHUNK: usize = 1 << 15;

/// Bytes with what they stand for: `scale · (value − zero)`.
#[derive(Clone, Copy, Debug)]
pub struct Term<'a> {
    /// The bytes.
    pub values: &'a [u8],
    /// What a step stands for.
    pub scale: f32,
    /// The byte that stands for 0.
    pub zero: u8,
}

/// `y = round(bounded(a + b) / scale) + zero`, ties to even, at least 0 and at most 255, each operation rounded by itself in
/// `f32`; what is below the first bound is replaced by it, what is above the second by that.
///
/// # Panics
/// If the slices differ in length.
#[track_caller]
pub fn sum_bytes(terms: [Term; 2], bounds: Option<(f32, f32)>, scale: f32, zero: u8, y: &mut [u8]) {
    assert_eq!(terms.map(|term| term.values.len()), [y.len(); 2], "lengths of the terms and y");
    let bounds = bounds.unwrap_or((f32::NEG_INFINITY, f32::INFINITY));
    for_chunks_mut(y, CHUNK, |chunk, y| {
        let terms = terms.map(|term| Term { values: &term.values[chunk * CHUNK..][..y.len()], ..term });
        vectorized(Sum { terms, bounds, scale, zero: f32::from(zero), y });
    });
}

struct Sum<'a> {
    terms: [Term<'a>; 2],
    bounds: (f32, f32),
    scale: f32,
    zero: f32,
    y: &'a mut [u8],
}

impl Vectorized for Sum<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let [a, b] = self.terms;
        let (low, high) = self.bounds;
        let (a_zero, b_zero) = (f32::from(a.zero), f32::from(b.zero));
        for ((y, &p), &q) in self.y.iter_mut().zip(a.values).zip(b.values) {
            let x = (f32::from(p) - a_zero) * a.scale + (f32::from(q) - b_zero) * b.scale;
            let x = if x < low { low } else { x };
            let x = if x > high { high } else { x };
            *y = nearest_byte(x / self.scale, self.zero);
        }
    }
}
