//! One step of an optimizer, and gradients: domain `ai.onnx.preview.training`.

use super::prelude::*;
use crate::graph::Body;
use crate::registry::Prepare;
use hadal_core::{Keep, enable_grad, grad};

pub(super) const OPERATORS: &[Operator] = &[
    op("Adagrad", 1, With(adagrad)),
    op("Adam", 1, With(adam)),
    op("Gradient", 1, Prepare::Gradient),
    op("Momentum", 1, With(momentum)),
];

/// The derivative of the sum of the body's output by the first `count` of its inputs.
pub(crate) fn gradient(body: Body, count: usize) -> Run {
    Box::new(move |x| {
        enable_grad(|| {
            let source = |i: usize| {
                let value = x.value(i)?;
                if i < count { moved(value, |t| Ok(t.requires_grad())) } else { Ok(value.clone()) }
            };
            let inputs = (0..x.len()).map(source).collect::<Result<Vec<_>>>()?;
            let sources = inputs.iter().take(count).filter_map(Value::tensor).cloned().collect::<Vec<_>>();
            let outputs = body.run(inputs, x)?;
            let Some(y) = outputs.first().and_then(Value::tensor) else { return invalid("y is not a tensor") };
            let gradients = grad(&[y], &[Some(&y.ones_like())], &sources.iter().collect::<Vec<_>>(), Keep::Graph)?;
            Ok(gradients.into_iter().map(Value::from).collect())
        })
    })
}

/// Inputs are a rate, the number of the step, and for every kind of state one tensor per parameter; `step` gets the
/// tensors of one parameter. Outputs are the new tensors, parameters first.
fn optimizer(
    inputs: usize,
    step: impl Fn(f64, f64, &[&Tensor]) -> Result<Vec<Tensor>> + Send + Sync + 'static,
) -> Result<Run> {
    run(move |x| {
        let (rate, time) = (x.float(0)?, x.float(1)?);
        let count = x.len().saturating_sub(2) / inputs;
        let mut outputs: Vec<Vec<Value>> = vec![Vec::new(); inputs - 1];
        for i in 0..count {
            let tensors = (0..inputs).map(|k| x.tensor(2 + k * count + i)).collect::<Result<Vec<_>>>()?;
            let results = step(rate, time, &tensors)?;
            outputs.iter_mut().zip(results).for_each(|(all, one)| all.push(one.into()));
        }
        Ok(outputs.concat())
    })
}

fn adagrad(node: &Node) -> Result<Run> {
    let (decay, eps) = (node.float_or("decay_factor", 0.0)?, node.float_or("epsilon", 1e-6)?);
    let norm = node.float_or("norm_coefficient", 0.0)?;
    optimizer(3, move |rate, time, x| {
        let gradient = x[0].try_mul(norm)?.try_add(x[1])?;
        let squares = x[2].try_add(gradient.try_square()?)?;
        let step = gradient.try_mul(rate / (1.0 + time * decay))?.try_div(squares.try_sqrt()?.try_add(eps)?)?;
        Ok(vec![x[0].try_sub(step)?, squares])
    })
}

fn adam(node: &Node) -> Result<Run> {
    let (alpha, beta) = (node.float_or("alpha", 0.9)?, node.float_or("beta", 0.999)?);
    let (eps, norm) = (node.float_or("epsilon", 1e-6)?, node.float_or("norm_coefficient", 0.0)?);
    let after = node.float_or("norm_coefficient_post", 0.0)?;
    optimizer(4, move |rate, time, x| {
        let gradient = x[0].try_mul(norm)?.try_add(x[1])?;
        let mean = x[2].try_mul(alpha)?.try_add(gradient.try_mul(1.0 - alpha)?)?;
        let squares = x[3].try_mul(beta)?.try_add(gradient.try_square()?.try_mul(1.0 - beta)?)?;
        let corrected = match time > 0.0 {
            true => rate * (1.0 - beta.powf(time)).sqrt() / (1.0 - alpha.powf(time)),
            false => rate,
        };
        let step = mean.try_div(squares.try_sqrt()?.try_add(eps)?)?.try_mul(corrected)?;
        Ok(vec![x[0].try_sub(step)?.try_mul(1.0 - after)?, mean, squares])
    })
}

fn momentum(node: &Node) -> Result<Run> {
    let alpha = node.required("alpha", node.float("alpha")?)?;
    let beta = node.required("beta", node.float("beta")?)?;
    let norm = node.required("norm_coefficient", node.float("norm_coefficient")?)?;
    let nesterov = node.choice("mode", &["standard", "nesterov"], "standard")? == 1;
    optimizer(3, move |rate, time, x| {
        let gradient = x[0].try_mul(norm)?.try_add(x[1])?;
        // The first gradient counts whole.
        let share = if time > 0.0 { beta } else { 1.0 };
        let velocity = x[2].try_mul(alpha)?.try_add(gradient.try_mul(share)?)?;
        let direction = if nesterov { gradient.try_add(velocity.try_mul(alpha)?)? } else { velocity.clone() };
        Ok(vec![x[0].try_sub(direction.try_mul(rate)?)?, velocity])
    })
}
