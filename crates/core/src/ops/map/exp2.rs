//! `exp2`: 2 to the power of each element.

use crate::ops::prelude::*;

#[derive(Debug)]
struct Exp2;

impl Function for Exp2 {
    const NAME: &'static str = "exp2";
    const READS: Reads = Reads::OUTPUTS;

    fn value<T: Real>(&self, x: T) -> T {
        x.exp2()
    }

    fn pull(&self, g: &Grad) -> Tensor {
        g.of(0).mul(g.output(0)).mul(std::f64::consts::LN_2)
    }

    fn onnx(&self, x: &Writer) -> Result<Values> {
        Ok(vec![x.node("Pow", &[x.number(2), x.input(0)], &[])])
    }
}

#[fallible]
impl Tensor {
    /// 2 to the power of each element.
    pub fn exp2(&self) -> Result<Tensor> {
        apply(Exp2, &[&self.floating()?])
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("exp2", |_, x| vec![x[0].exp2()])
}
