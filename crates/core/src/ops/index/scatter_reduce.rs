//! `scatter_reduce`: elements combined with those at positions along an axis that an index tensor names.

use crate::ops::prelude::*;
use crate::run::{along, bounds, copy};
use crate::tensor::Scalar;

/// How the elements that meet at one position are combined.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Combine {
    /// Their sum.
    Sum,
    /// Their product.
    Prod,
    /// Their mean, rounded down for integers.
    Mean,
    /// The largest.
    Amax,
    /// The smallest.
    Amin,
}

/// Inputs: the tensor, checked indices, and a source of the indices' shape. Products and extremes only:
/// sums and means are made of `scatter_add`.
#[derive(Debug)]
struct ScatterReduce {
    axis: usize,
    combine: Combine,
}

impl Op for ScatterReduce {
    fn name(&self) -> &'static str {
        "scatter_reduce"
    }

    fn infer(&self, x: &[Meta]) -> Result<Metas> {
        super::gather::fits(self.name(), &x[0].shape, self.axis, &x[1].shape)?;
        one(x[0].clone())
    }

    #[allow(clippy::eq_op)] // only NaN differs from itself
    fn run(&self, x: &[Input], y: &mut [Output]) {
        fn run<T: Element>(op: &ScatterReduce, x: &[Input], y: &mut Output, join: impl Fn(&mut T, T) + Sync) {
            along::scatter::<T>(y.slice(), x[0].shape(), op.axis, &x[1], &x[2], join);
        }
        copy::copy(&x[0], &mut y[0]);
        dispatch!(numbers x[0].dtype(), T => match self.combine {
            Combine::Prod => run(self, x, &mut y[0], |y: &mut T, x| *y = y.times(x)),
            Combine::Amax => run(self, x, &mut y[0], |y: &mut T, x| if x.gt(y) || x != x { *y = x }),
            Combine::Amin => run(self, x, &mut y[0], |y: &mut T, x| if x.lt(y) || x != x { *y = x }),
            Combine::Sum | Combine::Mean => unreachable!("made of scatter_add"),
        });
    }

    fn reads(&self) -> Reads {
        Reads { inputs: 0b111, outputs: 0b1 }
    }

    fn grad(&self, g: &Grad) -> Grads {
        let (x, index, source, y) = (g.input(0), g.input(1), g.input(2), g.output(0));
        let axis = self.axis as isize;
        if self.combine == Combine::Prod {
            // The product of the others is the whole over the element, or, for the only zero of its place,
            // the whole with a 1 in the element's stead.
            let without_x = x.masked_fill(&x.eq(0), 1);
            let others =
                without_x.try_scatter_reduce(axis, &index, &source, self.combine).unwrap_or_else(|e| e.raise());
            let zeros = source.eq(0).to_dtype(x.dtype());
            let only = x.zeros_like().scatter_add(axis, &index, &zeros).gather(axis, &index).eq(1);
            let only = only.logical_and(source.eq(0));
            let whole = x.scatter_reduce(axis, &index, &source.masked_fill(&only, 1), self.combine);
            let replaced = g.of(0).mul(whole).gather(axis, &index);
            let divided = g.of(0).mul(y).gather(axis, &index).div(source.masked_fill(&source.eq(0), 1));
            return vec![
                g.when(0, || g.of(0).mul(others).div(&without_x)),
                None,
                g.when(2, || only.where_(replaced, divided)),
            ];
        }
        // Tied extremes share the gradient.
        let dtype = x.dtype();
        let (here, there) = (x.eq(&y).to_dtype(dtype), source.eq(y.gather(axis, &index)).to_dtype(dtype));
        let share = g.of(0).div(here.scatter_add(axis, &index, &there));
        vec![g.when(0, || here.mul(&share)), None, g.when(2, || there.mul(share.gather(axis, &index)))]
    }

    fn onnx(&self, x: &Writer) -> Result<Values> {
        let reduction = match self.combine {
            Combine::Prod => "mul",
            Combine::Amax => "max",
            Combine::Amin => "min",
            Combine::Sum | Combine::Mean => unreachable!("made of scatter_add"),
        };
        x.op("ScatterElements", &[("axis", self.axis.into()), ("reduction", reduction.into())])
    }
}

