//! `floor`: each element rounded down to an integer.

use crate::ops::prelude::*;

#[derive(Debug)]
struct Floor;

impl Function for Floor {
    const NAME: &'static str = "floor";
    const READS: Reads = Reads::NOTHING;

    fn value<T: Real>(&self, x: T) -> T {
        x.floor()
    }

    fn pull(&self, g: &Grad) -> Tensor {
        g.of(0).zeros_like()
    }

    fn onnx(&self, x: &Writer) -> Result<Values> {
        x.op("Floor", &[])
    }
}

#[fallible]
impl Tensor {
    /// The elements rounded down to integers, in the same type; integers stay as they are. The derivative is 0.
    pub fn floor(&self) -> Result<Tensor> {
        if self.dtype().is_float() { apply(Floor, &[self]) } else { Ok(self.clone()) }
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("floor", |_, x| vec![x[0].floor()])
}
