//! `exp`: e to the power of each element.

use crate::ops::prelude::*;

#[derive(Debug)]
struct Exp;

impl Op for Exp {
    fn name(&self) -> &'static str {
        "exp"
    }

    fn kind(&self) -> Kind {
        Kind::Map
    }

    fn infer(&self, x: &[Meta]) -> Result<Metas> {
        require_float(self, &x[0])?;
        one(x[0].clone())
    }

    fn run(&self, x: &[Input], y: &mut [Output]) {
        map::float(&x[0], &mut y[0], each(f32::exp), each(f64::exp));
    }

    fn reads(&self) -> Reads {
        Reads::OUTPUTS
    }

    fn grad(&self, g: &Grad) -> Grads {
        vec![Some(g.of(0).mul(g.output(0)))]
    }
}

#[fallible]
impl Tensor {
    /// e to the power of each element. Integers are converted to `f32` first.
    pub fn exp(&self) -> Result<Tensor> {
        apply(Exp, &[&self.floating()?])
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("exp", |_, x| vec![x[0].exp()])
}
