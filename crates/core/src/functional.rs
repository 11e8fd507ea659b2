//! Derivatives of functions as such: Jacobians, Hessians, and their products with vectors.
//!
//! The point may itself have history: what is returned can be differentiated again.

use crate::grad::{Keep, partial_grad};
use crate::{Error, Result, Shape, Tensor, enable_grad};

/// The point as a tensor that gradients reach, and the value of `f` there.
fn recorded(f: impl Fn(&Tensor) -> Tensor, x: &Tensor) -> (Tensor, Tensor) {
    let x = if x.has_grad() { x.clone() } else { x.requires_grad() };
    let y = enable_grad(|| f(&x));
    (x, y)
}

/// The gradient of `sum(y · seed)` by `x`, with history; zeros where `y` does not depend on `x`.
fn pull(y: &Tensor, seed: &Tensor, x: &Tensor) -> Result<Tensor> {
    if !y.has_grad() {
        return Ok(x.zeros_like());
    }
    let found = partial_grad(&[y], &[Some(seed)], &[x], Keep::Graph)?.swap_remove(0);
    Ok(found.unwrap_or_else(|| x.zeros_like()))
}

/// The gradient of a function with one value, and the point by which it can be differentiated again.
fn gradient(op: &str, f: impl Fn(&Tensor) -> Tensor, x: &Tensor) -> Result<(Tensor, Tensor)> {
    let (x, y) = recorded(f, x);
    if y.elements() != 1 {
        let message = format!("needs a function with one value, got one of shape {}", y.shape());
        return Err(Error::op(op, message));
    }
    let gradient = pull(&y, &y.ones_like(), &x)?;
    Ok((x, gradient))
}

fn check_vector(op: &str, vector: &Tensor, x: &Tensor) -> Result<()> {
    if vector.shape() == x.shape() {
        return Ok(());
    }
    let message = format!("needs a direction of the point's shape {}, got {}", x.shape(), vector.shape());
    Err(Error::op(op, message))
}

/// The derivatives of all elements of `y` by all of `x`: one backward pass per element of `y`.
fn rows(y: &Tensor, x: &Tensor) -> Result<Tensor> {
    let n = y.elements();
    let shape: Shape = y.shape().iter().chain(x.shape().iter()).copied().collect();
    if n == 0 {
        return Ok(Tensor::zeros_with(shape, y.dtype()));
    }
    let row = |i: usize| {
        let mut seed = vec![0.0; n];
        seed[i] = 1.0;
        pull(y, &Tensor::try_from_vec(seed, y.shape())?.try_to_dtype(y.dtype())?, x)
    };
    Tensor::try_stack(&(0..n).map(row).collect::<Result<Vec<_>>>()?, 0)?.try_reshape(shape)
}

/// All derivatives of `f` at `x`: the axes of the value, then those of `x`. One backward pass per element of the value.
///
/// ```
/// use hadal_core::{Tensor, jacobian};
/// let j = jacobian(|x| x.mul(x), &Tensor::from([1.0f32, 3.0])).unwrap();
/// assert_eq!(j.to_vec::<f32>(), [2.0, 0.0, 0.0, 6.0]);
/// ```
pub fn jacobian(f: impl Fn(&Tensor) -> Tensor, x: &Tensor) -> Result<Tensor> {
    let (x, y) = recorded(f, x);
    rows(&y, &x)
}

/// All second derivatives at `x` of a function with one value: the axes of `x` twice.
pub fn hessian(f: impl Fn(&Tensor) -> Tensor, x: &Tensor) -> Result<Tensor> {
    let (x, gradient) = gradient("hessian", f, x)?;
    rows(&gradient, &x)
}

/// The value of `f` at `x`, and the product of its Jacobian with `direction`: the derivative in that direction.
///
/// Computed by two backward passes, the second through the first: the gradient of `sum(y · u)` by `x` is linear in u,
/// and its own gradient by u is the product wanted.
pub fn jvp(f: impl Fn(&Tensor) -> Tensor, x: &Tensor, direction: &Tensor) -> Result<(Tensor, Tensor)> {
    check_vector("jvp", direction, x)?;
    let (x, y) = recorded(f, x);
    let u = y.zeros_like().requires_grad();
    let product = pull(&pull(&y, &u, &x)?, direction, &u)?;
    Ok((y, product))
}

