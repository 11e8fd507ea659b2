//! Orthogonal matrices (Saxe, McClelland and Ganguli, ICLR 2014, arXiv:1312.6120).

use super::{Initialiser, Normal};
use hadal_core::{Error, Shape, Tensor};

/// A weight whose rows (or columns, if there are fewer) are orthonormal, times a gain. Axes after the first count as one.
#[derive(Clone, Copy, Debug)]
pub struct Orthogonal {
    gain: f64,
}

impl Orthogonal {
    /// Orthonormal.
    pub fn new() -> Orthogonal {
        Orthogonal { gain: 1.0 }
    }

    /// Times `gain`.
    pub fn gain(self, gain: f64) -> Orthogonal {
        Orthogonal { gain }
    }
}

impl Default for Orthogonal {
    fn default() -> Orthogonal {
        Orthogonal::new()
    }
}

impl Initialiser for Orthogonal {
    #[track_caller]
    fn draw(&self, shape: &Shape) -> Tensor {
        let Some((&rows, rest)) = shape.split_first().filter(|(_, rest)| !rest.is_empty()) else {
            Error::op("Orthogonal", format!("initialises weights of two axes or more, got shape {shape}")).raise()
        };
        let columns: usize = rest.iter().product();
        let (short, long) = (rows.min(columns), rows.max(columns));
        let normal = Normal::new(0.0, 1.0).draw(&[short, long].into()).to_f64_vec();
        let mut vectors: Vec<Vec<f64>> = normal.chunks(long.max(1)).map(<[f64]>::to_vec).collect();
        orthonormalize(&mut vectors);
        let at = |row: usize, column: usize| if rows <= columns { vectors[row][column] } else { vectors[column][row] };
        let values = (0..rows * columns).map(|i| (self.gain * at(i / columns, i % columns)) as f32);
        Tensor::from_vec(values.collect(), shape)
    }
}

/// Gram and Schmidt's method, each vector twice, which leaves an error of a few ulps (Giraud et al. 2005). It is the
/// QR decomposition with a positive diagonal of R, so the result is uniformly distributed (Mezzadri 2007).
fn orthonormalize(vectors: &mut [Vec<f64>]) {
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    for i in 0..vectors.len() {
        let (done, rest) = vectors.split_at_mut(i);
        let vector = &mut rest[0];
        for earlier in done.iter().chain(done.iter()) {
            let along = dot(vector, earlier);
            vector.iter_mut().zip(earlier).for_each(|(v, e)| *v -= along * e);
        }
        let norm = dot(vector, vector).sqrt();
        vector.iter_mut().for_each(|v| *v /= norm);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shorter_side_is_orthonormal() {
        for (shape, short, gain) in [([5, 12], 5, 1.0), ([12, 5], 5, 3.0), ([6, 6], 6, 0.5)] {
            let w = Orthogonal::new().gain(gain).draw(&shape.into());
            let product = if shape[0] == short { w.matmul(w.t()) } else { w.t().matmul(&w) };
            let product = product.to_vec::<f32>();
            for (i, value) in product.into_iter().enumerate() {
                let expected = if i % (short + 1) == 0 { gain * gain } else { 0.0 };
                assert!((value as f64 - expected).abs() < 1e-5, "{shape:?}: {value} at {i}");
            }
        }
    }
}
