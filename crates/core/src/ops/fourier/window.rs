//! `window`: weights that fade out at both ends, for spectra of pieces of a signal.

use crate::ops::prelude::*;

/// A window function (Harris 1978, "On the use of windows for harmonic analysis").
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Window {
    /// `0.5 − 0.5·cos(2πi/n)`
    #[default]
    Hann,
    /// `0.54 − 0.46·cos(2πi/n)`
    Hamming,
    /// `0.42 − 0.5·cos(2πi/n) + 0.08·cos(4πi/n)`
    Blackman,
    /// A triangle.
    Bartlett,
    /// Ones.
    Rectangular,
}

impl Tensor {
    /// The window's `n` weights, as `f32`: one period of it, as PyTorch has it by default, and 1 for a single weight.
    pub fn window(window: Window, n: usize) -> Tensor {
        (0..n).map(|i| if n == 1 { 1.0 } else { window.at(i as f64 / n as f64) as f32 }).collect()
    }
}

impl Window {
    /// The weight at place `t` from 0 to 1.
    fn at(self, t: f64) -> f64 {
        let cos = |turns: f64| libm::cos(2.0 * std::f64::consts::PI * turns);
        match self {
            Window::Hann => 0.5 - 0.5 * cos(t),
            Window::Hamming => 0.54 - 0.46 * cos(t),
            Window::Blackman => 0.42 - 0.5 * cos(t) + 0.08 * cos(2.0 * t),
            Window::Bartlett => 1.0 - (2.0 * t - 1.0).abs(),
            Window::Rectangular => 1.0,
        }
    }
}

pub(crate) fn cases() -> Cases {
    // PyTorch's expression has no input but its attributes.
    Cases::new("window", |a, _| {
        let window = match a.text("window") {
            "hann" => Window::Hann,
            "hamming" => Window::Hamming,
            "blackman" => Window::Blackman,
            _ => Window::Bartlett,
        };
        vec![Tensor::window(window, a.integer("size") as usize)]
    })
}
