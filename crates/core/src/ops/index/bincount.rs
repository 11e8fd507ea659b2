//! `bincount`: how often each number occurs.

use crate::ops::prelude::*;
use crate::run::bounds;

#[fallible]
impl Tensor {
    /// How often 0, 1, 2, … occur in a vector of integers of at least 0, as `i64`: at least `least` numbers.
    pub fn bincount(&self, least: usize) -> Result<Tensor> {
        let ones = Tensor::full_with(self.shape(), 1, DType::I64);
        self.counted(&ones, least)
    }

    /// The sums of the `weights` of the elements that equal 0, 1, 2, …
    pub fn bincount_weighted(&self, weights: &Tensor, least: usize) -> Result<Tensor> {
        self.counted(weights, least)
    }
}

impl Tensor {
    fn counted(&self, weights: &Tensor, least: usize) -> Result<Tensor> {
        let index = bounds::integers("bincount", self)?;
        let values = index.to_vec::<i64>();
        if self.rank() != 1 {
            return Err(Error::op("bincount", format!("needs a vector of integers, got shape {}", self.shape())));
        }
        if let Some(at) = values.iter().position(|&v| v < 0) {
            let message = format!("needs integers of at least 0, got {} at position [{at}]", values[at]);
            return Err(Error::op("bincount", message));
        }
        let bins = values.iter().max().map_or(0, |&v| v as usize + 1).max(least);
        Tensor::zeros_with(bins, weights.dtype()).try_index_add(0, &index, weights)
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("bincount", |a, x| {
        let least = a.integer_or("minlength", 0) as usize;
        vec![match x {
            [x, weights] => x.bincount_weighted(weights, least),
            _ => x[0].bincount(least),
        }]
    })
    .reading_elements(&[])
}
