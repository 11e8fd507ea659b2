//! Layers: plain structs that own their parameters.
//!
//! Fields and shapes are named as in PyTorch, so that its weights load by name. Layers without options are written as
//! values (`Relu`) or made by `new`, and read like a sentence: `Linear::new(784, 128).without_bias()`.

mod activations;
mod adaptive_pool;
mod attention;
mod avg_pool;
mod batch_norm;
mod bilinear;
mod conv;
mod conv_transpose;
mod dropout;
mod embedding;
mod embedding_bag;
mod flatten;
mod group_norm;
mod gru;
mod identity;
mod instance_norm;
mod lambda;
mod layer_norm;
mod lazy;
mod learned_encoding;
mod linear;
mod local_response_norm;
mod lstm;
mod max_pool;
mod multihead_attention;
mod padding;
mod prelu;
#[cfg(test)]
mod recorded;
mod recurrence;
mod recurrent;
mod recurrent_cell;
mod residual;
mod rms_norm;
mod rnn;
mod separable_conv;
mod shuffle;
mod sinusoidal_encoding;
mod spectral_norm;
mod squeeze_excitation;
mod transformer_decoder;
mod transformer_decoder_layer;
mod transformer_encoder;
mod transformer_encoder_layer;
mod upsample;
mod weight_norm;
mod weighted;

pub use activations::*;
pub use adaptive_pool::{
    AdaptiveAvgPool, AdaptiveAvgPool1d, AdaptiveAvgPool2d, AdaptiveAvgPool3d, AdaptiveMaxPool, AdaptiveMaxPool1d,
    AdaptiveMaxPool2d, AdaptiveMaxPool3d, GlobalAvgPool, GlobalMaxPool,
};
pub use attention::{AttentionMask, attention, try_attention};
pub use avg_pool::{AvgPool, AvgPool1d, AvgPool2d, AvgPool3d};
pub use batch_norm::{BatchNorm, BatchNorm1d, BatchNorm2d, BatchNorm3d};
pub use bilinear::Bilinear;
pub use conv::{Conv, Conv1d, Conv2d, Conv3d};
pub use conv_transpose::{ConvTranspose, ConvTranspose1d, ConvTranspose2d, ConvTranspose3d};
pub use dropout::{AlphaDropout, Dropout, Dropout1d, Dropout2d, Dropout3d, SpatialDropout, StochasticDepth};
pub use embedding::Embedding;
pub use embedding_bag::{Bag, EmbeddingBag};
pub use flatten::{Flatten, Unflatten};
pub use group_norm::GroupNorm;
pub use gru::{GatedRecurrence, Gru};
pub use hadal_core::Walk;
pub use hadal_core::ops::pool::interpolate::Interpolation;
pub use identity::Identity;
pub use instance_norm::{InstanceNorm, InstanceNorm1d, InstanceNorm2d, InstanceNorm3d};
pub use lambda::Lambda;
pub use layer_norm::LayerNorm;
pub use learned_encoding::LearnedEncoding;
pub use linear::Linear;
pub use local_response_norm::LocalResponseNorm;
pub use lstm::{LongShortTerm, Lstm, LstmState};
pub use max_pool::{MaxPool, MaxPool1d, MaxPool2d, MaxPool3d};
pub use multihead_attention::MultiheadAttention;
pub use padding::Pad;
pub use prelu::PRelu;
pub use recurrence::{Recurrence, RecurrentWeights};
pub use recurrent::Recurrent;
pub use recurrent_cell::{GruCell, LstmCell, RecurrentCell, RnnCell};
pub use residual::Residual;
pub use rms_norm::RmsNorm;
pub use rnn::{Elman, Rnn};
pub use separable_conv::SeparableConv2d;
pub use shuffle::{ChannelShuffle, PixelShuffle, PixelUnshuffle};
pub use sinusoidal_encoding::SinusoidalEncoding;
pub use spectral_norm::SpectralNorm;
pub use squeeze_excitation::SqueezeExcitation;
pub use transformer_decoder::TransformerDecoder;
pub use transformer_decoder_layer::TransformerDecoderLayer;
pub use transformer_encoder::TransformerEncoder;
pub use transformer_encoder_layer::TransformerEncoderLayer;
pub use upsample::Upsample;
pub use weight_norm::WeightNorm;
pub use weighted::Weighted;
