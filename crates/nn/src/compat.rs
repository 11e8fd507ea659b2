//! Default sets: layers and optimizers start as in PyTorch, or as in Keras if asked.
//!
//! | | PyTorch (default) | Keras |
//! |---|---|---|
//! | weights of dense and convolution layers | uniform, ±1/√fan_in | Glorot uniform |
//! | their biases | uniform, ±1/√fan_in | zeros |
//! | weights of recurrent layers | uniform, ±1/√hidden | Glorot uniform from inputs, orthogonal from states |
//! | their biases | uniform, ±1/√hidden | zeros; 1 for the forget gate of LSTM |
//! | embeddings | normal(0, 1) | uniform, ±0.05 |
//! | batch norm | eps 1e-5, momentum 0.1 | eps 1e-3, momentum 0.01 (Keras writes 0.99) |
//! | layer, group and instance norm | eps 1e-5 | eps 1e-3 |
//! | Adam, AdamW, Adamax, NAdam | eps 1e-8 | eps 1e-7 |
//! | RMSprop | alpha 0.99, eps 1e-8 | alpha 0.9, eps 1e-7 |
//! | Adagrad | sums from 0, eps 1e-10 | sums from 0.1, eps 1e-7 |
//! | Adadelta | rho 0.9, eps 1e-6 | rho 0.95, eps 1e-7 |

use crate::init::{Fans, Initialiser, Nonlinearity, Normal, Uniform, VarianceScaling, kaiming_uniform, xavier_uniform};
use hadal_core::{Shape, Tensor};
use std::cell::Cell;

/// Whose defaults hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Defaults {
    /// PyTorch's.
    #[default]
    PyTorch,
    /// Keras'.
    Keras,
}

thread_local! {
    static CURRENT: Cell<Defaults> = const { Cell::new(Defaults::PyTorch) };
}

/// The defaults that hold here.
pub fn current() -> Defaults {
    CURRENT.get()
}

/// Runs `f`, in which layers and optimizers are made with Keras' defaults.
///
/// ```
/// use hadal_nn::{compat, layers::Linear};
/// let dense = compat::keras(|| Linear::new(784, 128));
/// assert_eq!(dense.bias.unwrap().get().to_vec::<f32>(), [0.0; 128]);
/// ```
pub fn keras<R>(f: impl FnOnce() -> R) -> R {
    struct Restore(Defaults);
    impl Drop for Restore {
        fn drop(&mut self) {
            CURRENT.set(self.0);
        }
    }
    let _restore = Restore(CURRENT.replace(Defaults::Keras));
    f()
}

impl Defaults {
    /// PyTorch's value or Keras'.
    pub(crate) fn choose<T>(self, pytorch: T, keras: T) -> T {
        match self {
            Defaults::PyTorch => pytorch,
            Defaults::Keras => keras,
        }
    }

    /// How the weight of a dense or convolution layer is drawn.
    pub(crate) fn weights(self) -> VarianceScaling {
        self.choose(kaiming_uniform(Nonlinearity::LeakyRelu(5f64.sqrt())), xavier_uniform())
    }

    /// The bias of a layer whose weight has the shape `weight`.
    pub(crate) fn bias(self, units: usize, weight: &Shape) -> Tensor {
        match self {
            Defaults::PyTorch => {
                let bound = 1.0 / (Fans::of(weight).input.max(1) as f64).sqrt();
                Uniform::new(-bound, bound).draw(&units.into())
            }
            Defaults::Keras => Tensor::zeros(units),
        }
    }

    /// A table of embeddings.
    pub(crate) fn embedding(self, shape: &Shape) -> Tensor {
        match self {
            Defaults::PyTorch => Normal::new(0.0, 1.0).draw(shape),
            Defaults::Keras => Uniform::new(-0.05, 0.05).draw(shape),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::{BatchNorm1d, Linear, Lstm};
    use crate::optim::{Adam, Rule};
    use hadal_core::{Gradients, ModuleExt, Param};

    /// The first step of Adam is lr · g / (|g| + eps), which shows eps for a gradient as small.
    #[test]
    fn keras_defaults_hold_inside_only() {
        let first_step = || {
            let param = Param::new(Tensor::from([0.0f64]));
            let mut gradients = Gradients::default();
            gradients.set(&param, Tensor::from([1e-7f64]));
            Adam::new(1.0).optimize([param.clone()]).step(&gradients).unwrap();
            -param.get().item::<f64>()
        };
        assert!((keras(first_step) - 0.5).abs() < 1e-9);
        assert!((first_step() - 10.0 / 11.0).abs() < 1e-9);
    }

    #[test]
    fn layers_start_within_the_bounds_of_their_framework() {
        let largest = |t: Tensor| t.to_f64_vec().into_iter().fold(0f64, |m, v| m.max(v.abs()));
        let (torch, glorot) = (1.0 / 300f64.sqrt(), (6.0 / 400f64).sqrt());
        let made = keras(|| Linear::new(300, 100));
        let bound = largest(made.weight.get());
        assert!(bound <= glorot && bound > 0.99 * glorot, "{bound}");
        let made = Linear::new(300, 100);
        let bound = largest(made.weight.get());
        assert!(bound <= torch && bound > 0.99 * torch, "{bound}");
        assert!(largest(made.bias.unwrap().get()) > 0.9 * torch);
        assert_eq!(keras(|| BatchNorm1d::new(3)).weight.unwrap().get().to_vec::<f32>(), [1.0; 3]);
    }

    #[test]
    fn recurrent_layers_start_as_in_their_framework() {
        let (inputs, hidden) = (5, 4);
        let made = keras(|| Lstm::new(inputs, hidden));
        let [weights] = &made.weights[..] else { panic!("one layer") };
        let forget = [vec![0f32; hidden], vec![1.0; hidden], vec![0.0; 2 * hidden]].concat();
        assert_eq!(weights.bias_ih.as_ref().unwrap().get().to_vec::<f32>(), forget);
        assert_eq!(weights.bias_hh.as_ref().unwrap().get().to_vec::<f32>(), [0.0; 16]);
        let recurrent = weights.weight_hh.get();
        let product = recurrent.t().matmul(&recurrent).sub(Tensor::eye(hidden)).abs().to_vec::<f32>();
        assert!(product.iter().all(|v| *v < 1e-5), "columns are orthonormal: {product:?}");
        let made = Lstm::new(inputs, hidden);
        for param in made.parameters() {
            assert!(param.get().abs().to_vec::<f32>().iter().all(|v| *v <= 0.5), "1/√4");
        }
    }
}
