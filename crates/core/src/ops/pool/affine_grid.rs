//! `affine_grid`: where the elements of a transformed image come from (Jaderberg et al. 2015).

use super::grid_sample::Corners;
use crate::ops::prelude::*;

/// `n` places from −1 to 1: the centres of the first and last element, or the outer edges of n elements.
fn places(n: usize, corners: Corners) -> Vec<f64> {
    let place = |i: usize| match corners {
        Corners::Centres if n > 1 => 2.0 * i as f64 / (n - 1) as f64 - 1.0,
        Corners::Centres => 0.0,
        Corners::Edges => (2 * i + 1) as f64 / n as f64 - 1.0,
    };
    (0..n).map(place).collect()
}

#[fallible]
impl Tensor {
    /// The grid `[batch, height, width, 2]` that [`Tensor::grid_sample`] takes, for affine maps `[batch, 2, 3]` of
    /// output to input places and an output of the spatial sizes `sizes`; `[batch, 3, 4]` and three sizes for volumes.
    pub fn affine_grid(&self, sizes: impl Into<Shape>, corners: Corners) -> Result<Tensor> {
        let sizes = sizes.into();
        let rank = sizes.rank();
        match self.shape()[..] {
            [_, rows, columns] if (rank == 2 || rank == 3) && rows == rank && columns == rank + 1 => {}
            _ => {
                let message =
                    format!("needs maps [batch, {rank}, {}] for sizes {sizes}, got shape {}", rank + 1, self.shape());
                return Err(Error::op("affine_grid", message));
            }
        }
        // Homogeneous coordinates of every output element: width first.
        let axes: Vec<Vec<f64>> = sizes.iter().map(|&n| places(n, corners)).collect();
        let mut points = Vec::with_capacity(sizes.elements() * (rank + 1));
        for flat in 0..sizes.elements() {
            let mut rest = flat;
            for axis in (0..rank).rev() {
                points.push(axes[axis][rest % sizes[axis]]);
                rest /= sizes[axis];
            }
            points.push(1.0);
        }
        let points = Tensor::try_from_vec(points, [sizes.elements(), rank + 1])?.try_to_dtype(self.dtype())?;
        let shape: Shape = [self.size(0)].into_iter().chain(sizes.iter().copied()).chain([rank]).collect();
        points.try_matmul(self.try_t()?)?.try_reshape(shape)
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("affine_grid", |a, x| {
        let corners = if a.flag("align_corners") { Corners::Centres } else { Corners::Edges };
        vec![x[0].affine_grid(&a.sizes("size")[2..], corners)]
    })
}
