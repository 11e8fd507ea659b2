//! One matrix per head for the attention kernels: any layout whose rows are contiguous is passed on as it lies.

use crate::op::{Contiguous, Input};
use crate::tensor::{Element, Layout, Shape};
use hadal_kernels::attention::{Heads, HeadsMut};

/// Where the matrices of all heads lie.
pub struct Places {
    offsets: Vec<usize>,
    row: usize,
    column: usize,
}

impl Places {
    /// Of `[…, rows, columns]`, its first axes stretched to `heads`. No axis runs backwards.
    pub fn new(layout: &Layout, heads: &Shape) -> Places {
        let matrix = &layout.shape[layout.shape.rank() - 2..];
        let all = layout.broadcast_to(&heads.iter().chain(matrix).copied().collect());
        let (outer, inner) = all.strides.split_at(heads.rank());
        let outer = Layout { shape: heads.clone(), strides: outer.into(), offset: all.offset };
        Places { offsets: outer.positions().collect(), row: inner[0] as usize, column: inner[1] as usize }
    }

    /// Where each head's matrix begins, and the elements from a row and from a column to the next.
    pub fn strides(&self) -> (&[usize], usize, usize) {
        (&self.offsets, self.row, self.column)
    }

    /// The matrices to write in `data`.
    pub fn within<'a, T>(&'a self, data: &'a mut [T]) -> HeadsMut<'a, T> {
        HeadsMut { data, offsets: &self.offsets, row: self.row }
    }
}

/// The matrices of an input.
pub struct Stack<'a, T> {
    values: Contiguous<'a, T>,
    places: Places,
}

impl<'a, T: Element> Stack<'a, T> {
    /// The elements of `layout`, which lies over the input's buffer, its first axes stretched to `heads`. They are copied
    /// only if some axis runs backwards or a row has gaps.
    pub fn new(x: &Input<'a>, layout: &Layout, heads: &Shape) -> Stack<'a, T> {
        let last = layout.shape.rank() - 1;
        let in_place = layout.strides[last] == 1 || layout.shape[last] <= 1;
        Stack::with(x, layout, heads, in_place)
    }

    /// As [`Stack::new`], for matrices whose columns may lie apart.
    pub fn spread(x: &Input<'a>, layout: &Layout, heads: &Shape) -> Stack<'a, T> {
        Stack::with(x, layout, heads, true)
    }

    fn with(x: &Input<'a>, layout: &Layout, heads: &Shape, in_place: bool) -> Stack<'a, T> {
        if in_place && layout.strides.iter().all(|&s| s >= 0) {
            return Stack { values: Contiguous::Borrowed(x.buffer()), places: Places::new(layout, heads) };
        }
        let places = Places::new(&Layout::contiguous(&layout.shape), heads);
        Stack { values: x.arranged(layout), places }
    }

    /// The matrices to read.
    pub fn heads(&self) -> Heads<'_, T> {
        Heads { data: &self.values, offsets: &self.places.offsets, row: self.places.row }
    }

    /// The elements and where they are.
    pub fn parts(&self) -> (&[T], &Places) {
        (&self.values, &self.places)
    }
}
