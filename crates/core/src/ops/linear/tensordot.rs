//! `tensordot`: a sum of products over chosen axes.

use crate::ops::prelude::*;

#[fallible]
impl Tensor {
    /// Multiplies and sums over axes `left[i]` of this tensor and `right[i]` of the other; the other axes remain, this
    /// tensor's first.
    ///
    /// ```
    /// # use hadal_core::Tensor;
    /// let (a, b) = (Tensor::ones([2, 3, 4]), Tensor::ones([4, 3, 5]));
    /// assert_eq!(*a.tensordot(&b, [1, 2], [1, 0]).shape(), [2, 5]);
    /// ```
    pub fn tensordot(&self, other: &Tensor, left: impl AsRef<[isize]>, right: impl AsRef<[isize]>) -> Result<Tensor> {
        let fail = |message: String| Err(Error::op("tensordot", message));
        let resolve = |t: &Tensor, axes: &[isize]| {
            axes.iter().map(|&a| t.shape().axis(a, "tensordot")).collect::<Result<Vec<_>>>()
        };
        let (left, right) = (resolve(self, left.as_ref())?, resolve(other, right.as_ref())?);
        let sizes = |t: &Tensor, axes: &[usize]| axes.iter().map(|&a| t.shape()[a]).collect::<Vec<_>>();
        let (a, b) = (sizes(self, &left), sizes(other, &right));
        if a != b {
            let (x, y) = (self.shape(), other.shape());
            return fail(format!(
                "needs equal sizes, got {a:?} and {b:?} for axes {left:?} of {x} and {right:?} of {y}"
            ));
        }
        let free = |t: &Tensor, axes: &[usize]| (0..t.rank()).filter(|a| !axes.contains(a)).collect::<Vec<_>>();
        let (rows, columns) = (free(self, &left), free(other, &right));
        let arrange = |t: &Tensor, order: Vec<usize>, shape: [usize; 2]| {
            t.try_permute(order.iter().map(|&a| a as isize).collect::<Vec<_>>())?.try_reshape(shape)
        };
        let inner: usize = a.iter().product();
        let shape = [sizes(self, &rows), sizes(other, &columns)].concat();
        let (m, n) = (sizes(self, &rows).iter().product(), sizes(other, &columns).iter().product());
        let x = arrange(self, [rows, left].concat(), [m, inner])?;
        let y = arrange(other, [right, columns].concat(), [inner, n])?;
        x.try_matmul(y)?.try_reshape(shape)
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("tensordot", |a, x| {
        let dims = a.get("dims").expect("dims");
        let (left, right) = match dims.as_i64() {
            Some(n) => ((-n as isize..0).collect(), (0..n as isize).collect()),
            None => {
                let axes = |i: usize| -> Vec<isize> {
                    dims[i].as_array().expect("axes").iter().map(|a| a.as_i64().expect("an axis") as isize).collect()
                };
                (axes(0), axes(1))
            }
        };
        let (left, right): (Vec<isize>, Vec<isize>) = (left, right);
        vec![x[0].tensordot(&x[1], left, right)]
    })
}
