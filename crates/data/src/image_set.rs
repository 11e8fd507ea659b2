//! Labelled images of one size, all in memory.

/// Images as bytes, with labels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageSet {
    /// `[samples, channels, height, width]`, row-major.
    pub images: Vec<u8>,
    /// `[channels, height, width]` of one image.
    pub shape: [usize; 3],
    /// One label per image, a position in `classes`.
    pub labels: Vec<u8>,
    /// What the labels mean.
    pub classes: Vec<String>,
}

impl ImageSet {
    /// Number of images.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there is no image.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// The bytes of one image, `[channels, height, width]`.
    pub fn image(&self, index: usize) -> &[u8] {
        let size = self.shape.iter().product();
        &self.images[index * size..][..size]
    }

    /// Mean and standard deviation of each channel over all images, with black 0 and white 1: what
    /// normalization takes away. The sums are of integers, hence exact.
    pub fn mean_and_std(&self) -> (Vec<f32>, Vec<f32>) {
        let [channels, height, width] = self.shape;
        let plane = height * width;
        let count = (self.len() * plane).max(1) as f64;
        let moments = (0..channels).map(|channel| {
            let planes = self.images.chunks_exact(plane.max(1)).skip(channel).step_by(channels);
            let (sum, squares) = planes.flatten().fold((0u64, 0u64), |(sum, squares), &value| {
                let value = u64::from(value);
                (sum + value, squares + value * value)
            });
            let mean = sum as f64 / count;
            let variance = squares as f64 / count - mean * mean;
            ((mean / 255.0) as f32, (variance.max(0.0).sqrt() / 255.0) as f32)
        });
        moments.unzip()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_of_each_channel() {
        // Two images of two channels and two pixels. numpy: std of [0, 255, 255, 0] / 255 is 0.5.
        let images = vec![0, 255, 51, 51, 255, 0, 51, 51];
        let set = ImageSet { images, shape: [2, 1, 2], labels: vec![0, 1], classes: vec!["a".into(), "b".into()] };
        assert_eq!(set.mean_and_std(), (vec![0.5, 0.2], vec![0.5, 0.0]));
        assert_eq!(set.image(1), [255, 0, 51, 51]);
    }
}
