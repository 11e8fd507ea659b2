//! `trunc`: each element rounded towards zero to an integer.

use crate::ops::prelude::*;

#[derive(Debug)]
struct Trunc;

impl Function for Trunc {
    const NAME: &'static str = "trunc";
    const READS: Reads = Reads::NOTHING;

    fn value<T: Real>(&self, x: T) -> T {
        x.trunc()
    }

    fn pull(&self, g: &Grad) -> Tensor {
        g.of(0).zeros_like()
    }

    fn onnx(&self, x: &Writer) -> Result<Values> {
        x.composed(|x| x[0].lt(0).where_(x[0].ceil(), x[0].floor()))
    }
}

#[fallible]
impl Tensor {
    /// The elements rounded towards zero to integers, in the same type; integers stay as they are. The derivative is 0.
    pub fn trunc(&self) -> Result<Tensor> {
        if self.dtype().is_float() { apply(Trunc, &[self]) } else { Ok(self.clone()) }
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("trunc", |_, x| vec![x[0].trunc()])
}
