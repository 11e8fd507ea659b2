//! `solve`: systems of linear equations, by LU factorization with row exchanges.

use crate::compile::effect;
use crate::op::apply_all;
use crate::ops::prelude::*;
use crate::run::dense::Lu;

/// `a [b, n, n], right [b, n, m] → x [b, n, m], singular [b]`: the number of the first step without a pivot, plus 1.
#[derive(Debug)]
struct Solve;

impl Op for Solve {
    fn name(&self) -> &'static str {
        "solve"
    }

    fn infer(&self, x: &[Meta]) -> Result<Metas> {
        Ok([x[1].clone(), Meta::new(x[0].shape[0], DType::I64)].into_iter().collect())
    }

    fn run(&self, x: &[Input], y: &mut [Output]) {
        let [batch, n, m] = x[1].shape()[..] else { unreachable!("stacks of matrices") };
        let (a, right) = (x[0].contiguous::<f64>(), x[1].contiguous::<f64>());
        let [solution, singular] = y else { unreachable!("two outputs") };
        solution.slice::<f64>().copy_from_slice(&right);
        for i in 0..batch {
            let mut factors = a[i * n * n..][..n * n].to_vec();
            let lu = Lu::new(&mut factors, n);
            singular.slice::<i64>()[i] = lu.singular().map_or(0, |step| step as i64 + 1);
            lu.solve(&mut solution.slice::<f64>()[i * n * m..][..n * m], m);
        }
    }

    fn reads(&self) -> Reads {
        Reads { inputs: 0b1, outputs: 0b1 }
    }

    /// With H = A⁻ᵀ·G: ∂/∂A = −H·Xᵀ and ∂/∂B = H.
    fn grad(&self, g: &Grad) -> Grads {
        let h = solved(&g.input(0).t(), &g.of(0)).unwrap_or_else(|e| e.raise()).0;
        vec![g.when(0, || h.matmul(g.output(0).t()).neg()), Some(h.clone())]
    }
}

/// The solution of stacks, and the first step without a pivot of each, plus 1.
fn solved(a: &Tensor, right: &Tensor) -> Result<(Tensor, Tensor)> {
    let mut outputs = apply_all(Solve, &[a, right])?;
    let singular = outputs.swap_remove(1);
    Ok((outputs.swap_remove(0), singular))
}

/// A stack of matrices in f64, in which linear algebra is computed; `[…, m, n]` as `[batch, m, n]`.
pub(crate) fn stacked(op: &'static str, x: &Tensor) -> Result<Tensor> {
    let [ref outer @ .., m, n] = x.shape()[..] else {
        return Err(Error::op(op, format!("needs matrices […, rows, columns], got shape {}", x.shape())));
    };
    x.try_to_dtype(DType::F64)?.try_reshape([outer.iter().product(), m, n])
}

/// As [`stacked`], for square matrices.
pub(crate) fn stacked_square(op: &'static str, x: &Tensor) -> Result<Tensor> {
    match x.shape()[..] {
        [.., m, n] if m != n => Err(Error::op(op, format!("needs square matrices, got shape {}", x.shape()))),
        _ => stacked(op, x),
    }
}

/// The type of a result computed in f64 from `x`.
pub(crate) fn result_type(x: &Tensor) -> DType {
    x.dtype().to_float()
}

/// `outer` axes, then the last `kept` axes of the stack `y`.
pub(crate) fn unstacked(y: &Tensor, outer: &[usize], like: &Tensor) -> Result<Tensor> {
    let shape: Shape = outer.iter().chain(&y.shape()[1..]).copied().collect();
    y.try_reshape(shape)?.try_to_dtype(result_type(like))
}

/// The axes before the matrices.
pub(crate) fn outer(x: &Tensor) -> &[usize] {
    &x.shape()[..x.rank().saturating_sub(2)]
}

/// Solves `a·x = right` for stacks, or names the singular matrix.
pub(crate) fn solve_stacks(op: &'static str, a: &Tensor, right: &Tensor) -> Result<Tensor> {
    let (x, singular) = solved(a, right)?;
    effect("not singular", &[&singular], Vec::new(), move |singular| {
        let steps = singular[0].try_to_vec::<i64>()?;
        let Some(i) = steps.iter().position(|&step| step != 0) else { return Ok(()) };
        let which = if steps.len() == 1 { String::new() } else { format!(" {i} of the stack") };
        Err(Error::op(op, format!("got a singular matrix{which}: its columns are not independent")))
    })?;
    Ok(x)
}

#[fallible]
impl Tensor {
    /// The X with `self·X = right`: matrices `[…, n, n]` and `[…, n, m]`, or vectors `[n]` or `[…, n]` as right sides,
    /// as `torch.linalg.solve`. Batch axes broadcast. Computed in `f64`; a singular matrix is an error.
    ///
    /// ```
    /// # use hadal_core::Tensor;
    /// let a = Tensor::from([[2.0f64, 0.0], [1.0, 1.0]]);
    /// assert_eq!(a.solve(&Tensor::from([4.0f64, 5.0])).to_vec::<f64>(), [2.0, 3.0]);
    /// ```
    pub fn solve(&self, right: &Tensor) -> Result<Tensor> {
        let fail = |message: String| Err(Error::op("solve", message));
        stacked_square("solve", self)?;
        let n = self.size(-1);
        let vectors = right.rank() == 1
            || right.rank() + 1 == self.rank() && right.shape()[..] == self.shape()[..self.rank() - 1];
        let columns = if vectors { right.try_unsqueeze(-1)? } else { right.clone() };
        if columns.rank() < 2 || columns.size(-2) != n {
            return fail(format!("needs right sides […, {n}, m] for {}, got shape {}", self.shape(), right.shape()));
        }
        let batch = Shape::from(outer(self)).broadcast(&outer(&columns).into(), "solve")?;
        let full =
            |t: &Tensor| t.try_expand(batch.iter().chain(&t.shape()[t.rank() - 2..]).copied().collect::<Shape>());
        let (a, b) = (stacked("solve", &full(self)?)?, stacked("solve", &full(&columns)?)?);
        let x = unstacked(&solve_stacks("solve", &a, &b)?, &batch, self)?;
        if vectors { x.try_squeeze(-1) } else { Ok(x) }
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("solve", |_, x| vec![x[0].solve(&x[1])])
}

#[cfg(test)]
mod tests {
    use crate::Tensor;

    #[test]
    fn mistakes_are_explained() {
        let text = |a: Tensor, b: Tensor| a.try_solve(&b).unwrap_err().to_string();
        assert_eq!(
            text(Tensor::from([[1.0f32, 2.0], [2.0, 4.0]]), Tensor::from([1.0f32, 1.0])),
            "solve got a singular matrix: its columns are not independent"
        );
        assert_eq!(text(Tensor::zeros([2, 3]), Tensor::zeros([2])), "solve needs square matrices, got shape [2, 3]");
        assert_eq!(
            text(Tensor::eye(2), Tensor::zeros([3, 1])),
            "solve needs right sides […, 2, m] for [2, 2], got shape [3, 1]"
        );
    }
}
