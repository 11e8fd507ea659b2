//! BERT's encoder (Devlin et al., NAACL 2019, arXiv 1810.04805) with the structure and keys of Hugging Face's `BertModel`.

use hadal_core::{DType, Error, Mode, Module, Result, Tensor};
use hadal_nn::Layer;
use hadal_nn::init::{Normal, zeros};
use hadal_nn::layers::{AttentionMask, Dropout, Embedding, LayerNorm, Linear, attention};

/// What a BERT consists of. The default is BERT-base, uncased: 109,482,240 parameters.
#[derive(Clone, Debug, PartialEq)]
pub struct BertSize {
    /// Different tokens: `vocab_size`.
    pub vocabulary: usize,
    /// The longest sequence: `max_position_embeddings`.
    pub positions: usize,
    /// Kinds of segments: `type_vocab_size`.
    pub types: usize,
    /// Features of a token: `hidden_size`.
    pub width: usize,
    /// Blocks: `num_hidden_layers`.
    pub layers: usize,
    /// Heads of each attention: `num_attention_heads`.
    pub heads: usize,
    /// Features between the dense layers: `intermediate_size`.
    pub feedforward: usize,
    /// In training: `hidden_dropout_prob` and `attention_probs_dropout_prob`.
    pub dropout: f64,
}

impl Default for BertSize {
    fn default() -> BertSize {
        BertSize {
            vocabulary: 30522,
            positions: 512,
            types: 2,
            width: 768,
            layers: 12,
            heads: 12,
            feedforward: 3072,
            dropout: 0.1,
        }
    }
}

/// Token numbers `[batch, steps]` to features `[batch, steps, width]`.
///
/// As a [`Layer`] it takes sequences of one segment without padding; [`Bert::encode`] takes the rest.
///
/// ```
/// use hadal_core::Tensor;
/// use hadal_models::{Bert, BertSize};
/// let size = BertSize { vocabulary: 100, width: 16, heads: 2, layers: 1, feedforward: 32, ..BertSize::default() };
/// let model = Bert::new(&size);
/// let (tokens, padding) = (Tensor::from([[5i64, 99, 0]]), Tensor::from([[false, false, true]]));
/// let features = model.encode(&tokens, None, Some(&padding));
/// assert_eq!(*features.shape(), [1, 3, 16]);
/// assert_eq!(*model.pooled(&features).shape(), [1, 16]);
/// ```
#[derive(Module)]
pub struct Bert {
    embeddings: Embeddings,
    encoder: Encoder,
    pooler: Pooler,
}

impl Bert {
    /// With BERT's initialisation: standard deviation 0.02, biases 0.
    ///
    /// # Panics
    /// If the width is not a multiple of the number of heads.
    #[track_caller]
    pub fn new(size: &BertSize) -> Bert {
        if size.heads == 0 || !size.width.is_multiple_of(size.heads) {
            let message = format!("cannot split {} features among {} heads", size.width, size.heads);
            Error::op("Bert", message).raise();
        }
        let table = |count: usize| Embedding::new(count, size.width).weight_init(Normal::new(0.0, 0.02));
        Bert {
            embeddings: Embeddings {
                word: table(size.vocabulary),
                position: table(size.positions),
                token_type: table(size.types),
                norm: norm(size),
                dropout: Dropout::new(size.dropout),
            },
            encoder: Encoder { layer: (0..size.layers).map(|_| Block::new(size)).collect() },
            pooler: Pooler { dense: dense(size.width, size.width) },
        }
    }

    /// The features of every token. `types [batch, steps]` numbers the segments, all 0 if not given; `padding
    /// [batch, steps]` is true where a sequence is only filled up (the opposite of Hugging Face's `attention_mask`).
    #[track_caller]
    pub fn encode(&self, tokens: &Tensor, types: Option<&Tensor>, padding: Option<&Tensor>) -> Tensor {
        let mask = padding.map_or_else(AttentionMask::new, |padding| AttentionMask::new().padding(padding.clone()));
        let mut x = match self.embeddings.forward(tokens, types) {
            Ok(x) => x,
            Err(error) => error.raise(),
        };
        for block in &self.encoder.layer {
            x = block.forward(&x, &mask);
        }
        x
    }

    /// A summary of each sequence from its first token's features: `[batch, width]`, between −1 and 1.
    #[track_caller]
    pub fn pooled(&self, features: &Tensor) -> Tensor {
        self.pooler.dense.forward(&features.select(1, 0)).tanh()
    }
}

impl Layer for Bert {
    fn forward(&self, x: &Tensor) -> Tensor {
        self.encode(x, None, None)
    }

    fn input_dtype(&self) -> DType {
        DType::I64
    }
}

fn dense(inputs: usize, outputs: usize) -> Linear {
    Linear::new(inputs, outputs).weight_init(Normal::new(0.0, 0.02)).bias_init(zeros())
}

fn norm(size: &BertSize) -> LayerNorm {
    LayerNorm::new(size.width).eps(1e-12)
}

