//! `Flatten` and `Unflatten`: axes joined and split.

use crate::Layer;
use hadal_core::{Module, Shape, Tag, Tensor};

/// All axes after the batch joined into one: `[batch, …]` to `[batch, features]`.
#[derive(Debug, Module)]
pub struct Flatten {
    start: isize,
    end: isize,
    tag: Tag,
}

impl Flatten {
    /// Axes 1 to the last.
    pub const fn new() -> Flatten {
        Flatten::range(1, -1)
    }

    /// Axes `start` to `end`, both included.
    pub const fn range(start: isize, end: isize) -> Flatten {
        Flatten { start, end, tag: Tag::new("Flatten") }
    }
}

impl Default for Flatten {
    fn default() -> Flatten {
        Flatten::new()
    }
}

impl Layer for Flatten {
    fn forward(&self, x: &Tensor) -> Tensor {
        self.tag.call(x, || x.try_flatten(self.start, self.end))
    }
}

/// One axis split into several: the opposite of [`Flatten`].
#[derive(Debug, Module)]
pub struct Unflatten {
    axis: isize,
    #[module(config)]
    sizes: Shape,
    tag: Tag,
}

impl Unflatten {
    /// `axis` into axes of these sizes, whose product must be the axis' size.
    pub fn new(axis: isize, sizes: impl Into<Shape>) -> Unflatten {
        Unflatten { axis, sizes: sizes.into(), tag: Tag::new("Unflatten") }
    }
}

impl Layer for Unflatten {
    fn forward(&self, x: &Tensor) -> Tensor {
        self.tag.call(x, || x.try_unflatten(self.axis, &self.sizes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_are_joined_and_split() {
        let x = Tensor::zeros([2, 3, 4, 5]);
        assert_eq!(*Flatten::new().forward(&x).shape(), [2, 60]);
        assert_eq!(*Flatten::range(-2, -1).forward(&x).shape(), [2, 3, 20]);
        assert_eq!(*Unflatten::new(1, [3, 4, 5]).forward(&Tensor::zeros([2, 60])).shape(), [2, 3, 4, 5]);
    }
}
