//! Two sums at once, for statistics.

use super::real::Real;

const LANES: usize = 16;
const BLOCK: usize = 256;

/// `Σ f(x, y)` over two slices of one length, where `f` gives two terms.
///
/// Sixteen running sums over blocks of 256, joined by a binary tree; longer slices are halved. So the error grows with
/// the logarithm of the length.
pub fn two_sums<T: Real>(x: &[T], y: &[T], f: &impl Fn(T, T) -> (T, T)) -> (T, T) {
    if x.len() > BLOCK {
        let half = (x.len() / 2).next_multiple_of(BLOCK);
        let (a, b) = two_sums(&x[..half], &y[..half], f);
        let (c, d) = two_sums(&x[half..], &y[half..], f);
        return (a + c, b + d);
    }
    let (mut first, mut second) = ([T::default(); LANES], [T::default(); LANES]);
    for (x, y) in x.chunks(LANES).zip(y.chunks(LANES)) {
        for (i, (&x, &y)) in x.iter().zip(y).enumerate() {
            let (a, b) = f(x, y);
            first[i] += a;
            second[i] += b;
        }
    }
    let mut width = LANES;
    while width > 1 {
        width /= 2;
        for i in 0..width {
            (first[i], second[i]) = (first[i] + first[i + width], second[i] + second[i + width]);
        }
    }
    (first[0], second[0])
}
