//! `integer_convolution`: exact sums of products of bytes, for convolutions and dense layers.

use crate::ops::prelude::*;
use crate::run::bytes::ByteWeight;
use hadal_kernels::conv::ConvShape;
use hadal_kernels::quantized::{Finish, InputScale, QuantizedOutput, convolve, packed_len, x_len};
use std::sync::Arc;

/// `x u8, packed weight i8, sums i32, zero u8 → y i32`: images of bytes with one zero point, or one for each row.
#[derive(Debug)]
struct IntegerConvolution {
    sizes: ConvShape,
    shape: Shape,
}

/// The op for these sizes, whose result is of this shape: `[batch, channels, …]`.
pub(crate) fn op(sizes: ConvShape, shape: &Shape) -> Arc<dyn Op> {
    Arc::new(IntegerConvolution { sizes, shape: shape.clone() })
}

impl Op for IntegerConvolution {
    fn name(&self) -> &'static str {
        "integer_convolution"
    }

    fn infer(&self, x: &[Meta]) -> Result<Metas> {
        let sizes = &self.sizes;
        let rows = sizes.kernel == [1; 3] && sizes.input == [1; 3] && sizes.pad_begin == [0; 3];
        let zeros = if rows && x[3].shape.elements() != 1 { sizes.batch } else { 1 };
        let expected = [
            (DType::U8, x_len(sizes)),
            (DType::I8, packed_len(sizes)),
            (DType::I32, sizes.out_channels),
            (DType::U8, zeros),
        ];
        let found: Vec<_> = x.iter().map(|x| (x.dtype, x.shape.elements())).collect();
        if found != expected {
            return Err(Error::op(self.name(), format!("needs {expected:?}, got {found:?}")));
        }
        one(Meta::new(&self.shape, DType::I32))
    }

    fn run(&self, x: &[Input], y: &mut [Output]) {
        let (sums, zeros) = (x[2].contiguous::<i32>(), x[3].contiguous::<u8>());
        let (ones, scales) = (vec![1.0; self.sizes.out_channels], vec![1.0; zeros.len()]);
        let x_scale = match zeros[..] {
            [zero] => InputScale::One(1.0, zero),
            _ => InputScale::Each(&scales, &zeros),
        };
        let finish = Finish {
            x: x_scale,
            weight: &ones,
            sums: &sums,
            whole_bias: None,
            bias: None,
            residual: None,
            bounds: None,
        };
        let to = QuantizedOutput::Sums(y[0].slice());
        convolve(&self.sizes, &x[0].contiguous(), &x[1].contiguous(), finish, to);
    }

    fn flops(&self, _: &[Meta], y: &[Meta]) -> u64 {
        let products = self.sizes.weight_len() / self.sizes.out_channels.max(1);
        2 * (y[0].shape.elements() * products) as u64
    }

    /// None: integers have no slope.
    fn grad(&self, g: &Grad) -> Grads {
        vec![None; g.inputs()]
    }
}

/// A dense layer with a zero point for each row, or a convolution with padding.
fn by_hand(x: &[Tensor]) -> Result<Tensor> {
    let weight = match x[0].rank() {
        2 => Tensor::from([[129u8, 130, 0], [128, 128, 255]]),
        _ => Tensor::from([[[129u8, 127]]]),
    };
    let weight = ByteWeight::new(&weight, Some(&Tensor::from(128u8)), 1);
    let weight = weight.ok_or_else(|| Error::op("integer_convolution", "has no such weight"))?;
    let bytes = |x: &Tensor| x.to_dtype(DType::I8);
    weight.sums(&bytes(&x[0]), Some(&bytes(&x[1])), &crate::Convolution::new().padding(1))
}

pub(crate) fn cases() -> Cases {
    // Worked by hand, by the weight (1, 2, −128), (0, 0, 127), and by the kernel (1, −1).
    Cases::new("integer_convolution", |_, x| vec![by_hand(x).unwrap_or_else(|e| e.raise())])
        .with(
            "rows",
            "{}",
            &[Tensor::from([[1i8, 2, 3], [-128, 127, 0]]), Tensor::from([[0i8], [-128]])],
            &[Tensor::from([[1i32 + 4 - 384, 381], [510 - 16384, 16256]])],
        )
        .with("padded", "{}", &[Tensor::from([[[5i8, 7]]]), Tensor::from(5i8)], &[Tensor::from([[[0i32, -2, 2]]])])
}
