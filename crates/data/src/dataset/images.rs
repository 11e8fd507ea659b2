//! Images in memory and on disk as data sets: bytes `[channels, height, width]` and a label.

use hadal_core::{DType, Tensor};

use super::tensors::from_bytes;
use super::{Dataset, Pixels, Sample};
use crate::image::{self, Image};
use crate::{ImageFolder, ImageSet, Result};

impl Dataset for ImageSet {
    fn len(&self) -> usize {
        self.labels.len()
    }

    fn get(&self, index: usize) -> Result<Sample> {
        let input = from_bytes(self.image(index), self.shape[..].into(), DType::U8);
        Ok(Sample { input, target: Tensor::from(i64::from(self.labels[index])) })
    }

    fn pixels(&self, index: usize) -> Option<Pixels<'_>> {
        Some(Pixels { bytes: self.image(index), shape: self.shape, label: i64::from(self.labels[index]) })
    }
}

impl Dataset for ImageFolder {
    fn len(&self) -> usize {
        self.files.len()
    }

    fn get(&self, index: usize) -> Result<Sample> {
        let (path, label) = &self.files[index];
        Ok(Sample { input: image::read(path, self.channels)?.tensor(), target: Tensor::from(*label as i64) })
    }
}

impl Image {
    /// The pixels as a tensor of bytes `[channels, height, width]`.
    pub fn tensor(&self) -> Tensor {
        let channels = self.channels.count();
        let mut planes = Vec::with_capacity(self.pixels.len());
        for channel in 0..channels {
            planes.extend(self.pixels[channel..].iter().step_by(channels));
        }
        from_bytes(&planes, [channels, self.height, self.width].into(), DType::U8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::Channels;
    use crate::testing::{fails, folder};

    #[test]
    fn an_image_becomes_planes() {
        let image = Image { width: 2, height: 1, channels: Channels::Rgb, pixels: vec![1, 2, 3, 4, 5, 6] };
        let tensor = image.tensor();
        assert_eq!((tensor.shape().to_vec(), tensor.to_vec::<u8>()), (vec![3, 1, 2], vec![1, 4, 2, 5, 3, 6]));
    }

    #[test]
    fn a_folder_reads_its_images_on_demand() {
        let folder = folder();
        folder.write("b/1.jpg", include_bytes!("../../fixtures/corners.jpg"));
        folder.write("a/1.jpg", "no image");
        let set = ImageFolder::open(folder.path(""), Channels::Grey).unwrap();
        let Sample { input, target } = set.get(1).unwrap();
        assert_eq!((input.shape().to_vec(), target.item::<i64>()), (vec![1, 16, 24], 1));
        fails(set.get(0), &["a/1.jpg", "neither PNG nor JPEG"]);
    }
}
