//! Layouts: how the elements of a tensor lie in its buffer, and the views that need no copy.

use super::Shape;
use smallvec::SmallVec;

/// Strides in elements; negative for a flipped axis, 0 for a broadcast one.
pub type Strides = SmallVec<[isize; 4]>;

/// Element `[i, j, …]` lies at `offset + i·strides[0] + j·strides[1] + …` of the buffer.
#[derive(Debug, PartialEq, Eq)]
pub struct Layout {
    /// The sizes of the axes.
    pub shape: Shape,
    /// The distance between neighbours along each axis, in elements.
    pub strides: Strides,
    /// The position of the first element, in elements.
    pub offset: usize,
}

/// By copying the strides, as `Shape` does its sizes.
impl Clone for Layout {
    fn clone(&self) -> Layout {
        Layout { shape: self.shape.clone(), strides: SmallVec::from_slice(&self.strides), offset: self.offset }
    }
}

impl Layout {
    /// Row-major, without gaps, from the start of the buffer.
    pub fn contiguous(shape: impl Into<Shape>) -> Layout {
        let shape = shape.into();
        let mut strides: Strides = SmallVec::from_elem(1, shape.rank());
        for i in (0..shape.rank().saturating_sub(1)).rev() {
            strides[i] = strides[i + 1] * shape[i + 1].max(1) as isize;
        }
        Layout { shape, strides, offset: 0 }
    }

    /// Whether the elements lie row-major without gaps (from `offset` on).
    pub fn is_contiguous(&self) -> bool {
        let mut expected = 1;
        for (&size, &stride) in self.shape.iter().zip(&self.strides).rev() {
            if size == 0 {
                return true;
            }
            if size != 1 && stride != expected {
                return false;
            }
            expected *= size as isize;
        }
        true
    }

    /// The axes in another order: axis `i` of the result is axis `order[i]` of this.
    pub fn permute(&self, order: &[usize]) -> Layout {
        Layout {
            shape: order.iter().map(|&a| self.shape[a]).collect(),
            strides: order.iter().map(|&a| self.strides[a]).collect(),
            offset: self.offset,
        }
    }

    /// Stretched to `shape`, which this one's shape broadcasts to.
    pub fn broadcast_to(&self, shape: &Shape) -> Layout {
        let new = shape.rank() - self.shape.rank();
        let strides = (0..shape.rank()).map(|i| match i.checked_sub(new) {
            Some(old) if self.shape[old] == shape[i] => self.strides[old],
            _ => 0,
        });
        Layout { shape: shape.clone(), strides: strides.collect(), offset: self.offset }
    }

    /// The same elements under another shape, if that needs no copy.
    pub fn reshape(&self, shape: &Shape) -> Option<Layout> {
        if self.shape.elements() == 0 || self.is_contiguous() {
            return Some(Layout { offset: self.offset, ..Layout::contiguous(shape) });
        }
        // Walk groups of old and new axes with equal products; inside a group the old axes must be gapless.
        let old: SmallVec<[(usize, isize); 6]> =
            self.shape.iter().zip(&self.strides).filter(|(n, _)| **n != 1).map(|(&n, &s)| (n, s)).collect();
        let mut strides: Strides = SmallVec::from_elem(0, shape.rank());
        let (mut o, mut n) = (0, 0);
        while o < old.len() {
            let (first, mut product_old, mut last) = (n, old[o].0, o);
            let mut product_new = 1;
            while product_new != product_old {
                if product_new < product_old {
                    product_new *= *shape.get(n)?;
                    n += 1;
                } else {
                    last += 1;
                    let (size, stride) = *old.get(last)?;
                    if old[last - 1].1 != stride * size as isize {
                        return None;
                    }
                    product_old *= size;
                }
            }
            let mut stride = old[last].1;
            for i in (first..n).rev() {
                strides[i] = stride;
                stride *= shape[i] as isize;
            }
            o = last + 1;
        }
        Some(Layout { shape: shape.clone(), strides, offset: self.offset })
    }

