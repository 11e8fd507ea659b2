//! A gradient written by hand for a computation made of tensor operations.

use crate::grad::{Grad, Grads};
use crate::op::{Input, Metas, Op, Output, Reads, record};
use crate::tensor::{Meta, Tensor};
use crate::{Result, no_grad};
use std::fmt;

/// Computes `forward(inputs)` without recording it; its gradient is what `backward` says.
///
/// `backward` gets the inputs, the result and the gradient of the result, and returns one gradient per input: of the
/// input's shape, or `None` where none flows. It is written in tensor operations, so that gradients of gradients work.
/// Parameters that `forward` uses must be among the inputs. For a kernel of one's own, implement [`Op`] instead.
///
/// ```
/// use hadal_core::{Tensor, custom_gradient};
/// // Rounds, and lets the gradient through as if it had not (a straight-through estimator).
/// let round = |x: &Tensor| {
///     custom_gradient(&[x], |x| x[0].round(), |_, _, g| vec![Some(g.clone())])
/// };
/// let x = Tensor::from([0.4f32, 1.7]).requires_grad();
/// let y = round(&x).mul(3.0);
/// assert_eq!(y.to_vec::<f32>(), [0.0, 6.0]);
/// assert_eq!(y.sum(..).backward().of(&x).unwrap().to_vec::<f32>(), [3.0, 3.0]);
/// ```
pub fn custom_gradient(
    inputs: &[&Tensor],
    forward: impl FnOnce(&[Tensor]) -> Tensor,
    backward: impl Fn(&[Tensor], &Tensor, &Tensor) -> Vec<Option<Tensor>> + Send + Sync + 'static,
) -> Tensor {
    let given: Vec<Tensor> = inputs.iter().map(|x| x.detach()).collect();
    let y = no_grad(|| forward(&given));
    record(ByHand(Box::new(backward)), inputs, &[y]).swap_remove(0)
}

type Backward = dyn Fn(&[Tensor], &Tensor, &Tensor) -> Grads + Send + Sync;

struct ByHand(Box<Backward>);

impl fmt::Debug for ByHand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ByHand")
    }
}

impl Op for ByHand {
    fn name(&self) -> &'static str {
        "custom_gradient"
    }

    fn infer(&self, _: &[Meta]) -> Result<Metas> {
        unreachable!("the result is there before the op")
    }

    fn run(&self, _: &[Input], _: &mut [Output]) {
        unreachable!("the result is there before the op")
    }

    fn reads(&self) -> Reads {
        Reads { inputs: !0, outputs: !0 }
    }

    fn grad(&self, g: &Grad) -> Grads {
        let inputs: Vec<Tensor> = (0..g.inputs()).map(|i| g.input(i)).collect();
        let gradients = (self.0)(&inputs, &g.output(0), &g.of(0));
        let (got, expected) = (gradients.len(), inputs.len());
        assert!(got == expected, "custom_gradient: backward returned {got} gradients for {expected} inputs");
        for (i, (gradient, x)) in gradients.iter().zip(&inputs).enumerate() {
            let Some(gradient) = gradient else { continue };
            let (found, shape) = (gradient.shape(), x.shape());
            assert!(
                found == shape,
                "custom_gradient: backward returned a gradient of shape {found} for input {i} of shape {shape}; \
                 .sum_to(x.shape()) undoes broadcasting"
            );
        }
        gradients
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{gradient_check, gradient_check_twice};
    use std::panic::{AssertUnwindSafe, catch_unwind};

    /// log(1 + eˣ) without overflow, with the gradient that calculus gives.
    fn log1pexp(x: &Tensor) -> Tensor {
        custom_gradient(
            &[x],
            |x| x[0].clamp_min(0.0).add(x[0].abs().neg().exp().log1p()),
            |x, _, g| vec![Some(g.mul(x[0].sigmoid()))],
        )
    }

    #[test]
    fn gradients_of_any_order_follow_the_rule() {
        let x = [Tensor::from([-2.0f64, 0.5, 3.0])];
        gradient_check(|x| log1pexp(&x[0]), &x).unwrap();
        gradient_check_twice(|x| log1pexp(&x[0]), &x).unwrap();
        let far = Tensor::from([1000.0f64, -1000.0]).requires_grad();
        let y = log1pexp(&far);
        assert_eq!(y.to_vec::<f64>(), [1000.0, 0.0]);
        assert_eq!(y.sum(..).backward().of(&far).unwrap().to_vec::<f64>(), [1.0, 0.0]);
    }

    #[test]
    fn inputs_without_history_make_a_constant() {
        assert!(!log1pexp(&Tensor::from([1.0f64])).has_grad());
    }

    #[test]
    fn wrong_gradients_are_named() {
        let text = |backward: fn(&[Tensor], &Tensor, &Tensor) -> Grads| {
            let x = Tensor::from([1.0f64, 2.0]).requires_grad();
            let y = custom_gradient(&[&x], |x| x[0].square(), backward).sum(..);
            let panic = catch_unwind(AssertUnwindSafe(|| y.backward())).map(drop).unwrap_err();
            panic.downcast_ref::<String>().cloned().unwrap_or_default()
        };
        assert_eq!(text(|_, _, _| vec![]), "custom_gradient: backward returned 0 gradients for 1 inputs");
        let summed = text(|_, _, g| vec![Some(g.sum(..))]);
        assert!(
            summed.starts_with("custom_gradient: backward returned a gradient of shape [] for input 0 of shape [2]")
        );
    }
}
