//! Products of bytes with exact sums: convolutions and dense layers whose inputs are `u8` and whose weights are `i8`.
//!
//! A byte `q` stands for the number `scale · (q − zero)`. Inputs have one scale and zero point for all elements, or one for
//! each row; weights have a scale for each output channel and no zero point. Sums of products are exact in `i32`, so that
//! every instruction set and every order gives the same bits; only [`Finish`] rounds, in `f32`, one operation at a time.
//!
//! Images of bytes are laid out `[batch, depth, height, width, channels]`: a multiplication takes four channels at once,
//! and so a position has a multiple of four bytes ([`pitch`]); those behind the last channel may hold anything.
//! A dense layer is a convolution of images of one position.

mod conv;
mod convert;
mod depthwise;
mod finish;
mod pack;
mod pool;
mod sum;
mod tile;
mod weights;

pub use conv::convolve;
pub use convert::{
    Border, QuantizedByte, dequantize_each, dequantize_images, pack_images, quantize_each, quantize_images,
    quantize_slice, unpack_images,
};
pub use finish::{Finish, InputScale, QuantizedOutput, Residual};
pub use pack::{pack, packed_len};
pub use pool::max_pool;
pub use sum::{Term, sum_bytes};
pub use weights::multiply_bytes;

use crate::conv::ConvShape;

/// Channels that are multiplied at once.
const DEPTH: usize = 4;

/// The most products of a sum that are sure to fit an `i32`, whatever the bytes.
pub const MOST_PRODUCTS: usize = (i32::MAX / (255 * 128)) as usize;

/// The bytes that a position of an image with so many channels takes.
pub fn pitch(channels: usize) -> usize {
    channels.next_multiple_of(DEPTH)
}

/// Whether [`convolve`] takes this shape: one group, or one for every channel (depthwise), and sums that fit.
pub fn suits(shape: &ConvShape) -> bool {
    let products = shape.weight_len() / shape.out_channels.max(1);
    (shape.groups == 1 || is_depthwise(shape)) && products <= MOST_PRODUCTS
}

fn is_depthwise(shape: &ConvShape) -> bool {
    shape.groups > 1 && shape.groups == shape.in_channels && shape.groups == shape.out_channels
}

/// Bytes of the images `x` of a convolution.
pub fn x_len(shape: &ConvShape) -> usize {
    shape.batch * shape.input.iter().product::<usize>() * pitch(shape.in_channels)
}

/// Bytes of the images `y` of a convolution, where they are bytes.
pub fn y_len(shape: &ConvShape) -> usize {
    shape.batch * shape.output.iter().product::<usize>() * pitch(shape.out_channels)
}

#[cfg(test)]
mod tests;
