//! What stands between the brackets of an indexing expression: `x.slice(s![1, .., (..).by(-1), NewAxis])`.

use super::Tensor;
use std::ops::{Range, RangeFrom, RangeFull, RangeInclusive, RangeTo, RangeToInclusive};

/// One entry of an indexing expression; made by [`s!`](crate::s) from numbers, ranges and tensors.
#[derive(Clone, Debug)]
pub enum Index {
    /// One position (from the end when negative); the axis disappears.
    At(isize),
    /// Positions from `start` to before `stop`, `step` apart; what lies outside the axis is left out.
    Range {
        /// The first position; by default the end from which the steps walk.
        start: Option<isize>,
        /// Where to stop; by default the other end.
        stop: Option<isize>,
        /// The distance between positions, not 0; negative walks backwards.
        step: isize,
    },
    /// A new axis of size 1.
    NewAxis,
    /// As many whole axes as are left: `...` of NumPy.
    Ellipsis,
    /// Integer positions of any shape, or a bool mask over one or more axes.
    Tensor(Tensor),
}

/// A new axis of size 1, in [`s!`](crate::s).
#[derive(Clone, Copy, Debug)]
pub struct NewAxis;

/// As many whole axes as are left, in [`s!`](crate::s).
#[derive(Clone, Copy, Debug)]
pub struct Ellipsis;

impl From<NewAxis> for Index {
    fn from(_: NewAxis) -> Index {
        Index::NewAxis
    }
}

impl From<Ellipsis> for Index {
    fn from(_: Ellipsis) -> Index {
        Index::Ellipsis
    }
}

impl From<Tensor> for Index {
    fn from(index: Tensor) -> Index {
        Index::Tensor(index)
    }
}

impl From<&Tensor> for Index {
    fn from(index: &Tensor) -> Index {
        Index::Tensor(index.clone())
    }
}

impl From<RangeFull> for Index {
    fn from(_: RangeFull) -> Index {
        Index::Range { start: None, stop: None, step: 1 }
    }
}

macro_rules! index_from {
    ($($t:ty)*) => { $(
        impl From<$t> for Index {
            fn from(at: $t) -> Index { Index::At(at as isize) }
        }
        index_from!($t: Range |r| Some(r.start as isize), Some(r.end as isize));
        index_from!($t: RangeFrom |r| Some(r.start as isize), None);
        index_from!($t: RangeTo |r| None, Some(r.end as isize));
        // One past -1 is the end itself, not position 0.
        index_from!($t: RangeInclusive |r| Some(*r.start() as isize), Some(*r.end() as isize + 1).filter(|&e| e != 0));
        index_from!($t: RangeToInclusive |r| None, Some(r.end as isize + 1).filter(|&e| e != 0));
    )* };
    ($t:ty: $range:ident |$r:ident| $start:expr, $stop:expr) => {
        impl From<$range<$t>> for Index {
            fn from($r: $range<$t>) -> Index { Index::Range { start: $start, stop: $stop, step: 1 } }
        }
        impl By for $range<$t> {}
    };
}
index_from!(i32 isize usize);

/// Ranges with a step, in [`s!`](crate::s): `(1..6).by(2)`, `(..).by(-1)`.
pub trait By: Into<Index> {
    /// Every `step`-th position; a negative step walks from the end of the axis (or `start`) downwards.
    fn by(self, step: isize) -> Index {
        match self.into() {
            Index::Range { start, stop, .. } => Index::Range { start, stop, step },
            other => other,
        }
    }
}

impl By for RangeFull {}

/// An indexing expression as in NumPy, for [`Tensor::slice`]: numbers, ranges, [`NewAxis`], [`Ellipsis`], tensors.
///
/// ```
/// use hadal_core::{By, Ellipsis, NewAxis, Tensor, s};
/// let x = Tensor::arange(24).reshape([2, 3, 4]);
/// assert_eq!(x.slice(s![1, 0..2]).shape()[..], [2, 4]); // x[1, 0:2]
/// assert_eq!(x.slice(s![Ellipsis, -1]).shape()[..], [2, 3]); // x[..., -1]
/// assert_eq!(x.slice(s![.., NewAxis]).shape()[..], [2, 1, 3, 4]); // x[:, None]
/// assert_eq!(x.slice(s![0, 0, (..).by(-2)]).to_vec::<i64>(), [3, 1]); // x[0, 0, ::-2]
/// let rows = Tensor::from([1i64, 0, 1]);
/// assert_eq!(x.slice(s![&rows]).shape()[..], [3, 3, 4]); // x[rows]
/// ```
#[macro_export]
macro_rules! s {
    ($($index:expr),* $(,)?) => { [$($crate::Index::from($index)),*] };
}
