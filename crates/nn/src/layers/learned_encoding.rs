//! `LearnedEncoding`: a vector to learn for each position (Gehring et al., ICML 2017, arXiv:1705.03122).

use crate::Layer;
use crate::init::{Initialiser, Normal};
use hadal_core::{Error, Module, Param, Result, Shape, Tag, Tensor};

/// Adds row `p` of `weight` to step `p` of `[batch, steps, width]`.
///
/// `weight` is `[longest, width]`, drawn from the normal distribution with standard deviation 0.02, as in BERT and GPT-2.
///
/// ```
/// use hadal_core::Tensor;
/// use hadal_nn::{Layer, layers::LearnedEncoding};
/// let positions = LearnedEncoding::new(128, 16);
/// assert_eq!(*positions.forward(&Tensor::zeros([2, 100, 16])).shape(), [2, 100, 16]);
/// ```
#[derive(Debug, Module)]
pub struct LearnedEncoding {
    /// `[longest, width]`
    pub weight: Param,
    tag: Tag,
}

impl LearnedEncoding {
    /// For sequences of at most `longest` steps of `width` features.
    pub fn new(longest: usize, width: usize) -> LearnedEncoding {
        let weight = Normal::new(0.0, 0.02).draw(&Shape::from([longest, width]));
        LearnedEncoding { weight: Param::new(weight), tag: Tag::new("LearnedEncoding") }
    }

    /// Draws the weight anew.
    pub fn weight_init(self, init: impl Initialiser) -> LearnedEncoding {
        init.fill(&self.weight);
        self
    }

    fn apply(&self, x: &Tensor) -> Result<Tensor> {
        let weight = self.weight.get();
        let (longest, width) = (weight.shape()[0], weight.shape()[1]);
        match x.shape()[..] {
            [_, steps, found] if found == width && steps <= longest => x.try_add(weight.try_narrow(0, 0, steps)?),
            _ => {
                let message = format!("expects [batch, steps, {width}] of at most {longest} steps, got {}", x.shape());
                Err(Error::op("LearnedEncoding", message))
            }
        }
    }
}

impl Layer for LearnedEncoding {
    fn forward(&self, x: &Tensor) -> Tensor {
        self.tag.call(x, || self.apply(x))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sequence_takes_the_first_rows_and_may_not_be_too_long() {
        let layer = LearnedEncoding::new(3, 2);
        let x = Tensor::zeros([1, 2, 2]);
        assert_eq!(layer.forward(&x).to_vec::<f32>(), layer.weight.get().to_vec::<f32>()[..4]);
        let error = layer.apply(&Tensor::zeros([1, 4, 2])).unwrap_err().to_string();
        assert_eq!(error, "LearnedEncoding expects [batch, steps, 2] of at most 3 steps, got [1, 4, 2]");
    }
}
