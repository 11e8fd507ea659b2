//! `quantized_sum`: the sum of two images of bytes, as bytes.

use crate::ops::prelude::*;
use crate::run::bytes::ByteScale;
use hadal_kernels::quantized::{Term, sum_bytes};
use std::sync::Arc;

/// `a u8, b u8 → y u8`, of one shape.
#[derive(Debug)]
struct SumOfBytes {
    terms: [ByteScale; 2],
    /// What is below and above is replaced by these.
    bounds: Option<(f64, f64)>,
    scale: ByteScale,
}

/// The op for bytes that stand for this, with such a result.
pub(crate) fn op(terms: [ByteScale; 2], bounds: Option<(f64, f64)>, scale: ByteScale) -> Arc<dyn Op> {
    Arc::new(SumOfBytes { terms, bounds, scale })
}

impl Op for SumOfBytes {
    fn name(&self) -> &'static str {
        "quantized_sum"
    }

    fn infer(&self, x: &[Meta]) -> Result<Metas> {
        if x[0] != x[1] || x[0].dtype != DType::U8 {
            return Err(Error::op(self.name(), format!("needs u8 images of one shape, got {x:?}")));
        }
        one(x[0].clone())
    }

    fn run(&self, x: &[Input], y: &mut [Output]) {
        let values = [x[0].contiguous::<u8>(), x[1].contiguous::<u8>()];
        let term = |i: usize| {
            let ByteScale { scale, zero } = self.terms[i];
            Term { values: &values[i], scale, zero }
        };
        let bounds = self.bounds.map(|(low, high)| (low as f32, high as f32));
        sum_bytes([term(0), term(1)], bounds, self.scale.scale, self.scale.zero, y[0].slice());
    }

    /// None: what steps make has no slope.
    fn grad(&self, g: &Grad) -> Grads {
        vec![None; g.inputs()]
    }
}

fn by_hand(x: &[Tensor]) -> Result<Tensor> {
    let of = |scale: f32, zero: u8| ByteScale { scale, zero };
    let (terms, bounds) = ([of(0.5, 3), of(2.0, 100)], Some((0.0, f64::INFINITY)));
    let bytes = [x[0].to_dtype(DType::U8), x[1].to_dtype(DType::U8)];
    apply(SumOfBytes { terms, bounds, scale: of(1.0, 7) }, &[&bytes[0], &bytes[1]])
}

pub(crate) fn cases() -> Cases {
    // Worked by hand: 0.5 · (a − 3) + 2 · (b − 100), at least 0, in steps of 1 from 7 on.
    Cases::new("quantized_sum", |_, x| vec![by_hand(x).unwrap_or_else(|e| e.raise())]).with(
        "by_hand",
        "{}",
        &[Tensor::from([3u8, 4, 8, 1, 255]), Tensor::from([100u8, 101, 100, 99, 255])],
        &[Tensor::from([7u8, 9, 9, 7, 255])],
    )
}
