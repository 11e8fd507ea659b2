//! `pad`: more elements at the ends of axes, of four kinds; negative amounts cut off.

use crate::ops::prelude::*;
use crate::tensor::Scalar;

/// What the new elements are, for an axis `a b c` padded by two at both ends.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Border {
    /// A number: `v v a b c v v`.
    Constant(Scalar),
    /// Mirrored at the border element: `c b a b c b a`.
    Reflect,
    /// The border element repeated: `a a a b c c c`.
    Replicate,
    /// The other end continued: `b c a b c a b`.
    Circular,
}

impl Border {
    /// Zeros.
    pub const ZEROS: Border = Border::Constant(Scalar::Int(0));
}

impl Border {
    /// The position in an axis of `size` elements that stands at position `at`, which may lie outside.
    fn source(self, at: isize, size: isize) -> isize {
        match self {
            Border::Reflect if at < 0 => -at,
            Border::Reflect if at >= size => 2 * (size - 1) - at,
            Border::Replicate => at.clamp(0, size - 1),
            Border::Circular => at.rem_euclid(size),
            _ => at,
        }
    }

    /// The most elements that can be added at one end of an axis.
    fn most(self, size: usize) -> usize {
        match self {
            Border::Constant(_) => usize::MAX,
            Border::Reflect => size.saturating_sub(1),
            Border::Replicate => {
                if size == 0 {
                    0
                } else {
                    usize::MAX
                }
            }
            Border::Circular => size,
        }
    }
}

#[fallible]
impl Tensor {
    /// With `amounts[i] = (before, after)` elements added at the ends of the last axes: the last entry is for
    /// the last axis, as in a shape. Negative amounts cut elements off.
    ///
    /// ```
    /// # use hadal_core::{Border, Tensor};
    /// let x = Tensor::from([[1.0f32, 2.0]]);
    /// assert_eq!(x.pad([(0, 0), (1, 2)], Border::ZEROS).to_vec::<f32>(), [0.0, 1.0, 2.0, 0.0, 0.0]);
    /// assert_eq!(x.pad([(1, 1)], Border::Circular).to_vec::<f32>(), [2.0, 1.0, 2.0, 1.0]);
    /// ```
    pub fn pad(&self, amounts: impl AsRef<[(isize, isize)]>, border: Border) -> Result<Tensor> {
        let amounts = amounts.as_ref();
        let Some(first) = self.rank().checked_sub(amounts.len()) else {
            let message = format!("got amounts for {} axes, but the shape is {}", amounts.len(), self.shape());
            return Err(Error::op("pad", message));
        };
        let mut sizes = self.shape().clone();
        for (size, &(before, after)) in sizes.sizes_mut()[first..].iter_mut().zip(amounts) {
            let most = before.max(after).max(0) as usize;
            let padded = *size as isize + before + after;
            if most > border.most(*size) || padded < 0 {
                let limit = match border {
                    Border::Reflect => "less than the size",
                    Border::Circular => "at most the size",
                    _ => "what leaves a size of 0 or more",
                };
                let message = format!(
                    "got ({before}, {after}) for an axis of size {size} (shape {}); {border:?} allows {limit}",
                    self.shape()
                );
                return Err(Error::op("pad", message));
            }
            *size = padded as usize;
        }
        match border {
            Border::Constant(value) => self.pad_constant(first, amounts, &sizes, value),
            _ => (first..self.rank()).zip(amounts).try_fold(self.clone(), |x, (axis, &(before, after))| {
                if (before, after) == (0, 0) {
                    return Ok(x);
                }
                let size = x.shape()[axis] as isize;
                let source: Vec<i64> = (-before..size + after).map(|at| border.source(at, size) as i64).collect();
                x.try_index_select(axis as isize, &Tensor::from_slice(&source))
            }),
        }
    }
}

impl Tensor {
    fn pad_constant(&self, first: usize, amounts: &[(isize, isize)], shape: &Shape, value: Scalar) -> Result<Tensor> {
        let (mut kept, mut layout) = (self.clone(), Layout::contiguous(shape));
        for (axis, &(before, after)) in (first..).zip(amounts) {
            let (cut, end) = ((-before).max(0), self.shape()[axis] as isize - (-after).max(0));
            let len = (end - cut).max(0) as usize;
            kept = kept.stepped(axis, cut as usize, 1, len)?;
            layout = layout.slice(axis, before.max(0) as usize, 1, len);
        }
        Ok(if kept.shape() == shape { kept } else { kept.place_over(shape, layout, value) })
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("pad", |a, x| {
        // PyTorch counts the pairs from the last axis on.
        let amounts: Vec<(isize, isize)> = a.integers("pad").chunks(2).rev().map(|p| (p[0], p[1])).collect();
        let border = match a.text("mode") {
            "reflect" => Border::Reflect,
            "replicate" => Border::Replicate,
            "circular" => Border::Circular,
            _ => Border::Constant(Scalar::Float(a.float("value"))),
        };
        vec![x[0].pad(amounts, border)]
    })
}
