//! A convolution that returns its input.

use super::Initialiser;
use hadal_core::{Error, Shape, Tensor};

/// The kernel `[out, in / groups, …]` that copies as many channels as it can: 1 at its centre, 0 elsewhere.
#[derive(Clone, Copy, Debug)]
pub struct Dirac {
    groups: usize,
}

impl Dirac {
    /// For a convolution without groups.
    pub fn new() -> Dirac {
        Dirac { groups: 1 }
    }

    /// For a convolution in `groups` groups.
    pub fn groups(self, groups: usize) -> Dirac {
        Dirac { groups: groups.max(1) }
    }
}

impl Default for Dirac {
    fn default() -> Dirac {
        Dirac::new()
    }
}

impl Initialiser for Dirac {
    #[track_caller]
    fn draw(&self, shape: &Shape) -> Tensor {
        let [outputs, inputs, kernel @ ..] = &shape[..] else {
            Error::op("Dirac", format!("initialises convolution kernels, got shape {shape}")).raise()
        };
        let positions: usize = kernel.iter().product();
        let centre = kernel.iter().fold(0, |at, &size| at * size + size / 2);
        let mut values = vec![0f32; shape.elements()];
        let per_group = outputs / self.groups;
        for group in 0..self.groups {
            for channel in 0..per_group.min(*inputs) {
                values[((group * per_group + channel) * inputs + channel) * positions + centre] = 1.0;
            }
        }
        Tensor::from_vec(values, shape)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `torch.nn.init.dirac_(torch.empty(4, 1, 3), groups=2)`.
    #[test]
    fn each_group_copies_its_channels() {
        let kernel = Dirac::new().groups(2).draw(&[4, 1, 3].into());
        assert_eq!(kernel.to_vec::<f32>(), [0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0]);
    }
}
