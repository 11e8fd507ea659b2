//! `permute`: the axes in another order, as a view.

use crate::ops::prelude::*;

#[derive(Debug)]
struct Permute(Vec<usize>);

impl Op for Permute {
    fn name(&self) -> &'static str {
        "permute"
    }

    fn kind(&self) -> Kind {
        Kind::View
    }

    fn infer(&self, x: &[Meta]) -> Result<Metas> {
        let mut seen = self.0.clone();
        seen.sort_unstable();
        if !seen.iter().copied().eq(0..x[0].shape.rank()) {
            let message = format!("needs each axis of {} once, got {:?}", x[0].shape, self.0);
            return Err(Error::op(self.name(), message));
        }
        one(x[0].with_shape(self.0.iter().map(|&a| x[0].shape[a]).collect::<Shape>()))
    }

    fn view(&self, x: &Layout) -> Option<Layout> {
        Some(x.permute(&self.0))
    }

    fn run(&self, _: &[Input], _: &mut [Output]) {
        unreachable!("always a view")
    }

    fn grad(&self, g: &Grad) -> Grads {
        let mut inverse = vec![0; self.0.len()];
        self.0.iter().enumerate().for_each(|(to, &from)| inverse[from] = to as isize);
        vec![Some(g.of(0).permute(&inverse[..]))]
    }

    fn onnx(&self, x: &Writer) -> Result<Values> {
        Ok(vec![x.transpose(x.input(0), &self.0)])
    }
}

#[fallible]
impl Tensor {
    /// The axes in another order: axis `i` of the result is axis `order[i]` of this tensor. A view.
    pub fn permute(&self, order: impl AsRef<[isize]>) -> Result<Tensor> {
        let order = order.as_ref().iter().map(|&a| self.shape().axis(a, "permute")).collect::<Result<Vec<_>>>()?;
        apply(Permute(order), &[self])
    }

    /// With axes `a` and `b` exchanged. A view.
    pub fn transpose(&self, a: isize, b: isize) -> Result<Tensor> {
        let (a, b) = (self.shape().axis(a, "transpose")?, self.shape().axis(b, "transpose")?);
        let mut order: Vec<usize> = (0..self.rank()).collect();
        order.swap(a, b);
        apply(Permute(order), &[self])
    }

    /// The matrix transpose: the last two axes exchanged. A view.
    pub fn t(&self) -> Result<Tensor> {
        if self.rank() < 2 { Ok(self.clone()) } else { self.try_transpose(-2, -1) }
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("permute", |a, x| vec![x[0].permute(a.integers("dims"))])
}
