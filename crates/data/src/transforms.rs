//! Changing images on their way into the model: preparation and augmentation.
//!
//! A transform is a pure function of the image and of a [`Stream`] named after (seed, epoch, sample, position in the pipeline),
//! so an augmented sample is the same whichever thread makes it and whatever was made before.

mod aug_mix;
mod auto_augment;
mod blur;
mod color;
mod crop;
mod erase;
mod flip;
mod normalize;
mod operation;
mod picture;
mod policy;
mod resize;
mod tone;
mod warp;

use std::fmt::Debug;

use hadal_core::Tensor;

use crate::random::Stream;
use crate::{Error, Result};
pub use aug_mix::AugMix;
pub use auto_augment::AutoAugment;
pub use blur::GaussianBlur;
pub use color::ColorJitter;
pub use crop::{CenterCrop, RandomCrop, RandomResizedCrop};
pub use erase::RandomErasing;
pub use flip::{HorizontalFlip, VerticalFlip};
pub use normalize::Normalize;
pub use picture::Picture;
pub use policy::{RandAugment, TrivialAugment};
pub use resize::{Resize, ResizeShorterSide};
pub use warp::RandomAffine;

/// Something done to an image.
pub trait Transform: Debug + Send + Sync {
    /// Changes `picture`; whatever is random about it is drawn from `random`.
    ///
    /// # Errors
    /// When the picture does not fit, as one smaller than the crop.
    fn apply(&self, picture: &mut Picture, random: &mut Stream) -> Result<()>;
}

/// Transforms one after the other.
///
/// ```
/// use hadal_data::transforms::{HorizontalFlip, Normalize, Pipeline, RandomCrop};
/// let train = Pipeline::new()
///     .then(RandomCrop::new(32, 32).padding(4))
///     .then(HorizontalFlip::default())
///     .then(Normalize::new(&[0.491, 0.482, 0.447], &[0.247, 0.243, 0.262]));
/// ```
#[derive(Debug, Default)]
pub struct Pipeline {
    steps: Vec<Box<dyn Transform>>,
}

impl Pipeline {
    /// No transform but the conversion to `f32`: bytes become numbers from 0 to 1.
    pub fn new() -> Pipeline {
        Pipeline::default()
    }

    /// Appends a transform.
    pub fn then(mut self, transform: impl Transform + 'static) -> Pipeline {
        self.steps.push(Box::new(transform));
        self
    }

    /// Applies all transforms to one image, `[channels, height, width]` of `u8` or `f32`; the result is `f32`.
    ///
    /// # Errors
    /// When the input is no image or does not fit a transform.
    pub fn apply(&self, image: &Tensor, seed: u64, epoch: u64, index: usize) -> Result<Tensor> {
        let mut picture = Picture::from_tensor(image)?;
        self.change(&mut picture, seed, epoch, index)?;
        Ok(picture.into_tensor())
    }

    /// Applies all transforms to the image of a sample.
    pub(crate) fn change(&self, picture: &mut Picture, seed: u64, epoch: u64, index: usize) -> Result<()> {
        for (number, step) in self.steps.iter().enumerate() {
            let name = [epoch as u32, index as u32, (index as u64 >> 32) as u32, number as u32];
            step.apply(picture, &mut Stream::new(seed, name))?;
        }
        Ok(())
    }
}

/// Refuses parameters that make no sense, at the line that wrote them.
#[track_caller]
fn check_probability(probability: f32, of: &str) {
    assert!((0.0..=1.0).contains(&probability), "{of}: the probability {probability} is not between 0 and 1");
}

fn check_channels(picture: &Picture, wanted: usize, of: &str) -> Result<()> {
    if picture.channels == wanted {
        return Ok(());
    }
    Err(Error::invalid(format!("{of} needs an image of {wanted} channels, got {}", picture.channels)))
}

#[cfg(test)]
mod tests {
    use hadal_core::DType;

    use super::*;

    fn image() -> Tensor {
        Tensor::arange(3 * 8 * 8).to_dtype(DType::U8).reshape([3, 8, 8])
    }

    fn everything() -> Pipeline {
        Pipeline::new()
            .then(RandomCrop::new(8, 8).padding(2))
            .then(HorizontalFlip::default())
            .then(RandomAffine::rotation(20.0))
            .then(ColorJitter { brightness: 0.4, contrast: 0.4, saturation: 0.4, hue: 0.1 })
            .then(RandAugment::default())
            .then(TrivialAugment)
            .then(GaussianBlur::new(3, 0.1, 2.0))
            .then(RandomErasing::default())
            .then(Normalize::new(&[0.5; 3], &[0.25; 3]))
    }

    #[test]
    fn the_empty_pipeline_scales_bytes_to_one() {
        let input = Tensor::from([[[0u8, 51, 255]]]);
        assert_eq!(Pipeline::new().apply(&input, 0, 0, 0).unwrap().to_vec::<f32>(), [0.0, 0.2, 1.0]);
    }

    #[test]
    fn a_sample_depends_on_seed_epoch_and_index_only() {
        let pipeline = everything();
        let run = |seed, epoch, index| pipeline.apply(&image(), seed, epoch, index).unwrap().to_vec::<f32>();
        let first = run(1, 2, 3);
        assert_eq!(first, run(1, 2, 3));
        for other in [run(2, 2, 3), run(1, 3, 3), run(1, 2, 4)] {
            assert_ne!(first, other);
        }
    }

    #[test]
    fn every_transform_keeps_the_numbers_finite() {
        let pipeline = everything();
        for index in 0..200 {
            let result = pipeline.apply(&image(), 0, 0, index).unwrap();
            assert_eq!(result.shape().to_vec(), [3, 8, 8]);
            // Between 0 and 1 before normalization by 0.5 and 0.25.
            assert!(result.to_vec::<f32>().iter().all(|value| (-2.001..=2.001).contains(value)), "sample {index}");
        }
    }

    #[test]
    fn what_is_no_image_is_refused() {
        let refuse = |input: &Tensor| Pipeline::new().apply(input, 0, 0, 0).unwrap_err().to_string();
        assert!(refuse(&Tensor::from([1u8])).contains("[channels, height, width]"));
        assert!(refuse(&Tensor::from([[[1i64]]])).contains("u8 or f32"));
    }
}
