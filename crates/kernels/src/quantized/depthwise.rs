//! Depthwise convolution of bytes: for each position, sums of products channel by channel.

use super::conv::Geometry;
use super::finish::{Block, Finish, To};
use super::tile::{PANEL, Way};
use crate::conv::ConvShape;
use std::ops::Range;

/// Computes some positions, counted through all images.
#[allow(clippy::too_many_arguments)] // what a task of `convolve` knows
pub(super) fn positions(
    way: Way,
    shape: &ConvShape,
    geometry: &Geometry,
    range: Range<usize>,
    x: &[u8],
    weight: &[i8],
    finish: &Finish,
    outside: u8,
    to: &To,
) {
    let all = shape.out_channels;
    let taps = shape.kernel.iter().product::<usize>();
    let mut offsets = vec![None; taps];
    for position in range {
        offsets.fill(None);
        geometry.elements_of(position, |tap, offset| offsets[tap] = Some(offset));
        for first in (0..all).step_by(PANEL) {
            let channels = first..all.min(first + PANEL);
            let mut sums = [0; PANEL];
            let products = Products { x, weight, all, offsets: &offsets, outside, channels: channels.clone() };
            products.add(way, &mut sums);
            let positions = geometry.positions();
            let block = Block { finish, sums: &[sums], position, positions, channels, all };
            // SAFETY: tasks differ in their positions.
            unsafe { block.write(way, to) };
        }
    }
}

/// Some channels of a position.
struct Products<'a> {
    x: &'a [u8],
    /// `[kernel…, channels]`
    weight: &'a [i8],
    all: usize,
    offsets: &'a [Option<usize>],
    outside: u8,
    channels: Range<usize>,
}

impl Products<'_> {
    fn add(&self, way: Way, sums: &mut [i32; PANEL]) {
        match way {
            // SAFETY: such a way was made for a machine that has it.
            #[cfg(target_arch = "x86_64")]
            Way::Vnni | Way::Avx2 => unsafe { self.add_avx2(sums) },
            Way::Plain => self.add_all(sums),
        }
    }

    /// # Safety
    /// The machine has AVX2.
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2")]
    unsafe fn add_avx2(&self, sums: &mut [i32; PANEL]) {
        self.add_all(sums);
    }

    #[inline(always)]
    fn add_all(&self, sums: &mut [i32; PANEL]) {
        let outside = [self.outside; PANEL];
        for (tap, offset) in self.offsets.iter().enumerate() {
            let weight = &self.weight[tap * self.all..][self.channels.clone()];
            let x = match *offset {
                Some(offset) => &self.x[offset + self.channels.start..][..weight.len()],
                None => &outside[..weight.len()],
            };
            // A product of bytes fits 16 bits.
            let products = x.iter().zip(weight).map(|(&x, &w)| i32::from(i16::from(x) * i16::from(w)));
            sums.iter_mut().zip(products).for_each(|(sum, product)| *sum += product);
        }
    }
}
