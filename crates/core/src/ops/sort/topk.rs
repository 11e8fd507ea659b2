//! `topk`: the first elements of an order, without sorting the rest.

use crate::Order;
use crate::ops::prelude::*;
use crate::run::order;

/// The positions of the first `k` along the last axis.
#[derive(Debug)]
struct TopK {
    k: usize,
    order: Order,
}

impl Op for TopK {
    fn name(&self) -> &'static str {
        "topk"
    }

    fn infer(&self, x: &[Meta]) -> Result<Metas> {
        let mut shape = x[0].shape.clone();
        let last = shape.rank() - 1;
        if self.k > shape[last] {
            let message = format!("got k = {} for an axis of size {}", self.k, shape[last]);
            return Err(Error::op(self.name(), message));
        }
        shape.sizes_mut()[last] = self.k;
        one(Meta::new(shape, DType::I64))
    }

    fn run(&self, x: &[Input], y: &mut [Output]) {
        dispatch!(all x[0].dtype(), T => order::rows::<T>(&x[0], &mut y[0], |row, positions| {
            let compare = |a: &(T, i64), b: &(T, i64)| {
                let by_value = match self.order {
                    Order::Ascending => order::ascending(&a.0, &b.0),
                    Order::Descending => order::ascending(&b.0, &a.0),
                };
                by_value.then(a.1.cmp(&b.1))
            };
            if self.k < row.len() {
                row.select_nth_unstable_by(self.k, compare);
            }
            row[..self.k].sort_unstable_by(compare);
            positions.iter_mut().zip(row).for_each(|(y, x)| *y = x.1);
        }));
    }

    fn grad(&self, _: &Grad) -> Grads {
        unreachable!("positions have no gradient")
    }

    fn onnx(&self, x: &Writer) -> Result<Values> {
        let largest = self.order == Order::Descending;
        Ok(vec![x.nodes("TopK", &[x.wide(0), x.sizes(&[self.k])], &[("largest", largest.into())], 2)[1]])
    }
}

#[fallible]
impl Tensor {
    /// The first `k` elements along `axis` in the given order (descending: the largest), and their positions
    /// (`i64`). Among equal elements the first are taken; NaN counts as the largest number.
    ///
    /// ```
    /// # use hadal_core::{Order, Tensor};
    /// let (values, positions) = Tensor::from([2.0f32, 3.0, 1.0]).topk(2, -1, Order::Descending);
    /// assert_eq!((values.to_vec::<f32>(), positions.to_vec::<i64>()), (vec![3.0, 2.0], vec![1, 0]));
    /// ```
    pub fn topk(&self, k: usize, axis: isize, order: Order) -> Result<(Tensor, Tensor)> {
        if self.rank() == 0 {
            let (values, positions) = self.try_ravel()?.try_topk(k, axis, order)?;
            let shape = if k == 1 { Shape::default() } else { k.into() };
            return Ok((values.try_reshape(&shape)?, positions.try_reshape(&shape)?));
        }
        let positions = apply(TopK { k, order }, &[&self.try_movedim(axis, -1)?])?.try_movedim(-1, axis)?;
        Ok((self.try_gather(axis, &positions)?, positions))
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("topk", |a, x| {
        let order = if a.flag("largest") { Order::Descending } else { Order::Ascending };
        let (values, positions) = x[0].topk(a.integer("k") as usize, a.integer("dim"), order);
        vec![values, positions]
    })
}
