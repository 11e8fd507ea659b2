//! `LocalResponseNorm` (Krizhevsky, Sutskever and Hinton, NIPS 2012).

use crate::Layer;
use hadal_core::{Module, Tag, Tensor};

/// Divides each element of `[batch, channels, …]` by `(k + alpha · mean of squares over size neighbouring channels)^beta`.
#[derive(Debug, Module)]
pub struct LocalResponseNorm {
    size: usize,
    alpha: f64,
    beta: f64,
    k: f64,
    tag: Tag,
}

impl LocalResponseNorm {
    /// Over `size` channels; alpha 1e-4, beta 0.75, k 1.
    pub fn new(size: usize) -> LocalResponseNorm {
        LocalResponseNorm { size, alpha: 1e-4, beta: 0.75, k: 1.0, tag: Tag::new("LocalResponseNorm") }
    }

    /// The weight of the neighbours.
    pub fn alpha(self, alpha: f64) -> LocalResponseNorm {
        LocalResponseNorm { alpha, ..self }
    }

    /// The power of the divisor.
    pub fn beta(self, beta: f64) -> LocalResponseNorm {
        LocalResponseNorm { beta, ..self }
    }

    /// What the divisor starts from.
    pub fn k(self, k: f64) -> LocalResponseNorm {
        LocalResponseNorm { k, ..self }
    }
}

impl Layer for LocalResponseNorm {
    fn forward(&self, x: &Tensor) -> Tensor {
        self.tag.call(x, || x.try_local_response_norm(self.size, self.alpha, self.beta, self.k))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::recorded::compare;

    #[test]
    fn computes_what_pytorch_computes() {
        compare("LocalResponseNorm", |a| {
            let layer = LocalResponseNorm::new(a.integer("size") as usize);
            Box::new(layer.alpha(a.float("alpha")).beta(a.float("beta")).k(a.float("k")))
        });
    }
}