/// The product of `weights` (of the value's shape) with the Jacobian of `f` at `x`, and the value there.
pub fn vjp(f: impl Fn(&Tensor) -> Tensor, x: &Tensor, weights: &Tensor) -> Result<(Tensor, Tensor)> {
    let (x, y) = recorded(f, x);
    let product = pull(&y, weights, &x)?;
    Ok((y, product))
}

/// The product of the Hessian of a function with one value at `x` with `direction`, without the Hessian itself
/// (Pearlmutter 1994).
pub fn hvp(f: impl Fn(&Tensor) -> Tensor, x: &Tensor, direction: &Tensor) -> Result<Tensor> {
    check_vector("hvp", direction, x)?;
    let (x, gradient) = gradient("hvp", f, x)?;
    pull(&gradient, direction, &x)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point() -> Tensor {
        Tensor::from([0.5f64, -1.0, 2.0])
    }

    fn close(a: &Tensor, b: &Tensor) {
        assert!(a.allclose(b, 1e-13, 1e-13) && a.shape() == b.shape(), "{a:?}\nis not\n{b:?}");
    }

    /// f = (x·y², sin z): the rows of its Jacobian by hand.
    fn f(x: &Tensor) -> Tensor {
        let at = |i| x.select(0, i);
        Tensor::stack(&[at(0).mul(at(1).square()), at(2).sin()], 0)
    }

    #[test]
    fn jacobians_and_their_products_agree_with_calculus() {
        let j = Tensor::from([[1.0f64, -1.0, 0.0], [0.0, 0.0, libm::cos(2.0)]]);
        close(&jacobian(f, &point()).unwrap(), &j);
        let (v, w) = (Tensor::from([2.0f64, 3.0, -1.0]), Tensor::from([0.5f64, -2.0]));
        let (y, along) = jvp(f, &point(), &v).unwrap();
        close(&y, &f(&point()));
        close(&along, &j.mv(&v));
        close(&vjp(f, &point(), &w).unwrap().1, &w.matmul(&j));
    }

    #[test]
    fn hessians_of_a_quartic_agree_with_calculus() {
        // f = Σ x⁴ + x₀·x₁·x₂
        let f = |x: &Tensor| x.pow(4.0).sum(..).add(x.prod(..));
        let (a, b, c) = (0.5, -1.0, 2.0);
        let h = Tensor::from([[12.0 * a * a, c, b], [c, 12.0 * b * b, a], [b, a, 12.0 * c * c]]);
        close(&hessian(f, &point()).unwrap(), &h);
        let v = Tensor::from([1.0f64, -2.0, 0.25]);
        close(&hvp(f, &point(), &v).unwrap(), &h.mv(&v));
        // The derivative of the Hessian's trace is 24·x, here through the history of the point.
        let x = point().requires_grad();
        let trace = hessian(f, &x).unwrap().trace();
        close(&pull(&trace, &trace.ones_like(), &x).unwrap(), &point().mul(24.0));
    }

    #[test]
    fn what_does_not_depend_on_the_point_has_derivative_zero() {
        let constant = |_: &Tensor| Tensor::from([1.0f64, 2.0]);
        close(&jacobian(constant, &point()).unwrap(), &Tensor::zeros([2, 3]).to_dtype(crate::DType::F64));
        let (_, along) = jvp(constant, &point(), &point()).unwrap();
        close(&along, &Tensor::from([0.0f64, 0.0]));
    }

    #[test]
    fn mistakes_are_explained() {
        let text = hvp(f, &point(), &point()).unwrap_err().to_string();
        assert_eq!(text, "hvp needs a function with one value, got one of shape [2]");
        let text = jvp(f, &point(), &Tensor::from([1.0f64])).unwrap_err().to_string();
        assert_eq!(text, "jvp needs a direction of the point's shape [3], got [1]");
    }
}
