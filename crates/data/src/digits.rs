//! `digits`: ten digits in many hands, 28 × 28 grey pixels, drawn by the program.
//!
//! The data set that is always there: no download, any number of samples, the same bytes on every machine. It is made
//! to be about as hard as MNIST is for a small network and harder for a linear one, so that a model that learns shapes can be
//! told from one that learns pixels.

mod glyphs;
mod hand;
mod pen;

use std::ops::Range;

use hadal_kernels::threads::for_chunks_mut;

use crate::random::Stream;
use crate::{ImageSet, Split};

/// Width and height of an image in pixels.
pub const SIDE: usize = 28;

/// Pixels (and bytes) of an image.
pub const PIXELS: usize = SIDE * SIDE;

/// Samples of the training split, unless more or fewer are asked for.
pub const TRAIN: usize = 12_000;

/// Samples of the test split, unless more or fewer are asked for.
pub const TEST: usize = 2_000;

/// One split as a set: [`TRAIN`] or [`TEST`] samples.
pub fn load(split: Split, seed: u64) -> ImageSet {
    let samples = match split {
        Split::Train => TRAIN,
        Split::Test => TEST,
    };
    let (images, labels) = generate(split, 0..samples, seed);
    ImageSet { images, shape: [1, SIDE, SIDE], labels, classes: ('0'..='9').map(String::from).collect() }
}

/// Draws the samples `range` of a split: images `[samples, 28, 28]` in one row, bright ink on dark paper, and labels.
///
/// Sample `i` is a pure function of `(seed, split, i)`. Each ten samples that begin at a multiple of ten hold every
/// digit once.
///
/// ```
/// use hadal_data::{Split, digits};
/// let (images, labels) = digits::generate(Split::Train, 0..100, 0);
/// assert_eq!(images.len(), 100 * 28 * 28);
/// assert_eq!(labels.iter().filter(|&&label| label == 7).count(), 10);
/// ```
pub fn generate(split: Split, range: Range<usize>, seed: u64) -> (Vec<u8>, Vec<u8>) {
    let labels: Vec<u8> = range.clone().map(|index| digit(split, index, seed)).collect();
    let mut images = vec![0; range.len() * PIXELS];
    for_chunks_mut(&mut images, PIXELS, |i, image| {
        let mut stream = stream(split, range.start + i, seed, Purpose::Image);
        image.copy_from_slice(&hand::write(labels[i], &mut stream));
    });
    (images, labels)
}

/// The label of one sample: the samples of each decade are a shuffled 0 … 9.
fn digit(split: Split, index: usize, seed: u64) -> u8 {
    let mut decade: [u8; 10] = std::array::from_fn(|digit| digit as u8);
    stream(split, index / 10, seed, Purpose::Labels).shuffle(&mut decade);
    decade[index % 10]
}

enum Purpose {
    Labels,
    Image,
}

fn stream(split: Split, index: usize, seed: u64, purpose: Purpose) -> Stream {
    Stream::new(seed, [index as u32, (index as u64 >> 32) as u32, split as u32, purpose as u32])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_does_not_depend_on_the_range_it_was_drawn_in() {
        let (images, labels) = generate(Split::Train, 0..60, 3);
        let (some_images, some_labels) = generate(Split::Train, 37..52, 3);
        assert_eq!(some_labels, labels[37..52]);
        assert_eq!(some_images, images[37 * PIXELS..52 * PIXELS]);
    }

    #[test]
    fn splits_and_seeds_differ() {
        let train = generate(Split::Train, 0..10, 0);
        assert_ne!(train.0, generate(Split::Test, 0..10, 0).0);
        assert_ne!(train.0, generate(Split::Train, 0..10, 1).0);
    }

    #[test]
    fn each_decade_holds_every_digit_once() {
        let (_, labels) = generate(Split::Test, 0..200, 0);
        for decade in labels.chunks(10) {
            let mut sorted = decade.to_vec();
            sorted.sort_unstable();
            assert_eq!(sorted, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
        }
    }

    /// The bytes are part of the contract: a change here changes every published accuracy on `digits`.
    #[test]
    fn the_bytes_are_the_same_on_every_machine() {
        let (images, labels) = generate(Split::Train, 0..200, 0);
        // FNV-1a over images and labels.
        let hash = images
            .iter()
            .chain(&labels)
            .fold(0xcbf2_9ce4_8422_2325, |hash: u64, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        assert_eq!(format!("{hash:016x}"), "62ae4c220c0979c2");
    }

    #[test]
    fn images_are_bright_ink_on_dark_paper() {
        let (images, _) = generate(Split::Train, 0..500, 0);
        for image in images.chunks(PIXELS) {
            let brightest = *image.iter().max().expect("an image has pixels");
            let mean = image.iter().map(|&v| u32::from(v)).sum::<u32>() / PIXELS as u32;
            assert!(brightest >= 120 && mean < 110, "brightest {brightest}, mean {mean}");
        }
    }
}
