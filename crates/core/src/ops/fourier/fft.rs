//! `fft` and `ifft`: the discrete Fourier transform along an axis.

use crate::ops::prelude::*;
use hadal_kernels::fourier::{Complex, Fourier};
use hadal_kernels::threads::for_chunks_mut;

/// `x [rows…, n, 2]`, pairs of real and imaginary part, along the axis before the last; no factor 1/n.
#[derive(Debug, Clone, Copy)]
enum Transform {
    Forward,
    Backward,
}

impl Op for Transform {
    fn name(&self) -> &'static str {
        match self {
            Transform::Forward => "fft",
            Transform::Backward => "ifft",
        }
    }

    fn infer(&self, x: &[Meta]) -> Result<Metas> {
        one(x[0].clone())
    }

    fn run(&self, x: &[Input], y: &mut [Output]) {
        fn run<T: Real>(op: Transform, x: &Input, y: &mut [T]) {
            let n = x.shape()[x.shape().rank() - 2];
            if n == 0 {
                return;
            }
            let (x, plan) = (x.contiguous::<T>(), Fourier::new(n));
            let per_task = (map::CHUNK / (2 * n)).max(1);
            for_chunks_mut(y, per_task * 2 * n, |task, part| {
                let mut row = vec![Complex::default(); n];
                for (y, x) in part.chunks_exact_mut(2 * n).zip(x[task * per_task * 2 * n..].chunks_exact(2 * n)) {
                    let pairs = x.as_chunks::<2>().0;
                    row.iter_mut().zip(pairs).for_each(|(v, [re, im])| *v = Complex::new(re.to_f64(), im.to_f64()));
                    match op {
                        Transform::Forward => plan.forward(&mut row),
                        Transform::Backward => plan.backward(&mut row),
                    }
                    y.as_chunks_mut::<2>().0.iter_mut().zip(&row).for_each(|(y, v)| *y = [T::of(v.re), T::of(v.im)]);
                }
            });
        }
        dispatch!(reals x[0].dtype(), T => run::<T>(*self, &x[0], y[0].slice()));
    }

    /// The adjoint is the transform in the other direction.
    fn grad(&self, g: &Grad) -> Grads {
        let adjoint = match self {
            Transform::Forward => Transform::Backward,
            Transform::Backward => Transform::Forward,
        };
        vec![Some(apply(adjoint, &[&g.of(0)]).unwrap_or_else(|e| e.raise()))]
    }

    fn onnx(&self, x: &Writer) -> Result<Values> {
        let (shape, backward) = (&x.meta(0).shape, matches!(self, Transform::Backward));
        let (n, rows) = (shape[shape.rank() - 2], shape[..shape.rank() - 2].iter().product());
        let rows = x.reshape(x.input(0), &[rows, n, 2]);
        let inputs = [rows, Value::OMITTED, x.constant(&Tensor::full((), 1i64))];
        let y = x.reshape(x.node("DFT", &inputs, &[("inverse", backward.into())]), shape);
        // The inverse of ONNX is divided by n.
        Ok(vec![if backward { x.node("Mul", &[y, x.number(n as f64)], &[]) } else { y }])
    }
}

fn along(transform: Transform, x: &Tensor, axis: isize) -> Result<Tensor> {
    let op = transform.name();
    let Some((&2, outer)) = x.shape().split_last() else {
        let message = format!("needs complex numbers […, 2], got shape {}; .rfft takes real ones", x.shape());
        return Err(Error::op(op, message));
    };
    let axis = Shape::from(outer).axis(axis, op)? as isize;
    let x = x.floating()?;
    let rows = x.try_to_dtype(x.dtype().compute())?.try_movedim(axis, -2)?;
    apply(transform, &[&rows])?.try_movedim(-2, axis)?.try_to_dtype(x.dtype())
}

#[fallible]
impl Tensor {
    /// `y[k] = Σ x[j]·exp(−2πi·jk/n)` along `axis`, of any length n.
    ///
    /// Complex numbers are pairs along a last axis of size 2, as `torch.view_as_real` gives them; `axis` does not count
    /// it. Transforms over several axes are one after the other. Computed in `f64`.
    ///
    /// ```
    /// # use hadal_core::Tensor;
    /// let impulse = Tensor::from([[1.0f32, 0.0], [0.0, 0.0]]); // 1 and 0
    /// assert_eq!(impulse.fft(-1).to_vec::<f32>(), [1.0, 0.0, 1.0, 0.0]);
    /// ```
    pub fn fft(&self, axis: isize) -> Result<Tensor> {
        along(Transform::Forward, self, axis)
    }

    /// The inverse of [`Tensor::fft`]: `x[j] = 1/n·Σ y[k]·exp(2πi·jk/n)`.
    pub fn ifft(&self, axis: isize) -> Result<Tensor> {
        let sums = along(Transform::Backward, self, axis)?;
        let n = sums.size(if axis < 0 { axis - 1 } else { axis });
        sums.try_mul(1.0 / n.max(1) as f64)
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("fft", |a, x| vec![x[0].fft(a.integer("dim")), x[0].ifft(a.integer("dim"))])
}

#[cfg(test)]
mod tests {
    use crate::Tensor;

    #[test]
    fn mistakes_are_explained() {
        let text = |shape: &[usize]| Tensor::zeros(shape).try_fft(1).unwrap_err().to_string();
        assert_eq!(text(&[4, 3]), "fft needs complex numbers […, 2], got shape [4, 3]; .rfft takes real ones");
        assert_eq!(text(&[4, 2]), "fft got axis 1 for a tensor of shape [4], whose axes are -1 to 0");
    }
}
