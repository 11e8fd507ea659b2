//! Rearranging elements: any layout to row-major order.

use crate::dispatch;
use crate::op::{Input, Output};
use crate::tensor::{Element, Layout};
use hadal_kernels::threads::for_chunks_mut;

use super::map::{CHUNK, Reader};

/// Copies the elements of `layout` over `all` into `out`, row-major.
pub fn gather<T: Element>(all: &[T], layout: &Layout, out: &mut [T]) {
    let reader = Reader::new(all, layout);
    for_chunks_mut(out, CHUNK, |i, part| reader.read(i * CHUNK, part));
}

/// The input's elements in row-major order.
pub fn copy(x: &Input, y: &mut Output) {
    rearrange(x, x.layout(), y);
}

/// The elements that another layout picks from the input's buffer, in its row-major order.
pub fn rearrange(x: &Input, layout: &Layout, y: &mut Output) {
    dispatch!(moves x.dtype(), T => gather(x.bits::<T>(), layout, y.bits()));
}
