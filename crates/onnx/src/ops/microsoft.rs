//! The operators of `com.microsoft` that onnxruntime's optimizer and exporters of language models write.

mod fused;
mod quantized;
mod transformer;

use super::prelude::*;
/// The tables of the domain.
pub(crate) const TABLES: &[&[Operator]] = &[ALIASES, fused::OPERATORS, quantized::OPERATORS, transformer::OPERATORS];

/// Operators that are those of the default domain, where they were not there when models first needed them.
const ALIASES: &[Operator] = &[
    op("DequantizeLinear", 1, With(super::quantize::dequantize)),
    op("GridSample", 1, With(super::resample::grid_sample)),
    op("Pad", 1, With(super::layout::pad)),
    op("QLinearConv", 1, With(super::quantize::quantized_conv)),
    op("QuantizeLinear", 1, With(super::quantize::quantize)),
    op("Range", 1, With(super::constant::range)),
    op("Trilu", 1, With(super::layout::trilu)),
];
