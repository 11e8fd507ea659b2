//! `flip`: axes in reverse, as a view.

use crate::ops::prelude::*;

#[derive(Debug)]
struct Flip(Vec<usize>);

impl Op for Flip {
    fn name(&self) -> &'static str {
        "flip"
    }

    fn kind(&self) -> Kind {
        Kind::View
    }

    fn infer(&self, x: &[Meta]) -> Result<Metas> {
        one(x[0].clone())
    }

    fn view(&self, x: &Layout) -> Option<Layout> {
        Some(self.0.iter().fold(x.clone(), |layout, &axis| layout.flip(axis)))
    }

    fn run(&self, _: &[Input], _: &mut [Output]) {
        unreachable!("always a view")
    }

    fn grad(&self, g: &Grad) -> Grads {
        vec![Some(g.of(0).flip(&self.0[..]))]
    }

    fn onnx(&self, x: &Writer) -> Result<Values> {
        let all = |n: i64| x.integers(&vec![n; self.0.len()]);
        Ok(vec![x.node("Slice", &[x.input(0), all(-1), all(i64::MIN), x.sizes(&self.0), all(-1)], &[])])
    }
}

#[fallible]
impl Tensor {
    /// The given axes (`..` for all) in reverse. A view.
    pub fn flip(&self, axes: impl Into<Axes>) -> Result<Tensor> {
        let axes = axes.into().resolve(self.shape(), "flip")?.to_vec();
        if axes.is_empty() { Ok(self.clone()) } else { apply(Flip(axes), &[self]) }
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("flip", |a, x| vec![x[0].flip(a.axes("dims"))])
}
