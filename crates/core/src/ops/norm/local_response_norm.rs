//! `local_response_norm`: each element divided by the energy of neighbouring channels (Krizhevsky et al. 2012).

use crate::ops::prelude::*;
use crate::{Divisor, Padding, Pooling};

#[fallible]
impl Tensor {
    /// `x / (k + alpha/size · Σ x²)^beta` of `[batch, channels, …]`, the sum being over `size` channels around each
    /// one: `size / 2` before it and `(size − 1) / 2` after it.
    pub fn local_response_norm(&self, size: usize, alpha: f64, beta: f64, k: f64) -> Result<Tensor> {
        let fail = |message: String| Err(Error::op("local_response_norm", message));
        let [n, c, ref rest @ ..] = self.shape()[..] else {
            return fail(format!("needs an input [batch, channels, …], got shape {}", self.shape()));
        };
        if size == 0 {
            return fail("needs at least one channel in a sum, got size 0".into());
        }
        // Channels and positions as the height and width of an image.
        let squares = self.try_square()?.try_reshape([n, c, rest.iter().product()])?;
        let window = Pooling::new([size, 1]).stride(1).divisor(Divisor::Fixed(size));
        let window = window.padding(Padding::from([(size / 2, (size - 1) / 2), (0, 0)]));
        let energy = squares.try_avg_pool2d(&window)?.try_reshape(self.shape())?;
        self.try_div(energy.try_mul(alpha)?.try_add(k)?.try_pow(beta)?)
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("local_response_norm", |a, x| {
        let size = a.integer("size") as usize;
        vec![x[0].local_response_norm(size, a.float("alpha"), a.float("beta"), a.float("k"))]
    })
}
