//! Shapes, axes and broadcasting.

use crate::{Error, Result};
use smallvec::SmallVec;
use std::fmt;
use std::ops::{Deref, RangeFull};

/// The sizes of a tensor's axes; `[]` is a scalar. Any size may be 0.
#[derive(PartialEq, Eq, Hash, Default)]
pub struct Shape(SmallVec<[usize; 4]>);

/// By copying the sizes: `SmallVec`'s own clone goes through an iterator, and shapes are cloned several times an op.
impl Clone for Shape {
    fn clone(&self) -> Shape {
        Shape(SmallVec::from_slice(&self.0))
    }
}

impl Shape {
    /// The number of elements.
    pub fn elements(&self) -> usize {
        self.0.iter().product()
    }

    /// The number of axes.
    pub fn rank(&self) -> usize {
        self.0.len()
    }

    /// The axis that `axis` names, counted from the end when negative.
    pub fn axis(&self, axis: isize, op: &str) -> Result<usize> {
        let rank = self.rank() as isize;
        let resolved = if axis < 0 { axis + rank } else { axis };
        if (0..rank).contains(&resolved) {
            return Ok(resolved as usize);
        }
        Err(Error::op(op, format!("got axis {axis} for a tensor of shape {self}, whose axes are {}", range(rank))))
    }

    /// The shape that both broadcast to, by NumPy's rule: axes are aligned at the end, and a size of 1 stretches.
    pub fn broadcast(&self, other: &Shape, op: &str) -> Result<Shape> {
        let rank = self.rank().max(other.rank());
        let size = |s: &Shape, i: usize| if i + s.rank() < rank { 1 } else { s[i + s.rank() - rank] };
        (0..rank)
            .map(|i| match (size(self, i), size(other, i)) {
                (a, b) if a == b => Some(a),
                (1, b) => Some(b),
                (a, 1) => Some(a),
                _ => None,
            })
            .collect::<Option<_>>()
            .map(Shape)
            .ok_or_else(|| {
                Error::op(
                    op,
                    format!("cannot broadcast {self} with {other}: aligned at the last axis, sizes must be equal or 1"),
                )
            })
    }

    /// The shape without the given (sorted) axes, or with size 1 in their place.
    pub fn reduce(&self, axes: &[usize], keep: bool) -> Shape {
        let kept = self.iter().enumerate().filter_map(|(i, &n)| match axes.contains(&i) {
            true => keep.then_some(1),
            false => Some(n),
        });
        Shape(kept.collect())
    }

    /// The sizes, to change.
    pub fn sizes_mut(&mut self) -> &mut SmallVec<[usize; 4]> {
        &mut self.0
    }
}

/// `-3..=2` for rank 3, and a plain word for a scalar.
fn range(rank: isize) -> String {
    if rank == 0 { "none (it is a scalar)".into() } else { format!("{} to {}", -rank, rank - 1) }
}

impl Deref for Shape {
    type Target = [usize];
    fn deref(&self) -> &[usize] {
        &self.0
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &self.0[..])
    }
}

impl fmt::Debug for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl FromIterator<usize> for Shape {
    fn from_iter<I: IntoIterator<Item = usize>>(sizes: I) -> Shape {
        Shape(sizes.into_iter().collect())
    }
}

impl<const N: usize> From<[usize; N]> for Shape {
    fn from(sizes: [usize; N]) -> Shape {
        sizes.into_iter().collect()
    }
}

impl From<&[usize]> for Shape {
    fn from(sizes: &[usize]) -> Shape {
        sizes.iter().copied().collect()
    }
}

impl From<Vec<usize>> for Shape {
    fn from(sizes: Vec<usize>) -> Shape {
        sizes.into_iter().collect()
    }
}

impl From<&Shape> for Shape {
    fn from(shape: &Shape) -> Shape {
        shape.clone()
    }
}

impl From<usize> for Shape {
    fn from(size: usize) -> Shape {
        Shape::from([size])
    }
}

impl From<()> for Shape {
    fn from((): ()) -> Shape {
        Shape::default()
    }
}

impl<const N: usize> PartialEq<[usize; N]> for Shape {
    fn eq(&self, other: &[usize; N]) -> bool {
        self[..] == other[..]
    }
}

/// Which axes an operation works on: `..` for all, an index, or a list; negative indices count from the end.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Axes(Option<SmallVec<[isize; 4]>>);

impl Axes {
    /// The axes of `shape` that are meant, sorted; a repeated or missing axis is an error.
    /// As in PyTorch, axis 0 (or -1) of a scalar is allowed, and none.
    pub fn resolve(&self, shape: &Shape, op: &str) -> Result<SmallVec<[usize; 4]>> {
        let mut axes = self.in_order(shape, op)?;
        axes.sort_unstable();
        Ok(axes)
    }

    /// As [`Axes::resolve`], in the order in which they were given.
    pub fn in_order(&self, shape: &Shape, op: &str) -> Result<SmallVec<[usize; 4]>> {
        let Some(axes) = &self.0 else { return Ok((0..shape.rank()).collect()) };
        if let ([0 | -1], 0) = (&axes[..], shape.rank()) {
            return Ok(SmallVec::new());
        }
        let resolved = axes.iter().map(|&a| shape.axis(a, op)).collect::<Result<SmallVec<[usize; 4]>>>()?;
        match resolved.iter().enumerate().find(|(i, a)| resolved[..*i].contains(a)) {
            Some((_, axis)) => Err(Error::op(op, format!("got axis {axis} twice in {axes:?} (shape {shape})"))),
            None => Ok(resolved),
        }
    }
}

impl From<RangeFull> for Axes {
    fn from(_: RangeFull) -> Axes {
        Axes(None)
    }
}

macro_rules! axes_from {
    ($($t:ty),*) => { $(
        impl From<$t> for Axes {
            fn from(axis: $t) -> Axes { Axes(Some(SmallVec::from_slice(&[axis as isize]))) }
        }
        impl<const N: usize> From<[$t; N]> for Axes {
            fn from(axes: [$t; N]) -> Axes { Axes(Some(axes.iter().map(|&a| a as isize).collect())) }
        }
        impl From<&[$t]> for Axes {
            fn from(axes: &[$t]) -> Axes { Axes(Some(axes.iter().map(|&a| a as isize).collect())) }
        }
    )* };
}
axes_from!(i32, isize, usize);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broadcasting_follows_numpy() {
        let join = |a: &[usize], b: &[usize]| Shape::from(a).broadcast(&b.into(), "add").map(|s| s.to_vec());
        assert_eq!(join(&[2, 1, 3], &[4, 1]).unwrap(), [2, 4, 3]);
        assert_eq!(join(&[], &[0]).unwrap(), [0]);
        assert_eq!(join(&[1], &[0]).unwrap(), [0]);
        assert_eq!(
            join(&[2, 3], &[2]).unwrap_err().to_string(),
            "add cannot broadcast [2, 3] with [2]: aligned at the last axis, sizes must be equal or 1"
        );
    }

    #[test]
    fn axes_resolve_from_either_end() {
        let shape = Shape::from([2, 3, 4]);
        assert_eq!(Axes::from([-1, 0]).resolve(&shape, "sum").unwrap()[..], [0, 2]);
        assert_eq!(Axes::from(..).resolve(&Shape::default(), "sum").unwrap().len(), 0);
        assert_eq!(
            Axes::from(3).resolve(&shape, "sum").unwrap_err().to_string(),
            "sum got axis 3 for a tensor of shape [2, 3, 4], whose axes are -3 to 2"
        );
        assert!(Axes::from([1, -2]).resolve(&shape, "sum").is_err());
    }
}
