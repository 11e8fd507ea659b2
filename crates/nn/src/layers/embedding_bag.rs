//! `EmbeddingBag`: vectors looked up by number and joined into one.

use super::Embedding;
use crate::Layer;
use hadal_core::{DType, Module, Param, Result, Tag, Tensor};

/// How the vectors of a bag become one.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Bag {
    /// Their mean.
    #[default]
    Mean,
    /// Their sum.
    Sum,
    /// The largest of each element.
    Max,
}

/// Bags of indices `[batch, n]` to vectors `[batch, size]`.
#[derive(Debug, Module)]
pub struct EmbeddingBag {
    /// `[count, size]`
    pub weight: Param,
    #[module(config)]
    bag: Bag,
    tag: Tag,
}

impl EmbeddingBag {
    /// `count` vectors of `size` numbers, joined by their mean.
    pub fn new(count: usize, size: usize) -> EmbeddingBag {
        let weight = Embedding::new(count, size).weight;
        EmbeddingBag { weight, bag: Bag::Mean, tag: Tag::new("EmbeddingBag") }
    }

    /// How the vectors are joined.
    pub fn bag(self, bag: Bag) -> EmbeddingBag {
        EmbeddingBag { bag, ..self }
    }

    fn apply(&self, x: &Tensor) -> Result<Tensor> {
        let vectors = self.weight.get().try_embedding(x)?;
        match self.bag {
            Bag::Mean => vectors.try_mean(-2),
            Bag::Sum => vectors.try_sum(-2),
            Bag::Max => vectors.try_amax(-2),
        }
    }
}

impl Layer for EmbeddingBag {
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
        compare("EmbeddingBag", |a| {
            let bag = match a.text("mode") {
                "sum" => Bag::Sum,
                "max" => Bag::Max,
                _ => Bag::Mean,
            };
            let layer = EmbeddingBag::new(a.integer("num_embeddings") as usize, a.integer("embedding_dim") as usize);
            Box::new(layer.bag(bag))
        });
    }
}
