//! Dropout (Srivastava et al., JMLR 2014), by element and by channel, and its relatives.

use crate::Layer;
use hadal_core::{Error, Mode, Module, Result, Shape, Tag, Tensor};

#[track_caller]
fn probability(layer: &str, p: f64) -> f64 {
    if !(0.0..=1.0).contains(&p) {
        Error::op(layer, format!("needs a probability between 0 and 1, got {p}")).raise();
    }
    p
}

/// One decision per sample.
fn whole_samples(x: &Tensor, p: f64) -> Result<Tensor> {
    let sizes: Shape = x.shape().iter().enumerate().map(|(axis, &n)| if axis == 0 { n } else { 1 }).collect();
    x.try_mul(Tensor::full_with(sizes, 1, x.dtype()).try_dropout(p)?)
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
    Dropout(0.5): |x, p| x.try_dropout(p);
    /// Drops whole channels of `[batch, channels, …]` (Tompson et al., CVPR 2015): `Dropout1d`, `2d` and `3d` of PyTorch.
    SpatialDropout(0.5): |x, p| x.try_feature_dropout(p);
    /// Drops elements to SELU's lower bound and keeps mean and variance (Klambauer et al. 2017).
    AlphaDropout(0.5): |x, p| x.try_alpha_dropout(p);
    /// Zeroes whole samples `[batch, …]` of a residual branch, and divides the others by `1 − p` (Huang et al., ECCV 2016).
    StochasticDepth(0.5): |x, p| whole_samples(x, p);
}

/// [`SpatialDropout`] of `[batch, channels, length]`, under PyTorch's name.
pub type Dropout1d = SpatialDropout;
/// [`SpatialDropout`] of `[batch, channels, height, width]`, under PyTorch's name.
pub type Dropout2d = SpatialDropout;
/// [`SpatialDropout`] of `[batch, channels, depth, height, width]`, under PyTorch's name.
pub type Dropout3d = SpatialDropout;

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
    fn the_gradient_passes_where_the_value_does() {
        let x = Tensor::ones([64]).requires_grad();
        let y = Dropout::new(0.5).forward(&x);
        let gradient = y.sum(..).backward().of(&x).unwrap().to_vec::<f32>();
        assert_eq!(gradient, y.to_vec::<f32>());
    }
}
