//! `contiguous`: the elements copied to row-major order, unless they lie so already.

use crate::ops::prelude::*;
use crate::run::copy;
use std::sync::Arc;

#[derive(Debug)]
struct ToContiguous;

impl Op for ToContiguous {
    fn name(&self) -> &'static str {
        "contiguous"
    }

    fn kind(&self) -> Kind {
        Kind::Map
    }

    fn infer(&self, x: &[Meta]) -> Result<Metas> {
        one(x[0].clone())
    }

    fn run(&self, x: &[Input], y: &mut [Output]) {
        copy::copy(&x[0], &mut y[0]);
    }

    fn grad(&self, g: &Grad) -> Grads {
        vec![Some(g.of(0))]
    }

    fn onnx(&self, x: &Writer) -> Result<Values> {
        Ok(vec![x.input(0)])
    }
}

/// The op by itself, for graphs.
pub(crate) fn op() -> Arc<dyn Op> {
    Arc::new(ToContiguous)
}

#[fallible]
impl Tensor {
    /// Itself if its elements lie row-major without gaps, else a copy that does.
    pub fn contiguous(&self) -> Result<Tensor> {
        if self.is_contiguous() { Ok(self.clone()) } else { apply(ToContiguous, &[self]) }
    }
}

pub(crate) fn cases() -> Cases {
    let x = Tensor::from([[1.0f64, 2.0], [3.0, 4.0]]);
    Cases::new("contiguous", |_, x| {
        let y = x[0].t().contiguous();
        assert!(y.is_contiguous() && !y.shares_memory(&x[0]));
        vec![y]
    })
    .with("transposed", "{}", &[x], &[Tensor::from([[1.0f64, 3.0], [2.0, 4.0]])])
}
