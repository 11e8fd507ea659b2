//! The tape: higher orders, long chains, hooks, accumulation, and what it refuses.

use hadal_core::{Gradients, Keep, Param, Tensor, checkpoint, detect_anomaly, grad, no_grad};
use std::sync::{Arc, Mutex};

fn values(t: &Tensor) -> Vec<f64> {
    t.to_vec::<f64>()
}

#[test]
fn third_derivative_of_x_exp_x() {
    let x = Tensor::from([0.5f64, 1.0]).requires_grad();
    let mut d = &x * x.exp();
    for _ in 0..3 {
        let ones = d.ones_like();
        d = grad(&[&d], &[Some(&ones)], &[&x], Keep::Graph).unwrap().remove(0);
    }
    for (found, x) in values(&d).iter().zip(values(&x)) {
        let expected = (x + 3.0) * x.exp();
        assert!((found - expected).abs() < 1e-12 * expected, "{found} {expected}");
    }
}

#[test]
fn a_chain_of_many_nodes_needs_no_stack() {
    let x = Tensor::from([1.0f64]).requires_grad();
    let mut y = x.clone();
    for _ in 0..200_000 {
        y = y.neg();
    }
    let g = y.sum(..).backward();
    assert_eq!(values(g.of(&x).unwrap()), [1.0]);
    drop(y);
    let mut unused = x.clone();
    for _ in 0..200_000 {
        unused = unused.neg();
    }
}

#[test]
fn a_walked_graph_is_gone_unless_kept() {
    let x = Tensor::from([2.0f64]).requires_grad();
    let y = (&x * &x).sum(..);
    y.backward_keeping(Keep::Graph);
    y.backward();
    let error = y.try_backward().err().unwrap().to_string();
    assert!(error.contains("already walked and freed") && error.contains("Keep::Graph"), "{error}");
}

#[test]
fn gradients_accumulate_over_passes_and_survive_updates() {
    let w = Param::new(Tensor::from([3.0f64]));
    let pass = |x: f64| (w.get() * x).sum(..).backward();
    let mut total = Gradients::default();
    total.accumulate(pass(2.0));
    w.update(|w: &mut [f64]| w[0] = 5.0);
    total.accumulate(pass(4.0));
    assert_eq!(values(total.get(&w).unwrap()), [6.0]);
    total.scale(0.5);
    assert_eq!(total.global_norm(), 3.0);
}

#[test]
fn an_update_never_changes_what_the_tape_kept() {
    let w = Param::new(Tensor::from([3.0f64]));
    let y = (w.get() * w.get()).sum(..);
    w.update(|w: &mut [f64]| w[0] = 100.0);
    assert_eq!(values(y.backward().get(&w).unwrap()), [6.0]);
    assert_eq!(values(&w.get()), [100.0]);
}

#[test]
fn an_unreached_parameter_is_an_error_with_its_name() {
    let (used, unused) = (Param::new(Tensor::from([1.0f64])), Param::new(Tensor::from([1.0f64])));
    unused.set_name("head.bias");
    let g = used.get().sum(..).backward();
    assert!(g.get(&used).is_ok());
    assert_eq!(
        g.get(&unused).unwrap_err().to_string(),
        "gradient of parameter `head.bias`: the loss does not depend on it; use it in the forward pass, \
         freeze it (param.freeze()), or leave it out of the optimizer"
    );
}

#[test]
fn frozen_parameters_detached_tensors_and_no_grad_leave_no_history() {
    let w = Param::new(Tensor::from([1.0f64]));
    assert!(w.get().has_grad());
    assert!(!no_grad(|| w.get().exp()).has_grad());
    assert!(!w.get().detach().exp().has_grad());
    w.freeze();
    assert!(!w.get().exp().has_grad());
    w.unfreeze();
    assert!(w.get().exp().has_grad());
}

#[test]
fn hooks_see_and_replace_gradients() {
    let x = Tensor::from([1.0f64, 2.0]).requires_grad();
    let y = x.exp();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = seen.clone();
    y.register_hook(move |g| {
        log.lock().unwrap().push(g.to_vec::<f64>());
        Some(g * 0.0)
    });
    let g = y.sum(..).backward();
    assert_eq!(*seen.lock().unwrap(), [vec![1.0, 1.0]]);
    assert_eq!(values(g.of(&x).unwrap()), [0.0, 0.0]);
}

#[test]
fn one_leaf_used_twice_sums() {
    let x = Tensor::from([3.0f64]).requires_grad();
    let y = (&x * &x + &x * 4.0).sum(..);
    assert_eq!(values(y.backward().of(&x).unwrap()), [10.0]);
}

#[test]
fn anomalies_name_the_op_the_module_and_the_place() {
    let x = Tensor::from([1.0f64, 0.0]);
    let found = detect_anomaly(|| hadal_core::scope::within("encoder.norm", || x.try_div(&x)));
    assert_eq!(found.unwrap_err().to_string(), "encoder.norm: div made NaN at [1] of its result of shape [2]");
}

#[test]
fn checkpoints_nest_and_differentiate_twice() {
    let x = Tensor::from([0.4f64]).requires_grad();
    let f = |x: &[Tensor]| checkpoint(|x| vec![x[0].exp() * &x[0]], &[&x[0]]).unwrap();
    let y = checkpoint(f, &[&x]).unwrap().remove(0);
    let first = grad(&[&y.sum(..)], &[], &[&x], Keep::Graph).unwrap().remove(0);
    let second = grad(&[&first.sum(..)], &[], &[&x], Keep::Nothing).unwrap().remove(0);
    let expected = 2.4 * 0.4f64.exp();
    assert!((values(&second)[0] - expected).abs() < 1e-12, "{second} {expected}");
}
