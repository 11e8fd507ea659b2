//! Activation functions as layers.
//!
//! A network written as a struct calls the tensor's method (`x.relu()`); these are for [`Sequential`](crate::Sequential).

use crate::Layer;
use hadal_core::{Module, Tag, Tensor};

/// Layers without options: a struct, and a constant of the same name, so that `Relu` is a value that makes a fresh layer
/// wherever it is written.
macro_rules! plain {
    ($($(#[$doc:meta])* $name:ident: $method:ident;)*) => { $(
        $(#[$doc])*
        #[derive(Debug, Module)]
        pub struct $name {
            tag: Tag,
        }

        #[doc = concat!("A fresh [`", stringify!($name), "`](struct@", stringify!($name), ") layer.")]
        #[allow(non_upper_case_globals)]
        #[expect(clippy::declare_interior_mutable_const, reason = "each use is a layer of its own")]
        pub const $name: $name = $name { tag: Tag::new(stringify!($name)) };

        impl $name {
            /// The layer.
            pub const fn new() -> $name {
                $name
            }
        }

        impl Default for $name {
            fn default() -> $name {
                $name
            }
        }

        impl Layer for $name {
            fn forward(&self, x: &Tensor) -> Tensor {
                self.tag.call(x, || x.$method())
            }
        }
    )* };
}

plain! {
    /// `max(x, 0)`
    Relu: try_relu;
    /// `min(max(x, 0), 6)`
    Relu6: try_relu6;
    /// `1 / (1 + e^−x)`
    Sigmoid: try_sigmoid;
    /// The hyperbolic tangent.
    Tanh: try_tanh;
    /// `x · Φ(x)` with the normal distribution's Φ (Hendrycks and Gimpel 2016).
    Gelu: try_gelu;
    /// [`Gelu`](struct@Gelu) by its approximation with tanh, as in GPT-2 and BERT.
    GeluTanh: try_gelu_tanh;
    /// `x · sigmoid(x)`, also called swish.
    Silu: try_silu;
    /// `x · tanh(softplus(x))` (Misra 2019).
    Mish: try_mish;
    /// The self-normalizing ELU (Klambauer et al. 2017); draw its layers with [`lecun_normal`](crate::init::lecun_normal).
    Selu: try_selu;
    /// `x · min(max(x + 3, 0), 6) / 6` (Howard et al. 2019).
    Hardswish: try_hardswish;
    /// `min(max(x + 3, 0), 6) / 6`
    Hardsigmoid: try_hardsigmoid;
    /// `x / (1 + |x|)`
    Softsign: try_softsign;
    /// `x − tanh(x)`
    Tanhshrink: try_tanhshrink;
    /// `log(sigmoid(x))`
    LogSigmoid: try_logsigmoid;
}

/// Layers with numbers: a struct made by `new`.
macro_rules! with_options {
    ($($(#[$doc:meta])* $name:ident($($option:ident: $type:ty = $default:expr),*): |$x:ident, $layer:ident| $call:expr;)*) => { $(
        $(#[$doc])*
        #[derive(Debug, Module)]
        pub struct $name {
            $($option: $type,)*
            tag: Tag,
        }

        impl $name {
            /// With these options.
            pub const fn new($($option: $type),*) -> $name {
                $name { $($option,)* tag: Tag::new(stringify!($name)) }
            }
        }

        impl Default for $name {
            #[doc = concat!("With PyTorch's default options" $(, "; `", stringify!($option), "` is ", stringify!($default))*, ".")]
            fn default() -> $name {
                $name::new($($default),*)
            }
        }

        impl Layer for $name {
            fn forward(&self, $x: &Tensor) -> Tensor {
                let $layer = self;
                self.tag.call($x, || $call)
            }
        }
    )* };
}

with_options! {
    /// `x` where positive, `slope · x` elsewhere (Maas et al. 2013).
    LeakyRelu(slope: f64 = 0.01): |x, a| x.try_leaky_relu(a.slope);
    /// `x` where positive, `alpha · (e^x − 1)` elsewhere (Clevert et al. 2016).
    Elu(alpha: f64 = 1.0): |x, a| x.try_elu_with(a.alpha);
    /// `x` where positive, `alpha · (e^(x/alpha) − 1)` elsewhere: a smooth ELU (Barron 2017).
    Celu(alpha: f64 = 1.0): |x, a| x.try_celu(a.alpha);
    /// `x` kept between two bounds.
    Hardtanh(low: f64 = -1.0, high: f64 = 1.0): |x, a| x.try_hardtanh(a.low, a.high);
    /// `x` where its magnitude is above `lambda`, 0 elsewhere.
    Hardshrink(lambda: f64 = 0.5): |x, a| x.try_hardshrink(a.lambda);
    /// `x` moved towards 0 by `lambda`.
    Softshrink(lambda: f64 = 0.5): |x, a| x.try_softshrink(a.lambda);
    /// `log(1 + e^(beta·x)) / beta`, and `x` itself where `beta·x` is above `threshold`.
    Softplus(beta: f64 = 1.0, threshold: f64 = 20.0): |x, a| x.try_softplus_with(a.beta, a.threshold);
    /// `x` where above `threshold`, `value` elsewhere.
    Threshold(threshold: f64 = 0.0, value: f64 = 0.0): |x, a| x.try_threshold(a.threshold, a.value);
    /// The first half of `axis` times the sigmoid of the second (Dauphin et al. 2017).
    Glu(axis: isize = -1): |x, a| x.try_glu(a.axis);
    /// Positive numbers that sum to 1 along `axis`. Not before [`CrossEntropy`](crate::losses::CrossEntropy), which takes logits.
    Softmax(axis: isize = -1): |x, a| x.try_softmax(a.axis);
    /// The softmax of `−x`.
    Softmin(axis: isize = -1): |x, a| x.try_softmin(a.axis);
    /// The logarithm of the softmax.
    LogSoftmax(axis: isize = -1): |x, a| x.try_log_softmax(a.axis);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each layer is the tensor's method, which has tests of its own: what can go wrong here is a mix-up.
    #[test]
    fn each_layer_computes_its_function() {
        let x = Tensor::from([[-2.0f64, -0.25, 0.5, 3.0]]);
        let cases: Vec<(Box<dyn Layer>, Tensor)> = vec![
            (Box::new(Relu), x.relu()),
            (Box::new(Gelu), x.gelu()),
            (Box::new(GeluTanh), x.gelu_tanh()),
            (Box::new(LogSigmoid), x.logsigmoid()),
            (Box::new(LeakyRelu::default()), x.leaky_relu(0.01)),
            (Box::new(Hardtanh::default()), x.hardtanh(-1.0, 1.0)),
            (Box::new(Threshold::new(0.1, 7.0)), x.threshold(0.1, 7.0)),
            (Box::new(Glu::default()), x.glu(-1)),
            (Box::new(LogSoftmax::default()), x.log_softmax(-1)),
        ];
        for (layer, expected) in cases {
            assert_eq!(layer.forward(&x).to_vec::<f64>(), expected.to_vec::<f64>());
        }
    }
}
