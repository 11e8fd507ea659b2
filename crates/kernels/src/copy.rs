//! Strided copies: a view of any strides to contiguous elements and back, for any element type.

use crate::threads::{SharedMut, for_chunks};

/// Elements worth a task.
const TASK: usize = 1 << 15;
/// Rows and columns of a block of a transpose: 16 cache lines of four-byte elements on both sides.
const TILE: usize = 16;

/// A view reduced to what matters: no axes of length one, neighbours that run on merged.
struct View {
    /// (length, stride on the strided side, stride on the contiguous side), outermost first.
    axes: Vec<(usize, isize, usize)>,
}

impl View {
    fn new(shape: &[usize], strides: &[isize]) -> Self {
        let mut axes: Vec<(usize, isize, usize)> = Vec::with_capacity(shape.len());
        let mut contiguous = 1;
        for (&length, &stride) in shape.iter().zip(strides).rev() {
            match axes.last_mut() {
                _ if length == 1 => {}
                Some((inner, step, _)) if stride == *step * *inner as isize => *inner *= length,
                _ => axes.push((length, stride, contiguous)),
            }
            contiguous *= length;
        }
        axes.reverse();
        View { axes }
    }

    /// Whether no two elements of the view share a place.
    fn is_injective(&self) -> bool {
        let mut axes = self.axes.clone();
        axes.sort_by_key(|axis| axis.1.unsigned_abs());
        let mut reach = 0;
        axes.iter().all(|&(length, stride, _)| {
            let free = stride.unsigned_abs() > reach;
            reach += (length - 1) * stride.unsigned_abs();
            free
        })
    }

    /// Calls `row(strided offset, contiguous offset, length, stride)` for pieces of rows of the innermost axis until
    /// all elements are done; each piece on one thread. In order and on this thread unless `free`.
    fn for_rows(&self, free: bool, row: impl Fn(isize, usize, usize, isize) + Sync) {
        let Some((&(length, stride, _), outer)) = self.axes.split_last() else { return row(0, 0, 1, 1) };
        // A transpose: the strided side runs along another axis. Small blocks use whole cache lines of both sides.
        let along = outer.iter().position(|axis| axis.1.unsigned_abs() == 1);
        if let (Some(along), true, true) = (along, free, stride.unsigned_abs() > 1) {
            let (width, side, step) = outer[along];
            let outer = [&outer[..along], &outer[along + 1..]].concat();
            let strips = width.div_ceil(TILE);
            return for_chunks(places(&outer) * strips, (TASK / (TILE * length)).max(1), |range| {
                for unit in range {
                    let (strided, contiguous) = place(&outer, unit / strips);
                    let lines = unit % strips * TILE..width.min((unit % strips + 1) * TILE);
                    for first in (0..length).step_by(TILE) {
                        for line in lines.clone() {
                            let strided = strided + line as isize * side + first as isize * stride;
                            row(strided, contiguous + line * step + first, TILE.min(length - first), stride);
                        }
                    }
                }
            });
        }
        let pieces = length.div_ceil(TASK);
        let units = places(outer) * pieces;
        let each = if free { (TASK / length).max(1) } else { units };
        for_chunks(units, each, |range| {
            for unit in range {
                let (strided, contiguous) = place(outer, unit / pieces);
                let first = unit % pieces * TASK;
                row(strided + first as isize * stride, contiguous + first, TASK.min(length - first), stride);
            }
        });
    }
}

/// The number of index combinations of some axes.
fn places(axes: &[(usize, isize, usize)]) -> usize {
    axes.iter().map(|axis| axis.0).product()
}

/// The offsets of the `index`-th combination: (strided, contiguous).
fn place(axes: &[(usize, isize, usize)], mut index: usize) -> (isize, usize) {
    let (mut strided, mut contiguous) = (0, 0);
    for &(length, stride, step) in axes.iter().rev() {
        strided += (index % length) as isize * stride;
        contiguous += index % length * step;
        index /= length;
    }
    (strided, contiguous)
}

/// Asserts that every element of the view lies inside a slice of `len` elements.
#[track_caller]
fn check(shape: &[usize], strides: &[isize], offset: usize, len: usize, contiguous: usize) -> bool {
    assert_eq!(shape.len(), strides.len(), "a stride for every axis of {shape:?}");
    let elements = shape.iter().product::<usize>();
    assert_eq!(contiguous, elements, "{shape:?} has {elements} elements");
    if elements == 0 {
        return false;
    }
    let (mut lowest, mut highest) = (offset as isize, offset as isize);
    for (&length, &stride) in shape.iter().zip(strides) {
        let reach = (length - 1) as isize * stride;
        *(if reach < 0 { &mut lowest } else { &mut highest }) += reach;
    }
    assert!(
        lowest >= 0 && highest < len as isize,
        "shape {shape:?} with strides {strides:?} from {offset} reaches {lowest}..={highest} of {len} elements"
    );
    true
}

