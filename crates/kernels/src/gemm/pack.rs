//! Packing: a block of a matrix laid out in the order in which the tile reads it.
//!
//! A panel holds `width` lanes (rows of A or columns of B) for every step of k: lane `j` of step `s` is at
//! `s·width + j`. Lanes past the edge of the matrix are zero. A transpose is only another pair of strides here.

use std::ops::Range;

use super::Element;
use super::tile::prefetch;
use super::transpose::transpose;

/// Rows that a copy asks for in advance: each is in a page of its own, where the hardware foresees nothing.
const ROWS_AHEAD: usize = 16;

/// Something whose lanes can be packed: a matrix, or an image seen as one.
pub(crate) trait Source<T>: Sync {
    /// Packs the steps `k` of the lanes `lanes` into `to`, `width` lanes a step.
    fn pack(&self, k: Range<usize>, lanes: Range<usize>, width: usize, to: &mut [T]);

    /// The matrix itself where it can be read without packing.
    fn strided(&self) -> Option<Lanes<'_, T>>;
}

/// A matrix in memory: step `s` of lane `j` is `data[s·step + j·lane]`.
#[derive(Clone, Copy)]
pub(crate) struct Lanes<'a, T> {
    pub data: &'a [T],
    pub step: usize,
    pub lane: usize,
}

impl<T: Element> Source<T> for Lanes<'_, T> {
    fn pack(&self, k: Range<usize>, lanes: Range<usize>, width: usize, to: &mut [T]) {
        let full = lanes.len() == width;
        // The heights of tiles and the widths of panels, so that a row is copied by a few known instructions.
        macro_rules! widths {
            ($($width:literal)*) => {
                match (self.lane, self.step, width) {
                    $((1, _, $width) if full => self.copy_rows::<$width>(k, lanes.start, to),)*
                    (_, 1, _) if full => self.transpose(k, lanes.start, width, to),
                    _ => self.gather(k, lanes, width, to),
                }
            };
        }
        widths!(1 2 3 4 5 6 7 8 9 10 11 12 13 14 16 32);
    }

    fn strided(&self) -> Option<Lanes<'_, T>> {
        Some(*self)
    }
}

impl<T: Element> Lanes<'_, T> {
    /// Steps are rows of contiguous lanes.
    fn copy_rows<const WIDTH: usize>(&self, k: Range<usize>, lane: usize, to: &mut [T]) {
        for (s, row) in k.zip(to.as_chunks_mut::<WIDTH>().0) {
            let from = s * self.step + lane;
            let ahead = self.data.as_ptr().wrapping_add(from + ROWS_AHEAD * self.step);
            prefetch(ahead);
            prefetch(ahead.wrapping_add(WIDTH - 1));
            row.copy_from_slice(&self.data[from..from + WIDTH]);
        }
    }

    /// Lanes are rows of contiguous steps.
    fn transpose(&self, k: Range<usize>, lane: usize, width: usize, to: &mut [T]) {
        transpose(self.data, |j| (lane + j) * self.lane + k.start, width, k.len(), to, width);
    }

    fn gather(&self, k: Range<usize>, lanes: Range<usize>, width: usize, to: &mut [T]) {
        for (s, row) in k.zip(to.chunks_exact_mut(width)) {
            for (j, x) in row.iter_mut().enumerate() {
                *x = if j < lanes.len() {
                    self.data[s * self.step + (lanes.start + j) * self.lane]
                } else {
                    T::default()
                };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_layout_packs_the_same_panel() {
        let (steps, lanes) = (21, 40);
        let value = |s: usize, j: usize| (s * 100 + j) as f32;
        let rows: Vec<f32> = (0..steps * lanes).map(|i| value(i / lanes, i % lanes)).collect();
        let columns: Vec<f32> = (0..steps * lanes).map(|i| value(i % steps, i / steps)).collect();
        let spread: Vec<f32> = (0..steps * lanes * 2).map(|i| value(i / 2 / lanes, i / 2 % lanes)).collect();
        let sources = [
            Lanes { data: &rows, step: lanes, lane: 1 },
            Lanes { data: &columns, step: 1, lane: steps },
            Lanes { data: &spread, step: lanes * 2, lane: 2 },
        ];
        for width in [1, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 16, 32] {
            for taken in [1.max(width - 1), width] {
                for source in &sources {
                    let mut to = vec![-1.0; 18 * width];
                    source.pack(2..20, 5..5 + taken, width, &mut to);
                    for (i, &x) in to.iter().enumerate() {
                        let (s, j) = (i / width, i % width);
                        assert_eq!(x, if j < taken { value(2 + s, 5 + j) } else { 0.0 });
                    }
                }
            }
        }
    }
}
