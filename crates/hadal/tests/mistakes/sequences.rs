//! Recurrent layers, attention and models of sequences.

use super::{check, done, labels, ones};
use hadal::models::{Gpt, GptSize};
use hadal::prelude::*;

#[test]
fn recurrent_layers() {
    check(&[
        (
            "steps before the batch, as in PyTorch, with another number of features",
            || done(Lstm::new(8, 16).forward(&ones(&[20, 32, 10]))),
            "Lstm expects inputs [batch, steps, 8], got [20, 32, 10]",
        ),
        (
            "one sequence without a batch",
            || done(Gru::new(8, 16).forward(&ones(&[20, 8]))),
            "Gru expects inputs [batch, steps, 8], got [20, 8]",
        ),
        (
            "the state of another batch",
            || {
                let gru = Gru::new(8, 16).layers(2);
                let (_, state) = gru.unroll(&ones(&[32, 5, 8]), None);
                done(gru.unroll(&ones(&[7, 5, 8]), Some(&state)))
            },
            "Gru expects states [2, 7, 16], got [2, 32, 16]",
        ),
        (
            "lengths of another batch",
            || done(Rnn::new(8, 16).unroll_padded(&ones(&[3, 5, 8]), &[5, 4], None)),
            "Rnn expects 3 lengths from 1 to 5, got [5, 4]",
        ),
        (
            "a layer without units",
            || done(Lstm::new(8, 0)),
            "Lstm needs at least 1 input and 1 hidden unit, got 8 and 0",
        ),
        ("no layers", || done(Lstm::new(8, 16).layers(0)), "Lstm needs at least one layer, got 0"),
        (
            "words that are not embedded",
            || done(Lstm::new(8, 16).forward(&labels(&[4, 1, 3]))),
            "Lstm expects inputs [batch, steps, 8], got [3]",
        ),
    ]);
}

#[test]
fn attention_and_transformers() {
    check(&[
        (
            "heads that do not divide the width",
            || done(MultiheadAttention::new(100, 8)),
            "MultiheadAttention cannot split 100 features among 8 heads; choose a divisor of 100",
        ),
        (
            "an input of another width, in a block",
            || {
                let model = Sequential::new().add(TransformerEncoderLayer::new(16, 4).feedforward(32));
                model.parameters();
                done(model.forward(&ones(&[2, 5, 12])))
            },
            "0.self_attn: MultiheadAttention expects [batch, queries, 16], [batch, keys, 16] and [batch, keys, 16], \
             got [2, 5, 12], [2, 5, 12] and [2, 5, 12]",
        ),
        (
            "padding the wrong way round",
            || {
                let padding = Tensor::full([5, 2], false);
                let x = ones(&[2, 5, 16]);
                let layers = TransformerEncoder::new(1, || TransformerEncoderLayer::new(16, 4).feedforward(32));
                done(layers.forward_masked(&x, &AttentionMask::new().padding(padding)))
            },
            "attention expects padding [2, 5] (batch, keys), got [5, 2]",
        ),
        (
            "a mask of numbers where booleans are meant",
            || {
                let x = ones(&[2, 5, 16]);
                let mask = AttentionMask::new().blocked(ones(&[5, 5]));
                done(MultiheadAttention::new(16, 4).attend(&x, &x, &x, &mask))
            },
            "attention expects booleans for what is blocked, got f32; use bias for scores",
        ),
        (
            "a text longer than the context",
            || {
                let size = GptSize { vocabulary: 11, context: 4, width: 8, heads: 2, layers: 1 };
                done(Gpt::new(&size).forward(&labels(&[1, 2, 3, 4, 5]).unsqueeze(0)))
            },
            "LearnedEncoding expects [batch, steps, 8] of at most 4 steps, got [1, 5, 8]",
        ),
    ]);
}
