//! The table of contents of all operations: one file per op, found at `ops/GROUP/NAME.rs`.
//!
//! To add an op, write its file and add its name here; `docs/anatomy-of-an-op.md` walks through one.

use crate::testing::Cases;

macro_rules! ops {
    ($($(#[$doc:meta])* $group:ident: $($name:ident)*;)*) => {
        $(
            $(#[$doc])*
            pub mod $group { $( pub mod $name; )* }
        )*

        /// The test cases of every op, in the order of the table.
        pub fn all_cases() -> Vec<Cases> {
            vec![$($( $group::$name::cases() ),*),*]
        }
    };
}

ops! {
    /// Element by element, with broadcasting.
    map: add sub mul div div_floor div_trunc neg abs sign square reciprocal sqrt rsqrt cast r#where clamp
        exp exp2 expm1 log log2 log10 log1p sin cos tan asin acos atan sinh cosh tanh asinh acosh atanh
        erf erfc erfinv lgamma digamma polygamma sinc sigmoid logit floor ceil trunc round frac nan_to_num
        pow atan2 hypot logaddexp xlogy copysign remainder fmod lerp addcmul addcdiv masked_fill
        maximum minimum eq ne lt le gt ge isnan isinf isfinite signbit
        logical_and logical_or logical_xor logical_not bitwise_and bitwise_or bitwise_xor bitwise_not
        bitwise_left_shift bitwise_right_shift gcd lcm fmax fmin isclose allclose equal isposinf isneginf
        heaviside rad2deg deg2rad logaddexp2;
    /// The nonlinearities of networks.
    activation: relu relu6 leaky_relu prelu glu elu celu selu gelu gelu_tanh silu mish hardswish hardsigmoid hardtanh
        hardshrink softshrink tanhshrink softplus softsign logsigmoid threshold;
    /// Numbers that a generator's key determines.
    random: uniform normal bernoulli randint randperm multinomial truncated_normal dropout feature_dropout alpha_dropout;
    /// Other layouts of the same elements.
    shape: reshape permute expand place contiguous narrow select squeeze unsqueeze flatten split chunk unbind cat
        stack pad slice flip roll rot90 unflatten movedim repeat tile repeat_interleave tril triu diagonal diag_embed
        diag unfold meshgrid pixel_shuffle pixel_unshuffle channel_shuffle select_scatter slice_scatter
        diagonal_scatter tensor_split hstack vstack dstack block_diag cartesian_prod combinations vander
        tril_indices triu_indices;
    /// Elements chosen by number.
    index: index_select index_add index_copy index_fill gather scatter scatter_add one_hot embedding nonzero
        index index_put masked_select masked_scatter take_along_dim scatter_reduce unique bincount searchsorted isin histc take;
    /// Combining elements along axes.
    reduce: sum mean amax amin argmax argmin max min var std var_mean prod any all
        count_nonzero norm logsumexp cumsum cumprod cummax cummin logcumsumexp median quantile nansum nanmean nanmedian
        aminmax std_mean diff trapezoid cov corrcoef mode;
    /// Elements in order.
    sort: argsort sort topk kthvalue;
    /// Sums of products.
    linear: matmul linear bmm mv dot outer kron tensordot addmm baddbmm cross trace einsum bilinear
        inner vecdot addmv addr multi_dot;
    /// Convolutions and their adjoints.
    conv: convolution conv1d conv2d conv3d conv_transpose1d conv_transpose2d conv_transpose3d
        im2col col2im;
    /// Joining neighbours.
    pool: pooling max_pool1d max_pool2d max_pool3d avg_pool1d avg_pool2d avg_pool3d adaptive_avg_pool1d
        adaptive_avg_pool2d adaptive_avg_pool3d adaptive_max_pool1d adaptive_max_pool2d adaptive_max_pool3d
        lp_pool1d lp_pool2d max_unpool interpolate grid_sample affine_grid;
    /// Bringing numbers to one scale.
    norm: softmax softmin log_softmax group_norm layer_norm instance_norm rms_norm batch_norm
        local_response_norm normalize renorm;
    /// How far vectors are from each other.
    distance: cosine_similarity pairwise_distance cdist dist;
    /// Reading by relevance.
    attention: scaled_dot_product_attention;
    /// Along sequences, with a state.
    recurrent: recurrence lstm gru rnn;
    /// Factorizations and what follows from them.
    linalg: solve solve_triangular inverse det slogdet cholesky qr lu svd eigh eig pinv lstsq matrix_norm matrix_power
        matrix_exp matrix_rank cond eigvalsh svdvals cholesky_solve cholesky_inverse;
    /// Signals and their frequencies.
    fourier: fft rfft irfft window stft istft;
    /// Eight bits a number.
    quantized: fake_quantize fake_quantize_per_channel quantize_linear dequantize_linear quantize_images
        dequantize_images pack_images unpack_images quantized_convolution integer_convolution quantized_max_pool
        quantized_sum dynamic_quantized_linear weight_quantized_linear;
    /// How far predictions are from targets.
    loss: cross_entropy nll ctc;
}

/// What an op's file needs.
mod prelude {
    pub(crate) use crate::compile::{Memo, OnBytes, Rewrites};
    pub(crate) use crate::grad::{Grad, Grads};
    pub(crate) use crate::onnx::{Attribute, Value, Values, Writer};
    pub(crate) use crate::op::{
        Input, Kind, Metas, Op, Output, Reads, apply, broadcast, one, require_bits, require_float, require_number,
    };
    pub(crate) use crate::run::function::{Function, Pull};
    pub(crate) use crate::run::map::{Number, each, each2, each3};
    pub(crate) use crate::run::real::{Float, Real};
    pub(crate) use crate::run::reduce::Fold;
    pub(crate) use crate::run::{map, rows};
    pub(crate) use crate::tensor::{Axes, DType, Element, Layout, Meta, Operand, Shape, Tensor};
    pub(crate) use crate::testing::Cases;
    pub(crate) use crate::{Error, Result, dispatch, fallible};
    pub(crate) use hadal_kernels::math;
}
