//! Values whose variance keeps a signal's size through a layer: Glorot, He, LeCun.

use super::{Fans, Initialiser, Nonlinearity, Normal, Uniform};
use hadal_core::{Shape, Tensor};

/// What a weight's variance is measured by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fan {
    /// The inputs of a unit: keeps the size of the signal.
    In,
    /// The outputs of a unit: keeps the size of the gradient.
    Out,
    /// The mean of both.
    Average,
}

/// What values of a given variance are drawn from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Distribution {
    /// Between ±√3 standard deviations.
    Uniform,
    /// The normal distribution.
    Normal,
}

/// Mean 0 and variance `scale / fan`: the formula behind Glorot's, He's and LeCun's initialisations.
#[derive(Clone, Copy, Debug)]
pub struct VarianceScaling {
    /// The variance times the fan.
    pub scale: f64,
    /// The fan.
    pub fan: Fan,
    /// What is drawn from.
    pub distribution: Distribution,
}

impl VarianceScaling {
    /// Variance `scale / fan`.
    pub fn new(scale: f64, fan: Fan, distribution: Distribution) -> VarianceScaling {
        VarianceScaling { scale, fan, distribution }
    }

    /// A standard deviation `gain` times as large.
    pub fn gain(self, gain: f64) -> VarianceScaling {
        VarianceScaling { scale: self.scale * gain * gain, ..self }
    }

    /// Measured by another fan.
    pub fn fan(self, fan: Fan) -> VarianceScaling {
        VarianceScaling { fan, ..self }
    }

    /// The standard deviation for a weight of this shape.
    pub fn std(&self, shape: &Shape) -> f64 {
        let fans = Fans::of(shape);
        let fan = match self.fan {
            Fan::In => fans.input as f64,
            Fan::Out => fans.output as f64,
            Fan::Average => (fans.input + fans.output) as f64 / 2.0,
        };
        (self.scale / fan.max(1.0)).sqrt()
    }

    /// The bound of the uniform distribution for a weight of this shape.
    pub fn bound(&self, shape: &Shape) -> f64 {
        3f64.sqrt() * self.std(shape)
    }
}

/// Glorot and Bengio, AISTATS 2010: variance 1 / mean fan, for sigmoid, tanh and softmax layers; Keras' default.
pub fn xavier_uniform() -> VarianceScaling {
    VarianceScaling::new(1.0, Fan::Average, Distribution::Uniform)
}

/// As [`xavier_uniform`], normally distributed.
pub fn xavier_normal() -> VarianceScaling {
    VarianceScaling::new(1.0, Fan::Average, Distribution::Normal)
}

/// He et al., ICCV 2015 (arXiv:1502.01852): variance gain² / inputs, for layers followed by this activation.
pub fn kaiming_uniform(next: Nonlinearity) -> VarianceScaling {
    VarianceScaling::new(1.0, Fan::In, Distribution::Uniform).gain(next.gain())
}

/// As [`kaiming_uniform`], normally distributed.
pub fn kaiming_normal(next: Nonlinearity) -> VarianceScaling {
    VarianceScaling::new(1.0, Fan::In, Distribution::Normal).gain(next.gain())
}

/// LeCun et al. 1998, "Efficient BackProp": variance 1 / inputs, for SELU networks.
pub fn lecun_uniform() -> VarianceScaling {
    VarianceScaling::new(1.0, Fan::In, Distribution::Uniform)
}

/// As [`lecun_uniform`], normally distributed.
pub fn lecun_normal() -> VarianceScaling {
    VarianceScaling::new(1.0, Fan::In, Distribution::Normal)
}

impl Initialiser for VarianceScaling {
    fn draw(&self, shape: &Shape) -> Tensor {
        match self.distribution {
            Distribution::Uniform => Uniform::new(-self.bound(shape), self.bound(shape)).draw(shape),
            Distribution::Normal => Normal::new(0.0, self.std(shape)).draw(shape),
        }
    }
}
