//! The weight of a convolution of bytes, packed in the order in which tiles read it.
//!
//! A panel holds up to 64 output channels: for every kernel element, for every four input channels, four bytes of each
//! output channel of the panel. Panels have whole registers of 16 output channels; those past the last hold zeros, as do
//! the input channels past the last. The form is the same on every machine.

use super::tile::{LANES, PANEL};
use super::{DEPTH, is_depthwise, pitch, suits};
use crate::conv::ConvShape;

/// The bytes of a packed weight.
pub fn packed_len(shape: &ConvShape) -> usize {
    let size: usize = shape.kernel.iter().product();
    if is_depthwise(shape) {
        return size * shape.out_channels;
    }
    shape.out_channels.next_multiple_of(LANES) * size * pitch(shape.in_channels)
}

/// Packs a weight `[out_channels, in_channels / groups, kernel…]`, and sums it over all but the output channels: what a
/// zero point is multiplied by.
///
/// # Panics
/// If a slice does not have the shape's length, or the shape does not suit ([`suits`]).
#[track_caller]
pub fn pack(shape: &ConvShape, weight: &[i8], to: &mut [i8], sums: &mut [i32]) {
    let lengths = (shape.weight_len(), packed_len(shape), shape.out_channels);
    assert_eq!((weight.len(), to.len(), sums.len()), lengths, "lengths of weight, packed, sums: {shape:?}");
    assert!(suits(shape), "no products of bytes for {shape:?}");
    if shape.out_channels == 0 {
        return;
    }
    let size: usize = shape.kernel.iter().product();
    let each = weight.len() / shape.out_channels;
    for (o, sum) in sums.iter_mut().enumerate() {
        *sum = weight[o * each..(o + 1) * each].iter().map(|&w| i32::from(w)).sum();
    }
    to.fill(0);
    if is_depthwise(shape) {
        // `[kernel…, channels]`
        for (channel, weight) in weight.chunks(size.max(1)).enumerate() {
            weight.iter().enumerate().for_each(|(tap, &w)| to[tap * shape.out_channels + channel] = w);
        }
        return;
    }
    let depth = pitch(shape.in_channels);
    for (o, weight) in weight.chunks(each.max(1)).enumerate() {
        let panel = o / PANEL * PANEL;
        let lanes = (shape.out_channels - panel).min(PANEL).next_multiple_of(LANES);
        let to = &mut to[panel * size * depth..];
        for (channel, taps) in weight.chunks(size.max(1)).enumerate() {
            let first = (channel / DEPTH * lanes + o - panel) * DEPTH + channel % DEPTH;
            taps.iter().enumerate().for_each(|(tap, &w)| to[first + tap * depth * lanes] = w);
        }
    }
}
