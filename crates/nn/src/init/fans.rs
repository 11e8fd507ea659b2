//! How many numbers flow into and out of one unit.

use hadal_core::Shape;

/// The number of inputs and outputs of one unit of a weight `[out, in, …kernel]`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fans {
    /// Inputs to one output: `in · kernel`.
    pub input: usize,
    /// Outputs of one input: `out · kernel`.
    pub output: usize,
}

impl Fans {
    /// Of a weight of this shape; a vector counts as one output of its length, a scalar as one of one.
    pub fn of(shape: &Shape) -> Fans {
        match &shape[..] {
            [] => Fans { input: 1, output: 1 },
            [n] => Fans { input: *n, output: *n },
            [outputs, inputs, kernel @ ..] => {
                let kernel: usize = kernel.iter().product();
                Fans { input: inputs * kernel, output: outputs * kernel }
            }
        }
    }
}
