//! Values without chance: a constant, the identity.

use super::Initialiser;
use hadal_core::{Error, Shape, Tensor};

/// Every element the same.
#[derive(Clone, Copy, Debug)]
pub struct Constant(
    /// The value.
    pub f64,
);

/// All 0.
pub fn zeros() -> Constant {
    Constant(0.0)
}

/// All 1.
pub fn ones() -> Constant {
    Constant(1.0)
}

impl Initialiser for Constant {
    fn draw(&self, shape: &Shape) -> Tensor {
        Tensor::full(shape, self.0 as f32)
    }
}

/// The identity matrix, for a square or oblong matrix.
#[derive(Clone, Copy, Debug)]
pub struct Eye;

impl Initialiser for Eye {
    #[track_caller]
    fn draw(&self, shape: &Shape) -> Tensor {
        let [rows, columns] = shape[..] else {
            Error::op("Eye", format!("initialises matrices, got shape {shape}")).raise()
        };
        let mut values = vec![0f32; rows * columns];
        values.iter_mut().step_by(columns + 1).take(rows.min(columns)).for_each(|v| *v = 1.0);
        Tensor::from_vec(values, shape)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_identity_may_be_oblong() {
        assert_eq!(Eye.draw(&[2, 3].into()).to_vec::<f32>(), [1.0, 0.0, 0.0, 0.0, 1.0, 0.0]);
        assert_eq!(Eye.draw(&[3, 2].into()).to_vec::<f32>(), [1.0, 0.0, 0.0, 1.0, 0.0, 0.0]);
    }
}