    /// `len` elements along `axis`, from `start`, `step` apart (negative steps walk backwards).
    pub fn slice(&self, axis: usize, start: usize, step: isize, len: usize) -> Layout {
        let mut sliced = self.clone();
        sliced.shape.sizes_mut()[axis] = len;
        sliced.strides[axis] *= step;
        if len > 0 {
            sliced.offset = (self.offset as isize + start as isize * self.strides[axis]) as usize;
        }
        sliced
    }

    /// The lowest and the highest position that is read; for a layout without elements they mean nothing.
    pub(crate) fn span(&self) -> (isize, isize) {
        let at = self.offset as isize;
        self.shape.iter().zip(&self.strides).fold((at, at), |(low, high), (&size, &stride)| {
            let reach = (size as isize - 1) * stride;
            (low + reach.min(0), high + reach.max(0))
        })
    }

    /// Without the axis, at position `index` along it.
    pub fn select(&self, axis: usize, index: usize) -> Layout {
        let mut selected = self.slice(axis, index, 1, 1);
        selected.shape.sizes_mut().remove(axis);
        selected.strides.remove(axis);
        selected
    }

    /// The windows of `size` elements along `axis`, `step` apart; their elements become the last axis.
    pub fn windows(&self, axis: usize, size: usize, step: usize) -> Layout {
        let mut layout = self.clone();
        layout.shape.sizes_mut()[axis] = self.shape[axis].checked_sub(size).map_or(0, |free| free / step + 1);
        layout.strides[axis] *= step as isize;
        layout.shape.sizes_mut().push(size);
        layout.strides.push(self.strides[axis]);
        layout
    }

    /// Backwards along the axis.
    pub fn flip(&self, axis: usize) -> Layout {
        match self.shape[axis] {
            0 => self.clone(),
            n => self.slice(axis, n - 1, -1, n),
        }
    }

    /// The elements whose position along axis `b` is that along axis `a` plus `offset`, as a new last axis
    /// in place of the two.
    pub fn diagonal(&self, offset: isize, a: usize, b: usize) -> Layout {
        let (down, right) = ((-offset).max(0) as usize, offset.max(0) as usize);
        let len = self.shape[a].saturating_sub(down).min(self.shape[b].saturating_sub(right));
        let others: SmallVec<[usize; 6]> = (0..self.shape.rank()).filter(|&axis| axis != a && axis != b).collect();
        let mut layout = self.permute(&others);
        layout.shape.sizes_mut().push(len);
        layout.strides.push(self.strides[a] + self.strides[b]);
        if len > 0 {
            let first = down as isize * self.strides[a] + right as isize * self.strides[b];
            layout.offset = layout.offset.wrapping_add_signed(first);
        }
        layout
    }

    /// With an axis of size 1 inserted at `axis`.
    pub fn unsqueeze(&self, axis: usize) -> Layout {
        let mut layout = self.clone();
        layout.shape.sizes_mut().insert(axis, 1);
        layout.strides.insert(axis, 0);
        layout
    }

    /// The same elements in the same order with as few axes as possible: neighbours without a gap joined,
    /// axes of size 1 dropped.
    pub fn merged(&self) -> Layout {
        let (mut sizes, mut strides): (SmallVec<[usize; 6]>, Strides) = Default::default();
        for (&size, &stride) in self.shape.iter().zip(&self.strides).filter(|(n, _)| **n != 1) {
            match (sizes.last_mut(), strides.last_mut()) {
                (Some(n), Some(s)) if *s == stride * size as isize => (*n, *s) = (*n * size, stride),
                _ => {
                    sizes.push(size);
                    strides.push(stride);
                }
            }
        }
        Layout { shape: sizes.into_iter().collect(), strides, offset: self.offset }
    }

    /// Whether no two elements share a place in the buffer. May say no for exotic layouts where none do.
    pub fn is_distinct(&self) -> bool {
        let mut axes: SmallVec<[(usize, usize); 6]> = SmallVec::new();
        axes.extend(self.strides.iter().zip(&self.shape[..]).map(|(s, &n)| (s.unsigned_abs(), n)).filter(|a| a.1 != 1));
        axes.sort_unstable();
        let mut extent = 0;
        axes.iter().all(|&(stride, size)| {
            let beyond = stride > extent;
            extent += stride * size.saturating_sub(1);
            beyond
        })
    }

