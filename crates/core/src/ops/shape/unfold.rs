//! `unfold`: sliding windows along an axis, as a view.

use crate::ops::prelude::*;

#[derive(Debug)]
struct Unfold {
    axis: usize,
    size: usize,
    step: usize,
}

impl Unfold {
    fn of(&self, layout: &Layout) -> Layout {
        layout.windows(self.axis, self.size, self.step)
    }
}

impl Op for Unfold {
    fn name(&self) -> &'static str {
        "unfold"
    }

    fn kind(&self) -> Kind {
        Kind::View
    }

    fn infer(&self, x: &[Meta]) -> Result<Metas> {
        if self.size > x[0].shape[self.axis] || self.step == 0 {
            let message = format!(
                "got windows of {} every {} for axis {} of {}: a window must fit and the step be at least 1",
                self.size, self.step, self.axis, x[0].shape
            );
            return Err(Error::op(self.name(), message));
        }
        one(x[0].with_shape(self.of(&Layout::contiguous(&x[0].shape)).shape))
    }

    fn view(&self, x: &Layout) -> Option<Layout> {
        Some(self.of(x))
    }

    fn run(&self, _: &[Input], _: &mut [Output]) {
        unreachable!("always a view")
    }

    fn grad(&self, g: &Grad) -> Grads {
        let shape = &g.meta(0).shape;
        vec![Some(g.of(0).place(shape, self.of(&Layout::contiguous(shape))))]
    }

    fn onnx(&self, x: &Writer) -> Result<Values> {
        let count = x.output(0).shape[self.axis];
        let at = (0..count).flat_map(|i| (0..self.size).map(move |k| (i * self.step + k) as i64)).collect();
        let at = x.constant(&Tensor::from_vec(at, [count, self.size]));
        let windows = x.node("Gather", &[x.input(0), at], &[("axis", self.axis.into())]);
        let mut order: Vec<usize> = (0..x.output(0).shape.rank()).filter(|&axis| axis != self.axis + 1).collect();
        order.push(self.axis + 1);
        Ok(vec![x.transpose(windows, &order)])
    }
}

#[fallible]
impl Tensor {
    /// The windows of `size` elements along `axis`, `step` apart; a window's elements become a new last axis.
    /// A view, even where windows overlap.
    pub fn unfold(&self, axis: isize, size: usize, step: usize) -> Result<Tensor> {
        let axis = self.shape().axis(axis, "unfold")?;
        apply(Unfold { axis, size, step }, &[self])
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("unfold", |a, x| {
        vec![x[0].unfold(a.integer("dimension"), a.integer("size") as usize, a.integer("step") as usize)]
    })
}