#[fallible]
impl Tensor {
    /// This tensor with `source[i, j, k]` combined into `[i, index[i, j, k], k]` (for axis 1 of 3).
    pub fn scatter_reduce(&self, axis: isize, index: &Tensor, source: &Tensor, combine: Combine) -> Result<Tensor> {
        let at = self.shape().axis(axis, "scatter_reduce")?;
        if self.dtype() == DType::Bool {
            return Err(Error::op("scatter_reduce", "of bool tensors is not defined; convert them to integers"));
        }
        match combine {
            Combine::Sum => self.try_scatter_add(axis, index, source),
            Combine::Mean => self.mean_of_sums(self.ones_like(), axis, index, source),
            _ => {
                let index = bounds::checked("scatter_reduce", index, at, self.shape()[at])?;
                let source = source.try_to_dtype(self.dtype())?.cropped("scatter_reduce", index.shape())?;
                apply(ScatterReduce { axis: at, combine }, &[self, &index, &source])
            }
        }
    }

    /// As [`Tensor::scatter_reduce`]; this tensor's own elements take no part where the index names a place.
    pub fn scatter_reduce_without_self(
        &self,
        axis: isize,
        index: &Tensor,
        source: &Tensor,
        combine: Combine,
    ) -> Result<Tensor> {
        let neutral = match combine {
            Combine::Sum | Combine::Mean => Scalar::Int(0),
            Combine::Prod => Scalar::Int(1),
            Combine::Amax => least(self.dtype()),
            Combine::Amin => greatest(self.dtype()),
        };
        let cleared = self.try_scatter(axis, index, neutral.tensor(self.dtype()))?;
        match combine {
            Combine::Mean => cleared.mean_of_sums(self.zeros_like(), axis, index, source),
            _ => cleared.try_scatter_reduce(axis, index, source, combine),
        }
    }
}

impl Tensor {
    /// The sum over the count, which starts from `counts`; places without any keep their value.
    fn mean_of_sums(&self, counts: Tensor, axis: isize, index: &Tensor, source: &Tensor) -> Result<Tensor> {
        let ones = Tensor::full_with(index.shape(), 1, self.dtype());
        let counts = counts.try_scatter_add(axis, index, &ones)?.try_maximum(1)?.try_to_dtype(self.dtype())?;
        let sum = self.try_scatter_add(axis, index, source)?;
        if self.dtype().is_float() { sum.try_div(&counts) } else { sum.try_div_floor(&counts) }
    }
}

fn least(dtype: DType) -> Scalar {
    match dtype {
        DType::I8 => Scalar::Int(i8::MIN.into()),
        DType::I32 => Scalar::Int(i32::MIN.into()),
        DType::I64 => Scalar::Int(i64::MIN),
        DType::U8 | DType::Bool => Scalar::Int(0),
        _ => Scalar::Float(f64::NEG_INFINITY),
    }
}

fn greatest(dtype: DType) -> Scalar {
    match dtype {
        DType::U8 => Scalar::Int(u8::MAX.into()),
        DType::I8 => Scalar::Int(i8::MAX.into()),
        DType::I32 => Scalar::Int(i32::MAX.into()),
        DType::I64 => Scalar::Int(i64::MAX),
        DType::Bool => Scalar::Int(1),
        _ => Scalar::Float(f64::INFINITY),
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("scatter_reduce", |a, x| {
        let combine = match a.text("reduce") {
            "sum" => Combine::Sum,
            "prod" => Combine::Prod,
            "mean" => Combine::Mean,
            "amax" => Combine::Amax,
            _ => Combine::Amin,
        };
        vec![match a.flag("include_self") {
            true => x[0].scatter_reduce(a.integer("dim"), &x[1], &x[2], combine),
            false => x[0].scatter_reduce_without_self(a.integer("dim"), &x[1], &x[2], combine),
        }]
    })
}