#[derive(Module)]
struct Embeddings {
    #[module(name = "word_embeddings")]
    word: Embedding,
    #[module(name = "position_embeddings")]
    position: Embedding,
    #[module(name = "token_type_embeddings")]
    token_type: Embedding,
    #[module(name = "LayerNorm")]
    norm: LayerNorm,
    dropout: Dropout,
}

impl Embeddings {
    #[track_caller]
    fn forward(&self, tokens: &Tensor, types: Option<&Tensor>) -> Result<Tensor> {
        let (longest, found) = (self.position.weight.get().shape()[0], tokens.shape());
        let steps = match found[..] {
            [_, steps] if steps <= longest => steps,
            _ => {
                let message = format!("expects tokens [batch, steps] of at most {longest} steps, got {found}");
                return Err(Error::op("Bert", message));
            }
        };
        let positions = self.position.weight.get().try_narrow(0, 0, steps)?;
        let types = match types {
            Some(types) => self.token_type.forward(types),
            None => self.token_type.weight.get().try_narrow(0, 0, 1)?,
        };
        let sum = self.word.forward(tokens).try_add(types)?.try_add(positions)?;
        Ok(self.dropout.forward(&self.norm.forward(&sum)))
    }
}

#[derive(Module)]
struct Encoder {
    layer: Vec<Block>,
}

#[derive(Module)]
struct Pooler {
    dense: Linear,
}

#[derive(Module)]
struct Block {
    attention: Attention,
    intermediate: Intermediate,
    output: Output,
}

impl Block {
    fn new(size: &BertSize) -> Block {
        let (width, p) = (size.width, size.dropout);
        let queries = Queries {
            query: dense(width, width),
            key: dense(width, width),
            value: dense(width, width),
            heads: size.heads,
            dropout: p,
            mode: Mode::default(),
        };
        let output = |inputs: usize| Output { dense: dense(inputs, width), norm: norm(size), dropout: Dropout::new(p) };
        Block {
            attention: Attention { queries, output: output(width) },
            intermediate: Intermediate { dense: dense(width, size.feedforward) },
            output: output(size.feedforward),
        }
    }

    #[track_caller]
    fn forward(&self, x: &Tensor, mask: &AttentionMask) -> Tensor {
        let x = self.attention.output.forward(&self.attention.queries.forward(x, mask), x);
        self.output.forward(&self.intermediate.dense.forward(&x).gelu(), &x)
    }
}

#[derive(Module)]
struct Attention {
    #[module(name = "self")]
    queries: Queries,
    output: Output,
}

#[derive(Module)]
struct Queries {
    query: Linear,
    key: Linear,
    value: Linear,
    heads: usize,
    dropout: f64,
    mode: Mode,
}

impl Queries {
    #[track_caller]
    fn forward(&self, x: &Tensor, mask: &AttentionMask) -> Tensor {
        let [batch, steps, width] = x.shape()[..] else { unreachable!("an embedding has three axes") };
        let split =
            |layer: &Linear| layer.forward(x).reshape([batch, steps, self.heads, width / self.heads]).transpose(1, 2);
        let (query, key, value) = (split(&self.query), split(&self.key), split(&self.value));
        let dropout = if self.mode.is_training() { self.dropout } else { 0.0 };
        attention(&query, &key, &value, mask, dropout).transpose(1, 2).reshape(x.shape())
    }
}

#[derive(Module)]
struct Intermediate {
    dense: Linear,
}

/// A dense layer, added to the shortcut and normalized.
#[derive(Module)]
struct Output {
    dense: Linear,
    #[module(name = "LayerNorm")]
    norm: LayerNorm,
    dropout: Dropout,
}

impl Output {
    #[track_caller]
    fn forward(&self, x: &Tensor, shortcut: &Tensor) -> Tensor {
        self.norm.forward(&(self.dropout.forward(&self.dense.forward(x)) + shortcut))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recorded::{batch, compare, mean_square, read};
    use hadal_core::ModuleExt;
    use hadal_core::testing::assert_close;

    #[test]
    fn computes_what_hugging_face_computes() {
        let size = BertSize {
            vocabulary: 11,
            positions: 8,
            width: 24,
            layers: 2,
            heads: 3,
            feedforward: 48,
            ..BertSize::default()
        };
        let model = Bert::new(&size);
        compare("bert", &model, mean_square);
        let recorded = read("bert");
        let features = model.forward(&batch(&model, &recorded, 0));
        assert_close(&model.pooled(&features), &recorded.tensors["tokens/pooled"], 2e-5, "pooled");
        // What is filled up changes nothing before it.
        let longer = Tensor::cat(&[batch(&model, &recorded, 0), Tensor::full([2, 2], 7i64)], 1);
        let padding = Tensor::cat(&[Tensor::full([2, 6], false), Tensor::full([2, 2], true)], 1);
        let padded = model.encode(&longer, Some(&longer.zeros_like()), Some(&padding));
        assert_close(&padded.narrow(1, 0, 6), &recorded.tensors["tokens/logits"], 2e-5, "padded");
    }

    #[test]
    fn its_size_is_the_published_one() {
        assert_eq!(Bert::new(&BertSize::default()).parameter_count(), 109_482_240);
    }
}
