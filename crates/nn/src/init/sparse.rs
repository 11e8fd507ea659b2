//! Mostly zeros (Martens, "Deep learning via Hessian-free optimization", ICML 2010).

use super::{Initialiser, Normal};
use hadal_core::{Error, Shape, Tensor};

/// A matrix in which the given part of each column is zero and the rest is normally distributed.
#[derive(Clone, Copy, Debug)]
pub struct Sparse {
    sparsity: f64,
    std: f64,
}

impl Sparse {
    /// `sparsity` (0 to 1) of each column is zero; standard deviation 0.01.
    pub fn new(sparsity: f64) -> Sparse {
        Sparse { sparsity, std: 0.01 }
    }

    /// The standard deviation of what is not zero.
    pub fn std(self, std: f64) -> Sparse {
        Sparse { std, ..self }
    }
}

impl Initialiser for Sparse {
    #[track_caller]
    fn draw(&self, shape: &Shape) -> Tensor {
        let [rows, columns] = shape[..] else {
            Error::op("Sparse", format!("initialises matrices, got shape {shape}")).raise()
        };
        let mut values = Normal::new(0.0, self.std).draw(shape).to_vec::<f32>();
        let keys = Tensor::rand(shape).to_vec::<f32>();
        let zeros = (self.sparsity * rows as f64).ceil() as usize;
        for column in 0..columns {
            // The rows in the order of random numbers are a random permutation.
            let mut order: Vec<usize> = (0..rows).collect();
            order.sort_by(|a, b| keys[a * columns + column].total_cmp(&keys[b * columns + column]));
            order.iter().take(zeros).for_each(|row| values[row * columns + column] = 0.0);
        }
        Tensor::from_vec(values, shape)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_column_has_its_zeros() {
        let (rows, columns) = (40, 7);
        let w = Sparse::new(0.3).draw(&[rows, columns].into()).to_vec::<f32>();
        for column in 0..columns {
            let zeros = (0..rows).filter(|row| w[row * columns + column] == 0.0).count();
            assert_eq!(zeros, 12);
        }
    }
}
