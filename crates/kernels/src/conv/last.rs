//! Convolutions whose images have their channels last: `[batch, depth, height, width, channels]`.
//!
//! Between convolutions that sum over channels, such images need not be transposed twice. What is computed, and in which
//! order, is the same: so are the bits.

use super::{ConvShape, Finish, Weight, winograd};
use crate::simd::LANES;

/// How the elements of images lie.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Order {
    /// `[batch, channels, depth, height, width]`
    ChannelsFirst,
    /// `[batch, depth, height, width, channels]`
    ChannelsLast,
}

/// Channels that fill registers.
fn whole(shape: &ConvShape) -> bool {
    shape.in_channels.is_multiple_of(LANES) && shape.out_channels.is_multiple_of(LANES)
}

/// Whether [`forward_last`] can convolve this shape.
pub fn suits_forward(shape: &ConvShape) -> bool {
    shape.y_len() > 0 && whole(shape) && winograd::suits(shape)
}

/// Whether [`backward_data_last`] can convolve this shape.
pub fn suits_backward_data(shape: &ConvShape) -> bool {
    shape.x_len() * shape.y_len() > 0 && whole(shape) && winograd::suits_data(shape)
}

/// Whether [`backward_weight_last`] can convolve this shape.
pub fn suits_backward_weight(shape: &ConvShape) -> bool {
    shape.y_len() * shape.weight_len() > 0 && whole(shape) && winograd::suits_weight(shape)
}

/// [`super::forward_with`] with the channels of `x` and `y` last.
///
/// # Panics
/// As `forward_with`, and if the shape does not [suit](suits_forward).
#[track_caller]
pub fn forward_last(shape: &ConvShape, x: &[f32], weight: Weight<f32>, finish: Finish<f32>, y: &mut [f32]) {
    shape.check(x.len(), weight.checked_len(shape), y.len());
    finish.check(shape);
    assert!(suits_forward(shape), "channels cannot lie last: {shape:?}");
    winograd::forward(shape, Order::ChannelsLast, x, weight, finish, y);
}

/// [`super::backward_data`] with the channels of `dy` and `dx` last.
///
/// # Panics
/// As `backward_data`, and if the shape does not [suit](suits_backward_data).
#[track_caller]
pub fn backward_data_last(shape: &ConvShape, dy: &[f32], weight: &[f32], dx: &mut [f32]) {
    shape.check(dx.len(), weight.len(), dy.len());
    assert!(suits_backward_data(shape), "channels cannot lie last: {shape:?}");
    winograd::backward_data(shape, Order::ChannelsLast, dy, weight, dx);
}

/// [`super::backward_weight`] with the channels of `x` and `dy` last.
///
/// # Panics
/// As `backward_weight`, and if the shape does not [suit](suits_backward_weight).
#[track_caller]
pub fn backward_weight_last(shape: &ConvShape, x: &[f32], dy: &[f32], dw: &mut [f32]) {
    shape.check(x.len(), dw.len(), dy.len());
    assert!(suits_backward_weight(shape), "channels cannot lie last: {shape:?}");
    winograd::backward_weight(shape, Order::ChannelsLast, x, dy, dw);
}
