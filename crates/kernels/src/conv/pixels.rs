//! Lines of images with their channels side by side, in whole registers: as they lie, or in work space.

use std::ops::Range;

use super::Order;
use crate::gemm::{transpose, transpose_into};
use crate::scratch;
use crate::simd::LANES;

/// Calls `f` with some lines of an image as `[pixel, channel]`; channels behind the last are zero.
///
/// An image with its channels last has them in whole registers.
pub(super) fn with_pixels(
    (order, image): (Order, &[f32]),
    channels: usize,
    [height, width]: [usize; 2],
    lines: Range<usize>,
    f: impl FnOnce(&[f32]),
) {
    let (row, first, count) = (channels.next_multiple_of(LANES), lines.start * width, lines.len() * width);
    if order == Order::ChannelsLast {
        debug_assert!(channels == row);
        return f(&image[first * row..(first + count) * row]);
    }
    scratch::with(count * row, |pixels: &mut [f32]| {
        if channels < row {
            pixels.fill(0.0);
        }
        if count > 0 {
            transpose(image, |channel| channel * height * width + first, channels, count, pixels, row);
        }
        f(pixels);
    });
}

/// Calls `f` with room for some lines of an image as `[pixel, channel]`, all of which it writes, and puts them in their
/// places. Channels behind the last are dropped.
///
/// # Safety
/// `image` can be written, and nobody else uses these lines.
pub(super) unsafe fn with_results(
    (order, image): (Order, *mut f32),
    channels: usize,
    [height, width]: [usize; 2],
    lines: Range<usize>,
    f: impl FnOnce(&mut [f32]),
) {
    let (row, first, count) = (channels.next_multiple_of(LANES), lines.start * width, lines.len() * width);
    if order == Order::ChannelsLast {
        debug_assert!(channels == row);
        // SAFETY: the caller's promise; the lines lie one behind the other.
        return f(unsafe { std::slice::from_raw_parts_mut(image.add(first * row), count * row) });
    }
    scratch::with(count * row, |pixels: &mut [f32]| {
        f(pixels);
        // Few channels at a time: their images are pages apart.
        for channel in (0..channels).step_by(LANES) {
            let (some, to) = (LANES.min(channels - channel), image.wrapping_add(channel * height * width + first));
            // SAFETY: the caller's promise.
            unsafe { transpose_into(pixels, |pixel| pixel * row + channel, count, some, to, height * width) };
        }
    });
}
