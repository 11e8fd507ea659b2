//! `argsort`: the positions of the elements in sorted order.

use crate::ops::prelude::*;
use crate::run::order;

/// Which elements come first.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Order {
    /// The smallest first, NaN last.
    #[default]
    Ascending,
    /// NaN first, then the largest.
    Descending,
}

/// Along the last axis. Descending order is not ascending order reversed: equal elements keep theirs.
#[derive(Debug)]
struct ArgSort(Order);

impl Op for ArgSort {
    fn name(&self) -> &'static str {
        "argsort"
    }

    fn infer(&self, x: &[Meta]) -> Result<Metas> {
        one(x[0].with_dtype(DType::I64))
    }

    fn run(&self, x: &[Input], y: &mut [Output]) {
        dispatch!(all x[0].dtype(), T => order::rows::<T>(&x[0], &mut y[0], |row, positions| {
            row.sort_by(|a, b| match self.0 {
                Order::Ascending => order::ascending(&a.0, &b.0),
                Order::Descending => order::ascending(&b.0, &a.0),
            });
            positions.iter_mut().zip(row).for_each(|(y, x)| *y = x.1);
        }));
    }

    fn grad(&self, _: &Grad) -> Grads {
        unreachable!("positions have no gradient")
    }

    fn onnx(&self, x: &Writer) -> Result<Values> {
        let n = x.meta(0).shape.last().copied().unwrap_or(1);
        let largest = self.0 == Order::Descending;
        Ok(vec![x.nodes("TopK", &[x.wide(0), x.sizes(&[n])], &[("largest", largest.into())], 2)[1]])
    }
}

#[fallible]
impl Tensor {
    /// The positions (`i64`) along `axis` in the order of the elements; equal elements keep their order.
    pub fn argsort(&self, axis: isize, order: Order) -> Result<Tensor> {
        if self.rank() == 0 {
            return self.try_ravel()?.try_argsort(axis, order)?.try_reshape(());
        }
        apply(ArgSort(order), &[&self.try_movedim(axis, -1)?])?.try_movedim(-1, axis)
    }
}

pub(crate) fn order(a: &crate::testing::Attributes) -> Order {
    if a.flag("descending") { Order::Descending } else { Order::Ascending }
}

pub(crate) fn cases() -> Cases {
    Cases::new("argsort", |a, x| vec![x[0].argsort(a.integer("dim"), order(a))])
}
