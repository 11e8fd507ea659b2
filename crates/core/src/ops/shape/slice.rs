//! `slice`: NumPy's indexing expression, `x[1:3, ..., None, -1]`.

use crate::ops::prelude::*;
use crate::tensor::Index;

#[fallible]
impl Tensor {
    /// The part that an indexing expression written with [`s!`](crate::s) picks: NumPy's `x[…]`.
    ///
    /// Numbers, ranges and new axes give views. Tensors of integers pick positions along their axis, bool
    /// tensors pick where they are true; several are broadcast together, as in NumPy and PyTorch. Axes that
    /// are not mentioned stay whole.
    ///
    /// ```
    /// use hadal_core::{Tensor, s};
    /// let x = Tensor::from([[1.0f32, 2.0, 3.0], [4.0, 5.0, 6.0]]);
    /// assert_eq!(x.slice(s![.., 1..]).to_vec::<f32>(), [2.0, 3.0, 5.0, 6.0]);
    /// assert_eq!(x.slice(s![-1]).to_vec::<f32>(), [4.0, 5.0, 6.0]);
    /// assert_eq!(x.slice(s![x.gt(4.0)]).to_vec::<f32>(), [5.0, 6.0]);
    /// ```
    pub fn slice(&self, index: impl AsRef<[Index]>) -> Result<Tensor> {
        let index = index.as_ref();
        let used: usize = index.iter().map(axes).sum();
        let ellipses = index.iter().filter(|i| matches!(i, Index::Ellipsis)).count();
        if used > self.rank() || ellipses > 1 {
            let message = match ellipses {
                0 | 1 => format!("got indices for {used} axes, but the shape is {}", self.shape()),
                _ => "allows one Ellipsis only".into(),
            };
            return Err(Error::op("slice", message));
        }
        let (mut x, mut axis, mut tensors) = (self.clone(), 0, Vec::new());
        for entry in index {
            match entry {
                Index::At(at) => x = x.try_select(axis as isize, *at)?,
                Index::Range { start, stop, step } => {
                    x = part(&x, axis, *start, *stop, *step)?;
                    axis += 1;
                }
                Index::NewAxis => {
                    x = x.try_unsqueeze(axis as isize)?;
                    axis += 1;
                }
                Index::Ellipsis => axis += self.rank() - used,
                Index::Tensor(tensor) => {
                    tensors.push((axis, tensor.clone()));
                    axis += axes(entry);
                }
            }
        }
        if tensors.is_empty() { Ok(x) } else { x.picked(tensors) }
    }
}

/// The number of the tensor's axes that an entry stands for.
fn axes(index: &Index) -> usize {
    match index {
        Index::At(_) | Index::Range { .. } => 1,
        Index::NewAxis | Index::Ellipsis => 0,
        Index::Tensor(t) if t.dtype() == DType::Bool => t.rank(),
        Index::Tensor(_) => 1,
    }
}

/// Python's rule for `start:stop:step`: both ends are clamped to the axis.
fn part(x: &Tensor, axis: usize, start: Option<isize>, stop: Option<isize>, step: isize) -> Result<Tensor> {
    let size = x.shape()[axis] as isize;
    let (low, high) = if step > 0 { (0, size) } else { (-1, size - 1) };
    let bound = |at: isize| (if at < 0 { at + size } else { at }).clamp(low, high);
    let (first, last) = if step > 0 { (low, high) } else { (high, low) };
    let (start, stop) = (start.map_or(first, bound), stop.map_or(last, bound));
    let len = match step {
        0 => return Err(Error::op("slice", "got a range with step 0")),
        1.. => (stop - start + step - 1).max(0) / step,
        _ => (start - stop - step - 1).max(0) / -step,
    };
    x.stepped(axis, start.max(0) as usize, step, len as usize)
}

pub(crate) fn cases() -> Cases {
    use crate::{By, Ellipsis, NewAxis, s};
    Cases::new("slice", |a, x| {
        let x = &x[0];
        vec![match a.torch().split(" -> ").last() {
            Some("x[1:, ::2]") => x.slice(s![1.., (..).by(2)]),
            Some("x[1, 1:3]") => x.slice(s![1, 1..3]),
            Some("x[..., -1]") => x.slice(s![Ellipsis, -1]),
            Some("x[:, None, 1:]") => x.slice(s![.., NewAxis, 1..]),
            Some("x[1:] * x[:-1]") => x.slice(s![1..]) * x.slice(s![..-1]),
            _ => {
                let bound = |name| a.get(name).map(|_| a.integer(name));
                let range = Index::Range { start: bound("start"), stop: bound("stop"), step: a.integer("step") };
                x.slice([range])
            }
        }]
    })
}
