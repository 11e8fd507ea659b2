//! `Embedding`: a table of vectors looked up by number.

use crate::init::Initialiser;
use crate::{Layer, compat};
use hadal_core::{DType, Module, Param, Result, Shape, Tag, Tensor};

/// The rows of a table by index: integers `[…]` to vectors `[…, size]`.
///
/// `weight` is `[count, size]`, drawn from the normal distribution.
#[derive(Debug, Module)]
pub struct Embedding {
    /// `[count, size]`
    pub weight: Param,
    #[module(config)]
    padding: Option<usize>,
    tag: Tag,
}

impl Embedding {
    /// `count` vectors of `size` numbers.
    pub fn new(count: usize, size: usize) -> Embedding {
        let weight = compat::current().embedding(&Shape::from([count, size]));
        Embedding { weight: Param::new(weight), padding: None, tag: Tag::new("Embedding") }
    }

    /// Draws the table anew.
    pub fn weight_init(self, init: impl Initialiser) -> Embedding {
        init.fill(&self.weight);
        self
    }

    /// Index `padding` stands for nothing: its vector starts as zeros and gets no gradient.
    pub fn padding(mut self, padding: usize) -> Embedding {
        let size = self.weight.get().size(1);
        self.weight.update(|table: &mut [f32]| table[padding * size..][..size].fill(0.0));
        self.padding = Some(padding);
        self
    }

    fn apply(&self, x: &Tensor) -> Result<Tensor> {
        let weight = self.weight.get();
        match self.padding {
            Some(padding) => weight.try_embedding_padded(x, padding),
            None => weight.try_embedding(x),
        }
    }
}

impl Layer for Embedding {
    fn forward(&self, x: &Tensor) -> Tensor {
        self.tag.call(x, || self.apply(x))
    }

    fn input_dtype(&self) -> DType {
        DType::I64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::recorded::compare;

    #[test]
    fn computes_what_pytorch_computes() {
        compare("Embedding", |a| {
            let layer = Embedding::new(a.integer("num_embeddings") as usize, a.integer("embedding_dim") as usize);
            Box::new(match a.get("padding_idx").and_then(|p| p.as_u64()) {
                Some(padding) => layer.padding(padding as usize),
                None => layer,
            })
        });
    }
}
