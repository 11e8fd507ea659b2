//! Gradients against finite differences.

use crate::{DType, Error, Keep, Result, Tensor, no_grad, partial_grad};

/// Compares the gradient of `f` with central differences in `f64`, at `inputs`.
///
/// `f` may return a tensor of any shape: it is contracted with fixed weights first. Float inputs are
/// converted to `f64`; others are passed on. The error names the input, the element, and both numbers.
///
/// ```
/// use hadal_core::{Tensor, testing::gradient_check};
/// let x = Tensor::from([[0.3, -0.7], [1.2, 0.4]]);
/// gradient_check(|x| x[0].mul(&x[0]).exp(), &[x]).unwrap();
/// ```
pub fn gradient_check(f: impl Fn(&[Tensor]) -> Tensor, inputs: &[Tensor]) -> Result<()> {
    let inputs: Vec<Tensor> = inputs.iter().map(|t| super::fixture::float_as(t, DType::F64)).collect();
    let leaves: Vec<Tensor> = inputs.iter().map(Tensor::requires_grad).collect();
    let y = f(&leaves);
    let weights = weights(&y);
    let xs: Vec<&Tensor> = leaves.iter().collect();
    // A result without history is constant: its derivative is zero, and the differences must agree.
    let found = match y.has_grad() {
        true => partial_grad(&[&y], &[Some(&weights)], &xs, Keep::Nothing)?,
        false => vec![None; xs.len()],
    };
    for (i, x) in inputs.iter().enumerate().filter(|(_, x)| x.dtype().is_float()) {
        let values = x.to_vec::<f64>();
        let found = found[i].as_ref().map_or(vec![0.0; values.len()], |g| g.to_vec::<f64>());
        let at = |j: usize, delta: f64| {
            let mut moved = values.clone();
            moved[j] += delta;
            let mut arguments = inputs.clone();
            arguments[i] = Tensor::from_vec(moved, x.shape());
            no_grad(|| f(&arguments).mul(&weights).sum(..).item::<f64>())
        };
        for j in 0..values.len() {
            // Richardson's extrapolation of central differences: error of fourth order in the step.
            let h = 1e-3 * values[j].abs().max(1.0);
            let slope = |h: f64| (at(j, h) - at(j, -h)) / (2.0 * h);
            let numeric = (4.0 * slope(h / 2.0) - slope(h)) / 3.0;
            let limit = 1e-6 * numeric.abs().max(found[j].abs()).max(1.0);
            if (numeric - found[j]).abs() > limit || numeric.is_nan() != found[j].is_nan() {
                let message = format!("found {} for element {j} of input {i}, finite differences {numeric}", found[j]);
                return Err(Error::op("gradient_check", message));
            }
        }
    }
    Ok(())
}

/// As [`gradient_check`], one derivative higher: checks the gradient of the gradient.
pub fn gradient_check_twice(f: impl Fn(&[Tensor]) -> Tensor, inputs: &[Tensor]) -> Result<()> {
    let floats: Vec<usize> = (0..inputs.len()).filter(|&i| inputs[i].dtype().is_float()).collect();
    for &i in &floats {
        gradient_check(
            |x| {
                // Inside the differences nothing has history yet, so the inner gradient needs leaves.
                let recorded: Vec<Tensor> =
                    x.iter().map(|t| if t.has_grad() { t.clone() } else { t.requires_grad() }).collect();
                crate::enable_grad(|| {
                    let y = f(&recorded);
                    let seed = weights(&y);
                    if !y.has_grad() {
                        return recorded[i].zeros_like();
                    }
                    let found = partial_grad(&[&y], &[Some(&seed)], &[&recorded[i]], Keep::Graph);
                    let found = found.unwrap_or_else(|e| e.raise()).swap_remove(0);
                    found.unwrap_or_else(|| recorded[i].zeros_like())
                })
            },
            inputs,
        )?;
    }
    Ok(())
}

/// Fixed numbers between 0.5 and 1.5, so that no two elements of a result weigh the same.
fn weights(y: &Tensor) -> Tensor {
    let values = (0..y.elements()).map(|i| 0.5 + ((i * 37 + 11) % 64) as f64 / 64.0);
    Tensor::from_vec(values.collect(), y.shape()).to_dtype(y.dtype())
}
