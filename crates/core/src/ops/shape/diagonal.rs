//! `diagonal`: the diagonals of matrices, as a view.

use crate::ops::prelude::*;

#[derive(Debug)]
struct Diagonal {
    offset: isize,
    a: usize,
    b: usize,
}

impl Diagonal {
    fn of(&self, layout: &Layout) -> Layout {
        layout.diagonal(self.offset, self.a, self.b)
    }
}

impl Op for Diagonal {
    fn name(&self) -> &'static str {
        "diagonal"
    }

    fn kind(&self) -> Kind {
        Kind::View
    }

    fn infer(&self, x: &[Meta]) -> Result<Metas> {
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
        let shape = &x.meta(0).shape;
        let (rows, columns) = (shape[self.a], shape[self.b]);
        let mut order: Vec<usize> = (0..shape.rank()).filter(|&axis| axis != self.a && axis != self.b).collect();
        let (last, mut flat) = (order.len(), order.iter().map(|&axis| shape[axis]).collect::<Vec<_>>());
        order.extend([self.a, self.b]);
        flat.push(rows * columns);
        let flat = x.reshape(x.transpose(x.input(0), &order), &flat);
        // Neighbours on a diagonal are one row and one column apart.
        let first = if self.offset < 0 { -self.offset as usize * columns } else { self.offset as usize };
        let (len, step) = (x.output(0).shape[last], columns + 1);
        let inputs = [first, first + len * step, last, step].map(|n| x.sizes(&[n]));
        Ok(vec![x.node("Slice", &[&[flat], &inputs[..]].concat(), &[])])
    }
}

#[fallible]
impl Tensor {
    /// The elements `[i, i + offset]` of the matrices in axes `a` and `b`, as a new last axis. A view.
    pub fn diagonal(&self, offset: isize, a: isize, b: isize) -> Result<Tensor> {
        let axes = Axes::from([a, b]).in_order(self.shape(), "diagonal")?;
        apply(Diagonal { offset, a: axes[0], b: axes[1] }, &[self])
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("diagonal", |a, x| vec![x[0].diagonal(a.integer("offset"), a.integer("dim1"), a.integer("dim2"))])
}
