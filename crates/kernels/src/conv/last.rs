//! Convolutions whose images have their channels last: `[batch, depth, height, width, channels]`.
//!
//! Between convolutions that sum over channels, such images need not be transposed twice. Those with a form for it are
//! Winograd's (`winograd/`), those of a single position (`points.rs`) and others over many channels (`padded.rs`),
//! depthwise ones (`depthwise_last.rs`) and first layers (`first.rs`, `lines.rs`). What is computed, and in which order,
//! is the same: so are the bits.

use super::{ConvShape, Finish, Packing, Weight, depthwise_last, first, lines, packing, padded, points, winograd};
use crate::scratch;
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

/// How a forward pass with channels last is computed.
#[derive(Clone, Copy)]
enum Way {
    Points,
    Depthwise,
    Winograd,
    Padded,
}

impl Way {
    fn of(shape: &ConvShape) -> Option<Way> {
        match () {
            () if shape.y_len() == 0 => None,
            () if points::suits(shape) => Some(Way::Points),
            () if depthwise_last::suits(shape) => Some(Way::Depthwise),
            // What is Winograd's with channels first has other bits in any other way.
            () if winograd::suits(shape) => whole(shape).then_some(Way::Winograd),
            () if padded::suits(shape) => Some(Way::Padded),
            () => None,
        }
    }
}

/// Whether [`forward_last`] can convolve this shape.
pub fn suits_forward(shape: &ConvShape) -> bool {
    Way::of(shape).is_some()
}

/// Whether [`backward_data_last`] can convolve this shape.
pub fn suits_backward_data(shape: &ConvShape) -> bool {
    shape.x_len() * shape.y_len() > 0 && whole(shape) && winograd::suits_data(shape)
}

/// Whether [`backward_weight_last`] can convolve this shape.
pub fn suits_backward_weight(shape: &ConvShape) -> bool {
    shape.y_len() * shape.weight_len() > 0 && whole(shape) && winograd::suits_weight(shape)
}

/// How a weight is packed for [`forward_last`] of this shape, as [`super::packing`] says it.
pub fn packing_last(shape: &ConvShape) -> Option<Packing> {
    match Way::of(shape)? {
        Way::Points | Way::Padded => Some(Packing { len: points::packed_len(shape), channels_are_lanes: true }),
        Way::Depthwise => Some(Packing { len: shape.weight_len(), channels_are_lanes: true }),
        Way::Winograd => packing::<f32>(shape),
    }
}

/// Packs a weight for [`forward_last`].
///
/// # Panics
/// If a slice does not have the shape's length, or the shape does not [suit](suits_forward).
#[track_caller]
pub fn pack_last(shape: &ConvShape, weight: &[f32], to: &mut [f32]) {
    let len = packing_last(shape).map(|packing| packing.len);
    assert_eq!((weight.len(), Some(to.len())), (shape.weight_len(), len), "lengths: {shape:?}");
    match Way::of(shape) {
        Some(Way::Points | Way::Padded) => points::pack(shape, weight, to),
        Some(Way::Depthwise) => depthwise_last::pack(shape, weight, to),
        Some(Way::Winograd) => winograd::pack(shape, weight, to),
        None => {}
    }
}

/// [`super::forward_with`] with the channels of `x` and `y` last, and a weight that may be packed by [`pack_last`].
///
/// # Panics
/// As `forward_with`, and if the shape does not [suit](suits_forward).
#[track_caller]
pub fn forward_last(shape: &ConvShape, x: &[f32], weight: Weight<f32>, finish: Finish<f32>, y: &mut [f32]) {
    let Some(way) = Way::of(shape) else { panic!("channels cannot lie last: {shape:?}") };
    shape.check(x.len(), weight.checked_len(shape, packing_last), y.len());
    finish.check(shape);
    let packed = match weight {
        Weight::Packed(packed) => packed,
        Weight::Plain(weight) => {
            let len = packing_last(shape).map_or(0, |packing| packing.len);
            return scratch::with(len, |packed: &mut [f32]| {
                pack_last(shape, weight, packed);
                forward_last(shape, x, Weight::Packed(packed), finish, y);
            });
        }
    };
    match way {
        Way::Points => points::forward(shape, x, packed, finish, y),
        Way::Depthwise => depthwise_last::forward(shape, x, packed, finish, y),
        Way::Winograd => winograd::forward(shape, Order::ChannelsLast, x, weight, finish, y),
        Way::Padded => padded::forward(shape, x, packed, finish, y),
    }
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

/// Whether [`backward_weight_first`] takes this shape: that of a first layer, two-dimensional and in one group, with up to
/// four input channels, output channels in sixteens, no dilation, at least eight images, and enough products under a
/// kernel row, and in all where maps are large.
pub fn suits_first_weight(shape: &ConvShape) -> bool {
    first::suits(shape) && lines::suits(shape)
}

/// Whether [`forward_first`] takes this shape: as [`suits_first_weight`], or wide maps of fewer images.
pub fn suits_first(shape: &ConvShape) -> bool {
    first::suits(shape) && (lines::suits(shape) || (first::wide(shape) && shape.batch < lines::IMAGES))
}

/// [`super::forward_with`] of a first layer: the channels of `y` come last, those of `x` first.
///
/// # Panics
/// As `forward_with`, and if the shape does not [suit](suits_first).
#[track_caller]
pub fn forward_first(shape: &ConvShape, x: &[f32], weight: &[f32], finish: Finish<f32>, y: &mut [f32]) {
    shape.check(x.len(), weight.len(), y.len());
    finish.check(shape);
    assert!(suits_first(shape), "no first layer: {shape:?}");
    first::forward(shape, x, weight, finish, y);
}

/// [`super::backward_weight`] of a first layer: the channels of `dy` come last, those of `x` first.
///
/// # Panics
/// As `backward_weight`, and if the shape does not [suit](suits_first_weight).
#[track_caller]
pub fn backward_weight_first(shape: &ConvShape, x: &[f32], dy: &[f32], dw: &mut [f32]) {
    shape.check(x.len(), dw.len(), dy.len());
    assert!(suits_first_weight(shape), "no first layer: {shape:?}");
    lines::backward_weight(shape, x, dy, Order::ChannelsLast, dw);
}
