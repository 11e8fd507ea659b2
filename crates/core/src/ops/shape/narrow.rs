//! `narrow`: part of an axis, optionally with a stride or backwards, as a view.

use crate::ops::prelude::*;

/// `len` elements of an axis from `start` on, `step` apart.
#[derive(Debug)]
struct Narrow {
    axis: usize,
    start: usize,
    step: isize,
    len: usize,
}

impl Narrow {
    fn of(&self, layout: &Layout) -> Layout {
        layout.slice(self.axis, self.start, self.step, self.len)
    }
}

impl Op for Narrow {
    fn name(&self) -> &'static str {
        "narrow"
    }

    fn kind(&self) -> Kind {
        Kind::View
    }

    fn infer(&self, x: &[Meta]) -> Result<Metas> {
        let size = x[0].shape[self.axis];
        let last = self.start as isize + self.step * (self.len as isize - 1);
        let outside = |at: isize| !(0..size as isize).contains(&at);
        if self.start > size || self.len > 0 && (outside(self.start as isize) || outside(last)) {
            let message = format!(
                "got start {} and length {} for axis {} of size {size} (shape {}): start + length must not exceed the size",
                self.start, self.len, self.axis, x[0].shape
            );
            return Err(Error::op(self.name(), message));
        }
        let mut shape = x[0].shape.clone();
        shape.sizes_mut()[self.axis] = self.len;
        one(x[0].with_shape(shape))
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
        let last = self.start as i64 + self.step as i64 * self.len as i64;
        // Before the first element there is no position that does not count from the end.
        let end = if last < 0 { i64::MIN } else { last };
        let [start, end, axis, step] =
            [self.start as i64, end, self.axis as i64, self.step as i64].map(|n| x.integers(&[n]));
        Ok(vec![x.node("Slice", &[x.input(0), start, end, axis, step], &[])])
    }
}

#[fallible]
impl Tensor {
    /// Elements `start` to `start + length - 1` along `axis`. A view.
    pub fn narrow(&self, axis: isize, start: usize, length: usize) -> Result<Tensor> {
        let axis = self.shape().axis(axis, "narrow")?;
        self.stepped(axis, start, 1, length)
    }
}

impl Tensor {
    /// `len` elements along `axis` from `start` on, `step` apart (backwards if negative). A view.
    pub(crate) fn stepped(&self, axis: usize, start: usize, step: isize, len: usize) -> Result<Tensor> {
        if (start, step, len) == (0, 1, self.shape()[axis]) {
            return Ok(self.clone());
        }
        apply(Narrow { axis, start, step, len }, &[self])
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("narrow", |a, x| {
        vec![x[0].narrow(a.integer("dim"), a.integer("start") as usize, a.integer("length") as usize)]
    })
}