/// `out`, contiguous, becomes the elements of `x` at `offset + Σ index·stride`, in row-major order of `shape`. Strides
/// may be zero (repeat) or negative (reverse).
///
/// # Panics
/// If the view leaves `x`, or `out` has another number of elements.
#[track_caller]
pub fn gather_strided<T: Copy + Send + Sync>(
    x: &[T],
    offset: usize,
    shape: &[usize],
    strides: &[isize],
    out: &mut [T],
) {
    if !check(shape, strides, offset, x.len(), out.len()) {
        return;
    }
    let out = SharedMut::new(out);
    View::new(shape, strides).for_rows(true, |strided, contiguous, length, stride| {
        // SAFETY: the contiguous places are the elements of `out`, each in one row.
        let to = unsafe { out.range(contiguous..contiguous + length) };
        // SAFETY: `check` shows that every place of the view lies in `x`.
        let from = unsafe { x.as_ptr().offset(offset as isize + strided) };
        match stride {
            // SAFETY: as above.
            1 => to.copy_from_slice(unsafe { std::slice::from_raw_parts(from, length) }),
            // SAFETY: as above.
            0 => to.fill(unsafe { *from }),
            _ => {
                for (i, to) in to.iter_mut().enumerate() {
                    // SAFETY: as above.
                    *to = unsafe { *from.offset(i as isize * stride) };
                }
            }
        }
    });
}

/// The elements of `x`, contiguous in row-major order of `shape`, go to `out` at `offset + Σ index·stride`. Where
/// places of the view coincide, the last element in row-major order stays.
///
/// # Panics
/// If the view leaves `out`, or `x` has another number of elements.
#[track_caller]
pub fn scatter_strided<T: Copy + Send + Sync>(
    x: &[T],
    out: &mut [T],
    offset: usize,
    shape: &[usize],
    strides: &[isize],
) {
    if !check(shape, strides, offset, out.len(), x.len()) {
        return;
    }
    let view = View::new(shape, strides);
    let out = SharedMut::new(out);
    view.for_rows(view.is_injective(), |strided, contiguous, length, stride| {
        // SAFETY: `check` shows that every place of the view lies in `out`; they differ, or one thread writes them.
        let to = unsafe { out.pointer().offset(offset as isize + strided) };
        for (i, &from) in x[contiguous..contiguous + length].iter().enumerate() {
            // SAFETY: as above.
            unsafe { *to.offset(i as isize * stride) = from };
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::threads::set_threads;

    /// The definition: index by index.
    fn offsets(offset: usize, shape: &[usize], strides: &[isize]) -> Vec<usize> {
        (0..shape.iter().product())
            .map(|mut index: usize| {
                let mut at = offset as isize;
                for (&length, &stride) in shape.iter().zip(strides).rev() {
                    at += (index % length) as isize * stride;
                    index /= length;
                }
                at as usize
            })
            .collect()
    }

    const VIEWS: &[(usize, &[usize], &[isize])] = &[
        (3, &[], &[]),
        (0, &[5], &[1]),
        (4, &[5], &[-1]),
        (2, &[4, 3], &[0, 1]),
        (2, &[4, 3], &[1, 0]),
        (0, &[37, 50], &[1, 37]),
        (0, &[3, 20, 35], &[700, 1, 20]),
        (0, &[3, 20, 35], &[1, 105, 3]),
        (1999, &[4, 10, 50], &[-500, -50, -1]),
        (7, &[2, 1, 3, 4], &[50, 9, 16, 4]),
        (0, &[2, 0, 3], &[1, 1, 1]),
        (0, &[1, 2000, 1], &[7, 1, 3]),
    ];

    #[test]
    fn views_equal_the_definition_both_ways() {
        let x: Vec<u32> = (0..2100).collect();
        for threads in [1, 3] {
            set_threads(threads);
            for &(offset, shape, strides) in VIEWS {
                let places = offsets(offset, shape, strides);
                let mut out = vec![u32::MAX; places.len()];
                gather_strided(&x, offset, shape, strides, &mut out);
                assert!(out.iter().zip(&places).all(|(&x, &at)| x as usize == at), "{shape:?} {strides:?}");
                let (mut got, mut expected) = (vec![u32::MAX; x.len()], vec![u32::MAX; x.len()]);
                for (i, &at) in places.iter().enumerate() {
                    expected[at] = i as u32;
                }
                scatter_strided(&x[..places.len()], &mut got, offset, shape, strides);
                assert!(got == expected, "{shape:?} {strides:?}");
            }
        }
    }

    #[test]
    #[cfg(not(miri))] // too long for an interpreter
    fn large_views_are_split_correctly() {
        set_threads(3);
        let x: Vec<u16> = (0..300_000).map(|i| (i % 65_521) as u16).collect();
        for (shape, strides) in
            [([500, 600], [1, 500]), ([300, 1000], [1000, 1]), ([1, 100_000], [1, 3]), ([300_000, 1], [1, 1])]
        {
            let mut out = vec![0; shape[0] * shape[1]];
            gather_strided(&x, 0, &shape, &strides, &mut out);
            let places = offsets(0, &shape, &strides);
            assert!(out.iter().zip(places).all(|(&value, at)| value == x[at]), "{shape:?} {strides:?}");
        }
    }

    #[test]
    #[should_panic(expected = "shape [2, 3] with strides [3, 1] from 1 reaches 1..=6 of 6 elements")]
    fn a_view_that_leaves_the_slice_is_refused() {
        gather_strided(&[0u8; 6], 1, &[2, 3], &[3, 1], &mut [0; 6]);
    }
}
