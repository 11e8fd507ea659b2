//! Matrices for the product kernels: any layout with steps forward is passed on as it lies.

use crate::op::{Contiguous, Input};
use crate::tensor::{Element, Layout, Shape, Strides};
use hadal_kernels::gemm::Mat;

/// A stack of matrices, `[…, rows, columns]`, in place where the layout allows it.
pub struct Matrices<'a, T> {
    values: Contiguous<'a, T>,
    layout: Layout,
}

impl<'a, T: Element> Matrices<'a, T> {
    /// The elements of `layout`, which lies over the input's buffer and has at least two axes.
    /// They are copied only if some axis runs backwards.
    pub fn new(x: &Input<'a>, layout: &Layout) -> Matrices<'a, T> {
        if layout.strides.iter().any(|&s| s < 0) {
            return Matrices { values: x.arranged(layout), layout: Layout::contiguous(&layout.shape) };
        }
        let all = x.buffer::<T>();
        let values = Contiguous::Borrowed(&all[layout.offset.min(all.len())..]);
        Matrices { values, layout: Layout { offset: 0, ..layout.clone() } }
    }

    /// The input as one matrix whose columns are the last axis, copied only if the other axes cannot be joined.
    pub fn joined(x: &Input<'a>) -> Matrices<'a, T> {
        let columns = x.shape().last().copied().unwrap_or(1);
        let rows = x.shape()[..x.shape().rank().saturating_sub(1)].iter().product();
        let shape = Shape::from([rows, columns]);
        match x.layout().reshape(&shape) {
            Some(layout) => Matrices::new(x, &layout),
            None => Matrices { values: x.contiguous(), layout: Layout::contiguous(shape) },
        }
    }

    /// The first matrix of the stack.
    pub fn first(&self) -> Mat<'_, T> {
        let [.., row, column] = self.layout.strides[..] else { unreachable!("a matrix has two axes") };
        Mat::new(&self.values, row as usize, column as usize)
    }

    /// Where each matrix begins when the stack is stretched to the axes `batch`.
    pub fn offsets(&self, batch: &Shape) -> Vec<usize> {
        let outer = self.layout.shape.rank() - 2;
        let strides: Strides = self.layout.strides[..outer].into();
        let stack = Layout { shape: self.layout.shape[..outer].into(), strides, offset: 0 };
        stack.broadcast_to(batch).positions().collect()
    }
}
