//! `Sparse`: tensors of which only the elements that are not zero are kept.

use crate::run::bounds;
use crate::{DType, Error, Result, Shape, Tensor, fallible};

/// A tensor given by the coordinates and values of some elements, the others being zero (the coordinate format, COO).
/// Elements that are named several times are sums.
///
/// Everything is made of operations on the values, so gradients of any order reach them.
///
/// ```
/// use hadal_core::{Sparse, Tensor};
/// // 2 at [0, 1] and 3 at [1, 0]
/// let a = Sparse::new(&Tensor::from([[0i64, 1], [1, 0]]), &Tensor::from([2.0f32, 3.0]), [2, 2]);
/// let x = Tensor::from([[1.0f32], [10.0]]);
/// assert_eq!(a.matmul(&x).to_vec::<f32>(), [20.0, 3.0]);
/// ```
#[derive(Clone, Debug)]
pub struct Sparse {
    /// `[rank, count]`, `i64`, within the shape.
    indices: Tensor,
    /// `[count]`
    values: Tensor,
    shape: Shape,
}

impl Sparse {
    /// The coordinates of the elements, `i64` `[rank, count]`.
    pub fn indices(&self) -> &Tensor {
        &self.indices
    }

    /// The values of the elements, `[count]`.
    pub fn values(&self) -> &Tensor {
        &self.values
    }

    /// The sizes of the axes.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// The number of elements that are kept.
    pub fn count(&self) -> usize {
        self.values.elements()
    }

    /// For each element its number in row-major order, `[count]`.
    fn places(&self) -> Result<Tensor> {
        let mut places = Tensor::zeros_with(self.count(), DType::I64);
        for (axis, &size) in self.shape.iter().enumerate() {
            places = places.try_mul(size as i64)?.try_add(self.indices.try_select(0, axis as isize)?)?;
        }
        Ok(places)
    }

    fn matrix(&self, op: &str) -> Result<[usize; 2]> {
        match self.shape[..] {
            [rows, columns] => Ok([rows, columns]),
            _ => Err(Error::op(op, format!("needs a sparse matrix, got shape {}", self.shape))),
        }
    }
}

/// The coordinates `[rank, count]` of places in row-major order.
fn coordinates(places: &Tensor, shape: &Shape) -> Result<Tensor> {
    let mut rest = places.clone();
    let mut rows = Vec::new();
    for &size in shape.iter().rev() {
        rows.push(rest.try_remainder(size.max(1) as i64)?);
        rest = rest.try_div_floor(size.max(1) as i64)?;
    }
    rows.reverse();
    match rows.is_empty() {
        true => Ok(Tensor::zeros_with([0, places.elements()], DType::I64)),
        false => Tensor::try_stack(&rows, 0),
    }
}

#[fallible]
impl Sparse {
    /// The elements at the coordinates `indices [rank, count]` with `values [count]`.
    pub fn new(indices: &Tensor, values: &Tensor, shape: impl Into<Shape>) -> Result<Sparse> {
        let shape = shape.into();
        if values.rank() != 1 || indices.shape()[..] != [shape.rank(), values.elements()] {
            let (i, v, rank) = (indices.shape(), values.shape(), shape.rank());
            let message =
                format!("needs indices [{rank}, count] and values [count] for the shape {shape}, got {i} and {v}");
            return Err(Error::op("Sparse::new", message));
        }
        let check =
            |axis: usize| bounds::checked("Sparse::new", &indices.try_select(0, axis as isize)?, axis, shape[axis]);
        let checked = (0..shape.rank()).map(check).collect::<Result<Vec<_>>>()?;
        let indices = match checked.is_empty() {
            true => indices.try_to_dtype(DType::I64)?,
            false => Tensor::try_stack(&checked, 0)?,
        };
        Ok(Sparse { indices, values: values.clone(), shape })
    }

    /// The same coordinates with other values `[count]`.
    pub fn with_values(&self, values: &Tensor) -> Result<Sparse> {
        if values.shape() != self.values.shape() {
            let message = format!("needs {} values, got shape {}", self.count(), values.shape());
            return Err(Error::op("Sparse::with_values", message));
        }
        Ok(Sparse { values: values.clone(), ..self.clone() })
    }

    /// All elements, zeros included.
    pub fn to_dense(&self) -> Result<Tensor> {
        let zeros = Tensor::zeros_with(self.shape.elements(), self.values.dtype());
        zeros.try_index_add(0, &self.places()?, &self.values)?.try_reshape(&self.shape)
    }

    /// Every coordinate once, in row-major order: values of the same place are summed.
    pub fn coalesce(&self) -> Result<Sparse> {
        let found = self.places()?.unique();
        let zeros = Tensor::zeros_with(found.values.elements(), self.values.dtype());
        let values = zeros.try_index_add(0, &found.inverse, &self.values)?;
        Ok(Sparse { indices: coordinates(&found.values, &self.shape)?, values, shape: self.shape.clone() })
    }

    /// The transposed matrix.
    pub fn t(&self) -> Result<Sparse> {
        let [rows, columns] = self.matrix("Sparse::t")?;
        Ok(Sparse { indices: self.indices.try_flip(0)?, values: self.values.clone(), shape: [columns, rows].into() })
    }

    /// The sum of both, which have the same shape: the elements of one after those of the other.
    pub fn add(&self, other: &Sparse) -> Result<Sparse> {
        if self.shape != other.shape {
            let message = format!("needs equal shapes, got {} and {}", self.shape, other.shape);
            return Err(Error::op("Sparse::add", message));
        }
        let indices = Tensor::try_cat(&[&self.indices, &other.indices], 1)?;
        let values = Tensor::try_cat(&[&self.values, &other.values], 0)?;
        Ok(Sparse { indices, values, shape: self.shape.clone() })
    }

