//! Rearranging elements: any layout to row-major order.

use crate::tensor::{Element, Layout};
use hadal_kernels::threads::for_chunks_mut;

use super::map::{CHUNK, Reader};

/// Copies the elements of `layout` over `all` into `out`, row-major.
pub fn gather<T: Element>(all: &[T], layout: &Layout, out: &mut [T]) {
    let reader = Reader::new(all, layout);
    for_chunks_mut(out, CHUNK, |i, part| reader.read(i * CHUNK, part));
}
