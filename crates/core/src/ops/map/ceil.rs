//! `ceil`: each element rounded up to an integer.

use crate::ops::prelude::*;

#[derive(Debug)]
struct Ceil;

impl Function for Ceil {
    const NAME: &'static str = "ceil";
    const READS: Reads = Reads::NOTHING;

    fn value<T: Real>(&self, x: T) -> T {
        x.ceil()
    }

    fn pull(&self, g: &Grad) -> Tensor {
        g.of(0).zeros_like()
    }

    fn onnx(&self, x: &Writer) -> Result<Values> {
        x.op("Ceil", &[])
    }
}

#[fallible]
impl Tensor {
    /// The elements rounded up to integers, in the same type; integers stay as they are. The derivative is 0.
    pub fn ceil(&self) -> Result<Tensor> {
        if self.dtype().is_float() { apply(Ceil, &[self]) } else { Ok(self.clone()) }
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("ceil", |_, x| vec![x[0].ceil()])
}
