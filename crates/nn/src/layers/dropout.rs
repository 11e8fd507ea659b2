//! Dropout (Srivastava et al., JMLR 2014), by element and by channel, and its relatives.

use crate::Layer;
use hadal_core::random::default_generator;
use hadal_core::{Error, Mode, Module, Result, Shape, Tag, Tensor};
use hadal_kernels::random;

/// 1 with probability `keep`, else 0, as booleans; takes the next stream of the default generator.
fn kept(shape: &Shape, keep: f64) -> Tensor {
    let key = default_generator().next_key().to_vec::<i64>();
    let mut mask = vec![false; shape.elements()];
    random::bernoulli(key[0] as u64, key[1] as u64, keep, &mut mask);
    Tensor::from_vec(mask, shape)
}

/// The shape of one decision per sample and channel.
fn per_channel(shape: &Shape) -> Shape {
    shape.iter().enumerate().map(|(axis, &n)| if axis < 2 { n } else { 1 }).collect()
}

/// The shape of one decision per sample.
fn per_sample(shape: &Shape) -> Shape {
    shape.iter().enumerate().map(|(axis, &n)| if axis < 1 { n } else { 1 }).collect()
}

#[track_caller]
fn probability(layer: &str, p: f64) -> f64 {
    if !(0.0..=1.0).contains(&p) {
        Error::op(layer, format!("needs a probability between 0 and 1, got {p}")).raise();
    }
    p
}

/// Zero with probability `p`, else divided by `1 − p`, so that the mean stays.
fn dropped(x: &Tensor, p: f64, decisions: &Shape) -> Result<Tensor> {
    if p == 1.0 {
        return x.try_mul(0);
    }
    x.try_mul(kept(decisions, 1.0 - p).try_to_dtype(x.dtype())?.try_mul(1.0 / (1.0 - p))?)
}

macro_rules! dropouts {
    ($($(#[$doc:meta])* $name:ident($p:expr): |$x:ident, $probability:ident| $call:expr;)*) => { $(
        $(#[$doc])*
        #[derive(Debug, Module)]
        pub struct $name {
            p: f64,
            mode: Mode,
            tag: Tag,
        }

        impl $name {
            /// With this probability of dropping.
            #[track_caller]
            pub fn new(p: f64) -> $name {
                $name { p: probability(stringify!($name), p), mode: Mode::default(), tag: Tag::new(stringify!($name)) }
            }
        }

        impl Default for $name {
            #[doc = concat!("With probability ", stringify!($p), ".")]
            fn default() -> $name {
                $name::new($p)
            }
        }

        impl Layer for $name {
            fn forward(&self, $x: &Tensor) -> Tensor {
                let $probability = self.p;
                self.tag.call($x, || if self.mode.is_training() && self.p > 0.0 { $call } else { Ok($x.clone()) })
            }
        }
    )* };
}

dropouts! {
    /// In training, each element is zero with probability `p` and else divided by `1 − p`; in evaluation nothing happens.
    Dropout(0.5): |x, p| dropped(x, p, x.shape());
    /// Drops whole channels of `[batch, channels, …]` (Tompson et al., CVPR 2015): `Dropout1d`, `2d` and `3d` of PyTorch.
    SpatialDropout(0.5): |x, p| dropped(x, p, &per_channel(x.shape()));
    /// Drops elements to SELU's lower bound and keeps mean and variance (Klambauer et al. 2017).
    AlphaDropout(0.5): |x, p| alpha_dropped(x, p);
    /// Zeroes whole samples `[batch, …]` of a residual branch, and divides the others by `1 − p` (Huang et al., ECCV 2016).
    StochasticDepth(0.5): |x, p| dropped(x, p, &per_sample(x.shape()));
}

/// SELU's limit at −∞: −scale · alpha.
const SELU_BOUND: f64 = -1.758_099_340_847_376_6;

fn alpha_dropped(x: &Tensor, p: f64) -> Result<Tensor> {
    if p == 1.0 {
        return x.try_mul(0);
    }
    // a·(x where kept, bound elsewhere) + b has mean 0 and variance 1 if x has.
    let a = 1.0 / ((1.0 - p) * (1.0 + p * SELU_BOUND * SELU_BOUND)).sqrt();
    let b = -a * p * SELU_BOUND;
    kept(x.shape(), 1.0 - p).try_where_(x.clone(), SELU_BOUND)?.try_mul(a)?.try_add(b)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hadal_core::ModuleExt;

    #[test]
    fn a_share_is_dropped_and_the_mean_stays() {
        let x = Tensor::ones([100, 100]);
        let y = Dropout::new(0.3).forward(&x).to_vec::<f32>();
        let zeros = y.iter().filter(|v| **v == 0.0).count() as f64;
        // Five standard deviations of the binomial distribution.
        assert!((zeros - 3000.0).abs() < 5.0 * (10_000.0f64 * 0.3 * 0.7).sqrt(), "{zeros} zeros");
        assert!(y.iter().all(|v| *v == 0.0 || (*v - 1.0 / 0.7).abs() < 1e-6));
    }

    #[test]
    fn evaluation_changes_nothing() {
        let layer = Dropout::new(0.5);
        layer.eval();
        let x = Tensor::from([1.0f32, 2.0, 3.0]);
        assert_eq!(layer.forward(&x).to_vec::<f32>(), x.to_vec::<f32>());
    }

    #[test]
    fn whole_channels_and_samples_go_together() {
        let x = Tensor::ones([20, 10, 3, 3]);
        let y = SpatialDropout::new(0.5).forward(&x).to_vec::<f32>();
        assert!(y.chunks(9).all(|channel| channel.iter().all(|v| *v == channel[0])));
        assert!(y.contains(&0.0) && y.contains(&2.0));
        let y = StochasticDepth::new(0.5).forward(&x).to_vec::<f32>();
        assert!(y.chunks(90).all(|sample| sample.iter().all(|v| *v == sample[0])));
    }

    #[test]
    fn alpha_dropout_keeps_mean_and_variance() {
        use crate::init::{Initialiser, Normal};
        let n = 200_000;
        let x = Normal::new(0.0, 1.0).draw(&n.into());
        let y = AlphaDropout::new(0.2).forward(&x).to_f64_vec();
        let mean = y.iter().sum::<f64>() / n as f64;
        let variance = y.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / n as f64;
        assert!(mean.abs() < 0.015 && (variance - 1.0).abs() < 0.03, "mean {mean}, variance {variance}");
    }

    #[test]
    fn the_gradient_passes_where_the_value_does() {
        let x = Tensor::ones([64]).requires_grad();
        let y = Dropout::new(0.5).forward(&x);
        let gradient = y.sum(..).backward().of(&x).unwrap().to_vec::<f32>();
        assert_eq!(gradient, y.to_vec::<f32>());
    }
}
