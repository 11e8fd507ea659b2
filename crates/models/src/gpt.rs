//! A generative transformer in the manner of GPT-2 (Radford et al. 2019, "Language models are unsupervised multitask
//! learners"): normalization first, GELU by tanh, learned positions; its head has weights of its own.

use crate::Spec;
use hadal_core::{DType, Error, Module, Result, Tensor};
use hadal_nn::Layer;
use hadal_nn::init::{Normal, zeros};
use hadal_nn::layers::{AttentionMask, Embedding, LayerNorm, LearnedEncoding, Linear, attention};

/// What a GPT consists of. The default has 5,317,632 parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GptSize {
    /// Different tokens.
    pub vocabulary: usize,
    /// The longest sequence.
    pub context: usize,
    /// Features of a token.
    pub width: usize,
    /// Heads of each attention.
    pub heads: usize,
    /// Blocks.
    pub layers: usize,
}

impl Default for GptSize {
    fn default() -> GptSize {
        GptSize { vocabulary: 4096, context: 128, width: 256, heads: 8, layers: 4 }
    }
}

/// The default size for what a registry entry is built for: `[steps]` and the size of the vocabulary.
pub(crate) fn for_sequences(spec: &Spec) -> Result<Gpt> {
    match spec.input[..] {
        [context] => Ok(Gpt::new(&GptSize { vocabulary: spec.outputs, context, ..GptSize::default() })),
        _ => Err(Error::invalid(format!(
            "gpt takes sequences of token numbers [steps], got samples of shape {:?}",
            spec.input
        ))),
    }
}

/// Token numbers `[batch, steps]` to logits of each next token, `[batch, steps, vocabulary]`.
///
/// ```
/// use hadal_core::Tensor;
/// use hadal_models::{Gpt, GptSize};
/// use hadal_nn::Layer;
/// let model = Gpt::new(&GptSize { vocabulary: 65, context: 32, width: 48, heads: 3, layers: 2 });
/// let logits = model.forward(&Tensor::from([[7i64, 3, 64]]));
/// assert_eq!(*logits.shape(), [1, 3, 65]);
/// ```
#[derive(Module)]
pub struct Gpt {
    tok: Embedding,
    pos: LearnedEncoding,
    blocks: Vec<Block>,
    ln: LayerNorm,
    head: Linear,
}

impl Gpt {
    /// With GPT-2's initialisation: standard deviation 0.02, and that divided by √(2·layers) where a block adds to its
    /// shortcut.
    ///
    /// # Panics
    /// If the width is not a multiple of the number of heads.
    #[track_caller]
    pub fn new(size: &GptSize) -> Gpt {
        if size.heads == 0 || !size.width.is_multiple_of(size.heads) {
            let message = format!("cannot split {} features among {} heads", size.width, size.heads);
            Error::op("Gpt", message).raise();
        }
        Gpt {
            tok: Embedding::new(size.vocabulary, size.width).weight_init(Normal::new(0.0, 0.02)),
            pos: LearnedEncoding::new(size.context, size.width),
            blocks: (0..size.layers).map(|_| Block::new(size)).collect(),
            ln: LayerNorm::new(size.width),
            head: dense(size.width, size.vocabulary, 0.02).without_bias(),
        }
    }
}

impl Layer for Gpt {
    fn forward(&self, x: &Tensor) -> Tensor {
        let mut x = self.pos.forward(&self.tok.forward(x));
        for block in &self.blocks {
            x = block.forward(&x);
        }
        self.head.forward(&self.ln.forward(&x))
    }

    fn input_dtype(&self) -> DType {
        DType::I64
    }
}

fn dense(inputs: usize, outputs: usize, std: f64) -> Linear {
    Linear::new(inputs, outputs).weight_init(Normal::new(0.0, std)).bias_init(zeros())
}

#[derive(Module)]
struct Block {
    ln1: LayerNorm,
    ln2: LayerNorm,
    /// Queries, keys and values in one.
    qkv: Linear,
    proj: Linear,
    fc1: Linear,
    fc2: Linear,
    heads: usize,
}

impl Block {
    fn new(size: &GptSize) -> Block {
        let (width, std) = (size.width, 0.02);
        let last = std / (2.0 * size.layers as f64).sqrt();
        Block {
            ln1: LayerNorm::new(width),
            ln2: LayerNorm::new(width),
            qkv: dense(width, 3 * width, std),
            proj: dense(width, width, last),
            fc1: dense(width, 4 * width, std),
            fc2: dense(4 * width, width, last),
            heads: size.heads,
        }
    }

    #[track_caller]
    fn attend(&self, x: &Tensor) -> Tensor {
        let [batch, steps, width] = x.shape()[..] else { unreachable!("an embedding has three axes") };
        // [batch, steps, 3·width] to three times [batch, heads, steps, size]
        let by_head = |part: &Tensor| part.reshape([batch, steps, self.heads, width / self.heads]).transpose(1, 2);
        let parts: Vec<Tensor> = self.qkv.forward(x).chunk(3, -1).iter().map(by_head).collect();
        let found = attention(&parts[0], &parts[1], &parts[2], &AttentionMask::new().causal(), 0.0);
        self.proj.forward(&found.transpose(1, 2).reshape(x.shape()))
    }
}

impl Layer for Block {
    fn forward(&self, x: &Tensor) -> Tensor {
        let x = x + self.attend(&self.ln1.forward(x));
        &x + self.fc2.forward(&self.fc1.forward(&self.ln2.forward(&x)).gelu_tanh())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recorded::{compare, mean_square};
    use hadal_core::ModuleExt;

    #[test]
    fn computes_what_pytorch_computes() {
        let size = GptSize { vocabulary: 11, context: 8, width: 24, heads: 3, layers: 2 };
        compare("gpt", &Gpt::new(&size), mean_square);
    }

    /// 12·width² + 13·width per block, two tables of 4096 rows, 128 positions, one normalization.
    #[test]
    fn its_size_is_what_the_formula_says() {
        let blocks = 4 * (12 * 256 * 256 + 13 * 256);
        assert_eq!(Gpt::new(&GptSize::default()).parameter_count(), blocks + (2 * 4096 + 128) * 256 + 2 * 256);
    }

    #[test]
    fn its_summary_has_a_row_for_every_layer() {
        let size = GptSize { vocabulary: 11, context: 8, width: 24, heads: 3, layers: 2 };
        let model = Gpt::new(&size);
        let found = hadal_nn::summary(&model, &[8]);
        assert_eq!(found.trainable.numbers, model.parameter_count());
        let names: Vec<&str> = found.rows.iter().map(|row| row.name.as_str()).collect();
        assert_eq!(
            [&names[..8], &names[14..]].concat(),
            [
                "tok",
                "pos",
                "blocks.0.ln1",
                "blocks.0.qkv",
                "blocks.0.proj",
                "blocks.0.ln2",
                "blocks.0.fc1",
                "blocks.0.fc2",
                "ln",
                "head"
            ]
        );
        let head = found.rows.last().unwrap();
        assert_eq!((&head.output, head.flops), (&[1, 8, 11].into(), 2 * 8 * 24 * 11));
    }
}
