//! Clipping of gradients before a step (Pascanu, Mikolov and Bengio, ICML 2013).

use super::Norm;
use super::rule::check;
use hadal_core::{Gradients, Tensor};

/// Keeps every element between `−limit` and `limit`.
#[track_caller]
pub fn clip_by_value(gradients: &mut Gradients, limit: f64) {
    check("clip_by_value", "limit", limit, None);
    gradients.map(|g| g.clamp(-limit, limit));
}

/// Shortens each gradient whose own 2-norm is above `limit`.
#[track_caller]
pub fn clip_by_norm(gradients: &mut Gradients, limit: f64) {
    check("clip_by_norm", "limit", limit, None);
    gradients.map(|g| g.mul(shortening(&Norm::L2.tensor([g]), limit).to_dtype(g.dtype())));
}

/// Shortens all gradients together if their 2-norm, as one vector, is above `limit`; returns the norm before, an `f64` of
/// rank 0.
#[track_caller]
pub fn clip_by_global_norm(gradients: &mut Gradients, limit: f64) -> Tensor {
    clip_by_global_norm_of(gradients, limit, Norm::L2)
}

/// As [`clip_by_global_norm`] with another norm.
#[track_caller]
pub fn clip_by_global_norm_of(gradients: &mut Gradients, limit: f64, norm: Norm) -> Tensor {
    check("clip_by_global_norm", "limit", limit, None);
    let found = norm.tensor(gradients.iter());
    let factor = shortening(&found, limit);
    // Most are short enough, and stay as they are. (A NaN is not equal to 1 either: it spreads, and is not hidden.)
    if factor.is_traced() || factor.item::<f64>() != 1.0 {
        gradients.map(|g| g.mul(factor.to_dtype(g.dtype())));
    }
    found
}

/// PyTorch's factor: `limit / (norm + 1e-6)`, at most 1.
fn shortening(norm: &Tensor, limit: f64) -> Tensor {
    let factor = Tensor::from(limit).div(norm.add(1e-6));
    factor.gt(1.0).where_(1.0, &factor)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optim::trajectory::follow;
    use crate::optim::{Rule, Sgd};
    use hadal_core::Param;

    #[test]
    fn follows_pytorch() {
        follow(
            "clipping",
            1e-12,
            |_, a, params| Sgd::new(a.float("lr")).optimize(params),
            |case, loss| {
                let (a, mut gradients) = (&case.attributes, loss.backward());
                match (a.float_opt("clip_value"), a.float_or("norm_type", 2.0)) {
                    (Some(limit), _) => clip_by_value(&mut gradients, limit),
                    (None, kind) => {
                        let norm = if kind == 1.0 {
                            Norm::L1
                        } else if kind == 2.0 {
                            Norm::L2
                        } else {
                            Norm::Max
                        };
                        clip_by_global_norm_of(&mut gradients, a.float("max_norm"), norm);
                    }
                }
                gradients
            },
        );
    }

    #[test]
    fn each_gradient_may_have_a_limit_of_its_own() {
        let (long, short) = (Param::new(Tensor::zeros([2])), Param::new(Tensor::zeros([2])));
        let mut gradients = Gradients::default();
        gradients.set(&long, Tensor::from([3.0f64, 4.0]));
        gradients.set(&short, Tensor::from([0.3f64, 0.4]));
        clip_by_norm(&mut gradients, 1.0);
        let factor = 1.0 / (5.0 + 1e-6);
        assert_eq!(gradients.get(&long).unwrap().to_vec::<f64>(), [3.0 * factor, 4.0 * factor]);
        assert_eq!(gradients.get(&short).unwrap().to_vec::<f64>(), [0.3, 0.4]);
    }
}
