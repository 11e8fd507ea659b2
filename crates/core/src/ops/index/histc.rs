//! `histc`: a histogram.

use crate::ops::prelude::*;

#[derive(Debug)]
struct Histogram {
    bins: usize,
    min: f64,
    max: f64,
}

impl Op for Histogram {
    fn name(&self) -> &'static str {
        "histc"
    }

    fn infer(&self, x: &[Meta]) -> Result<Metas> {
        require_float(self, &x[0])?;
        if self.bins == 0 || self.min.partial_cmp(&self.max) != Some(std::cmp::Ordering::Less) {
            let message = format!(
                "needs at least one bin and min < max, got {} bins from {} to {}",
                self.bins, self.min, self.max
            );
            return Err(Error::op(self.name(), message));
        }
        one(x[0].with_shape(self.bins))
    }

    fn run(&self, x: &[Input], y: &mut [Output]) {
        dispatch!(floats x[0].dtype(), T => {
            let mut counts = vec![0u64; self.bins];
            for value in x[0].contiguous::<T>().iter().map(|v| v.to_f64()).filter(|v| (self.min..=self.max).contains(v)) {
                let bin = (value - self.min) / (self.max - self.min) * self.bins as f64;
                counts[(bin as usize).min(self.bins - 1)] += 1;
            }
            y[0].slice::<T>().iter_mut().zip(counts).for_each(|(y, n)| *y = T::from_f64(n as f64));
        });
    }

    /// Counts do not change under small changes of the elements.
    fn grad(&self, g: &Grad) -> Grads {
        vec![g.when(0, || Tensor::zeros_with(&g.meta(0).shape, g.meta(0).dtype))]
    }

    fn onnx(&self, x: &Writer) -> Result<Values> {
        x.composed(|x| {
            let inside = x[0].ge(self.min).logical_and(x[0].le(self.max));
            let bin = x[0].sub(self.min).div(self.max - self.min).mul(self.bins).floor().clamp_max(self.bins - 1);
            let bin = inside.where_(bin, -1).ravel();
            let bins = Tensor::arange(self.bins).to_dtype(x[0].dtype()).unsqueeze(-1);
            bin.eq(bins).to_dtype(x[0].dtype()).sum(-1)
        })
    }
}

#[fallible]
impl Tensor {
    /// How many elements fall into each of `bins` equal parts of `min..=max`; others are not counted.
    pub fn histc(&self, bins: usize, min: f64, max: f64) -> Result<Tensor> {
        apply(Histogram { bins, min, max }, &[&self.floating()?])
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("histc", |a, x| vec![x[0].histc(a.integer("bins") as usize, a.float("min"), a.float("max"))])
}
