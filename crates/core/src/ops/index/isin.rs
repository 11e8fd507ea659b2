//! `isin`: whether elements occur in a set.

use crate::ops::prelude::*;
use crate::run::order::ascending;
use hadal_kernels::threads::for_chunks_mut;

/// Inputs: the elements, and the set as a vector of the same type.
#[derive(Debug)]
struct IsIn;

impl Op for IsIn {
    fn name(&self) -> &'static str {
        "isin"
    }

    fn infer(&self, x: &[Meta]) -> Result<Metas> {
        one(x[0].with_dtype(DType::Bool))
    }

    fn run(&self, x: &[Input], y: &mut [Output]) {
        dispatch!(all x[0].dtype(), T => {
            let (values, mut set) = (x[0].contiguous::<T>(), x[1].contiguous::<T>().to_vec());
            set.sort_by(ascending);
            for_chunks_mut(y[0].slice::<bool>(), map::CHUNK, |chunk, part| {
                for (found, value) in part.iter_mut().zip(&values[chunk * map::CHUNK..]) {
                    let at = set.partition_point(|s| ascending(s, value).is_lt());
                    *found = set.get(at) == Some(value);
                }
            });
        });
    }

    fn grad(&self, _: &Grad) -> Grads {
        unreachable!("a bool result has no gradient")
    }

    fn onnx(&self, x: &Writer) -> Result<Values> {
        x.composed(|x| x[0].unsqueeze(-1).eq(&x[1]).any(-1))
    }
}

#[fallible]
impl Tensor {
    /// Whether each element is among the elements of `set`, as bool; NaN is in no set.
    pub fn isin(&self, set: &Tensor) -> Result<Tensor> {
        let dtype = self.dtype().promote(set.dtype());
        apply(IsIn, &[&self.try_to_dtype(dtype)?, &set.try_to_dtype(dtype)?.try_ravel()?])
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("isin", |_, x| vec![x[0].isin(&x[1])])
}