    /// The buffer positions of the elements in row-major order.
    pub fn positions(&self) -> Positions<'_> {
        self.positions_from(0)
    }

    /// The buffer positions of the elements in row-major order, from element number `start` on.
    pub fn positions_from(&self, start: usize) -> Positions<'_> {
        let mut index: SmallVec<[usize; 6]> = SmallVec::from_elem(0, self.shape.rank());
        let (mut rest, mut at) = (start, self.offset as isize);
        for ((i, &size), &stride) in index.iter_mut().zip(&self.shape[..]).zip(&self.strides).rev() {
            (*i, rest) = (rest % size.max(1), rest / size.max(1));
            at += *i as isize * stride;
        }
        Positions { layout: self, index, at, left: self.shape.elements().saturating_sub(start) }
    }
}

/// Iterator over the buffer positions of a layout's elements.
pub struct Positions<'a> {
    layout: &'a Layout,
    index: SmallVec<[usize; 6]>,
    at: isize,
    left: usize,
}

impl Iterator for Positions<'_> {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        self.left = self.left.checked_sub(1)?;
        let current = self.at as usize;
        for axis in (0..self.index.len()).rev() {
            self.index[axis] += 1;
            self.at += self.layout.strides[axis];
            if self.index[axis] < self.layout.shape[axis] {
                break;
            }
            self.at -= self.layout.strides[axis] * self.index[axis] as isize;
            self.index[axis] = 0;
        }
        Some(current)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reshape_without_copy_only_where_possible() {
        let x = Layout::contiguous([2, 3, 4]);
        let t = x.permute(&[2, 0, 1]);
        assert_eq!(t.strides[..], [1, 12, 4]);
        assert_eq!(t.reshape(&[4, 6].into()).unwrap().strides[..], [1, 4]);
        assert!(t.reshape(&[8, 3].into()).is_none());
        assert!(t.reshape(&[24].into()).is_none());
        assert_eq!(t.reshape(&[2, 2, 1, 2, 3].into()).unwrap().strides[..], [2, 1, 24, 12, 4]);
        let s = Layout::contiguous([4, 6]).slice(1, 0, 2, 3);
        assert_eq!(s.reshape(&[2, 2, 3].into()).unwrap().strides[..], [12, 6, 2]);
        assert_eq!(s.reshape(&[12].into()).unwrap().strides[..], [2]);
        let broadcast = Layout::contiguous([1]).broadcast_to(&[3, 4].into());
        assert_eq!(broadcast.reshape(&[12].into()).unwrap().strides[..], [0]);
        assert_eq!(Layout::contiguous([0, 3]).reshape(&[3, 0, 2].into()).unwrap().shape, [3, 0, 2]);
    }

    #[test]
    fn positions_walk_views_in_row_major_order() {
        let x = Layout::contiguous([2, 3]);
        assert_eq!(x.permute(&[1, 0]).positions().collect::<Vec<_>>(), [0, 3, 1, 4, 2, 5]);
        assert_eq!(x.slice(1, 2, -2, 2).positions().collect::<Vec<_>>(), [2, 0, 5, 3]);
        assert_eq!(Layout::contiguous(()).positions().collect::<Vec<_>>(), [0]);
        assert_eq!(x.slice(0, 0, 1, 0).positions().count(), 0);
        assert_eq!(x.permute(&[1, 0]).positions_from(3).collect::<Vec<_>>(), [4, 2, 5]);
    }

    #[test]
    fn windows_and_broadcasts_are_not_distinct() {
        let x = Layout::contiguous([4, 6]);
        assert!(x.slice(1, 5, -2, 3).permute(&[1, 0]).is_distinct());
        assert!(!Layout::contiguous([1, 6]).broadcast_to(&[2, 6].into()).is_distinct());
        let window = |step| Layout::contiguous(7).windows(0, 2, step);
        assert!(window(2).is_distinct() && !window(1).is_distinct());
    }
}