    /// The elementwise product with a tensor that broadcasts to this shape: zeros stay zeros.
    pub fn mul(&self, dense: &Tensor) -> Result<Sparse> {
        let there = dense.try_expand(&self.shape)?.try_ravel()?.try_index_select(0, &self.places()?)?;
        self.try_with_values(&self.values.try_mul(there)?)
    }

    /// The product of this matrix `[m, n]` with a dense one `[n, k]` or a vector `[n]`. Its cost is that of `count·k`
    /// products, which are in memory at the same time.
    pub fn matmul(&self, dense: &Tensor) -> Result<Tensor> {
        let [rows, columns] = self.matrix("Sparse::matmul")?;
        if !matches!(dense.rank(), 1 | 2) || dense.size(0) != columns {
            let message = format!("needs a matrix [{columns}, k] or a vector [{columns}], got shape {}", dense.shape());
            return Err(Error::op("Sparse::matmul", message));
        }
        let picked = dense.try_index_select(0, &self.indices.try_select(0, 1)?)?;
        let products = match dense.rank() {
            1 => picked.try_mul(&self.values)?,
            _ => picked.try_mul(self.values.try_unsqueeze(1)?)?,
        };
        let mut shape = dense.shape().clone();
        shape.sizes_mut()[0] = rows;
        Tensor::zeros_with(shape, products.dtype()).try_index_add(0, &self.indices.try_select(0, 0)?, &products)
    }
}

#[fallible]
impl Tensor {
    /// The elements that are not zero, with their coordinates.
    pub fn to_sparse(&self) -> Result<Sparse> {
        let places = Tensor::from(self.flat_nonzero());
        let values = self.try_ravel()?.try_index_select(0, &places)?;
        Ok(Sparse { indices: coordinates(&places, self.shape())?, values, shape: self.shape().clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{gradient_check, gradient_check_twice};

    fn dense() -> Tensor {
        Tensor::from([[0.0f64, 2.0, 0.0, -1.0], [0.0, 0.0, 0.0, 0.0], [3.0, 0.0, 0.5, 0.0]])
    }

    /// The product of dense matrices, which has its own reference, is the reference here.
    #[test]
    fn products_are_those_of_the_dense_matrix() {
        let (a, x) = (dense().to_sparse(), Tensor::from([[1.0f64, -2.0], [0.5, 4.0], [2.0, 2.0], [-1.0, 3.0]]));
        assert_eq!(a.count(), 4);
        assert!(a.matmul(&x).allclose(&dense().matmul(&x), 1e-15, 0.0));
        assert!(a.matmul(&x.select(1, 0)).allclose(&dense().mv(&x.select(1, 0)), 1e-15, 0.0));
        assert!(a.t().matmul(&Tensor::ones([3, 1])).allclose(&dense().t().sum_keepdim(1), 1e-15, 0.0));
        assert!(a.mul(&x.t().narrow(0, 0, 1)).to_dense().equal(&dense().mul(x.t().narrow(0, 0, 1))));
    }

    #[test]
    fn repeated_coordinates_are_sums() {
        let indices = Tensor::from([[1i64, 0, 1, 1], [2, 1, 0, 2]]);
        let a = Sparse::new(&indices, &Tensor::from([1.0f32, 2.0, 3.0, 4.0]), [2, 3]);
        let full = Tensor::from([[0.0f32, 2.0, 0.0], [3.0, 0.0, 5.0]]);
        assert!(a.to_dense().equal(&full));
        let once = a.coalesce();
        assert!(once.indices().equal(&Tensor::from([[0i64, 1, 1], [1, 0, 2]])));
        assert_eq!(once.values().to_vec::<f32>(), [2.0, 3.0, 5.0]);
        assert!(a.add(&once).to_dense().equal(&full.mul(2.0)));
    }

    #[test]
    fn scalars_and_empty_tensors_go_there_and_back() {
        for x in [Tensor::from(2.5f64), Tensor::zeros([0, 3]), Tensor::zeros([2, 2]), dense().reshape([2, 1, 6])] {
            assert!(x.to_sparse().to_dense().equal(&x), "{x:?}");
            assert!(x.to_sparse().coalesce().to_dense().equal(&x), "{x:?}");
        }
    }

    #[test]
    fn gradients_reach_the_values_and_the_dense_side() {
        let pattern = dense().to_sparse();
        let at = [pattern.values().clone(), Tensor::from([[1.0f64], [0.5], [2.0], [-1.0]])];
        let f = |x: &[Tensor]| pattern.with_values(&x[0]).coalesce().matmul(&x[1]);
        gradient_check(f, &at).unwrap();
        gradient_check_twice(f, &at).unwrap();
    }

    #[test]
    fn mistakes_are_explained() {
        let (i, v) = (Tensor::from([[0i64, 5], [1, 1]]), Tensor::from([1.0f32, 2.0]));
        let text = |error: Result<Sparse>| error.unwrap_err().to_string();
        assert_eq!(
            text(Sparse::try_new(&i, &v, [2])),
            "Sparse::new needs indices [1, count] and values [count] for the shape [2], got [2, 2] and [2]"
        );
        assert_eq!(
            text(Sparse::try_new(&i, &v, [2, 2])),
            "Sparse::new got index 5 at position [1]; allowed for axis 0 are 0 to 1"
        );
        let error = dense().to_sparse().try_matmul(&Tensor::zeros([3, 1])).unwrap_err().to_string();
        assert_eq!(error, "Sparse::matmul needs a matrix [4, k] or a vector [4], got shape [3, 1]");
    }
}
