//! `dropout`: each element zeroed with probability p, the others scaled up (Srivastava et al. 2014).

use crate::ops::prelude::*;
use crate::random::{Generator, default_generator, require_key, seed_and_stream};
use crate::run::{
    map::{CHUNK, TILE},
    real::Float,
};
use hadal_kernels::{random, threads::for_chunks_mut};

/// Linear in its first input, so its gradient is itself: the mask is drawn again from the key and never stored.
#[derive(Debug)]
struct Dropout {
    p: f64,
}

impl Op for Dropout {
    fn name(&self) -> &'static str {
        "dropout"
    }

    /// Inputs: x, the key.
    fn infer(&self, x: &[Meta]) -> Result<Metas> {
        require_float(self, &x[0])?;
        require_key(self, &x[1])?;
        one(x[0].clone())
    }

    fn run(&self, x: &[Input], y: &mut [Output]) {
        let (seed, stream) = seed_and_stream(&x[1]);
        dispatch!(floats y[0].dtype(), T => {
            let values = x[0].contiguous::<T>();
            let scale = 1.0 / (1.0 - self.p);
            for_chunks_mut(y[0].slice::<T>(), CHUNK, |chunk, part| {
                let mut keep = [false; TILE];
                for (i, tile) in part.chunks_mut(TILE).enumerate() {
                    let start = chunk * CHUNK + i * TILE;
                    let keep = &mut keep[..tile.len()];
                    random::bernoulli_at(seed, stream, start as u64, 1.0 - self.p, keep);
                    apply_mask(&values[start..], keep, scale, tile);
                }
            });
        });
    }

    fn reads(&self) -> Reads {
        Reads::input(1)
    }

    fn grad(&self, g: &Grad) -> Grads {
        vec![g.when(0, || g.of(0).dropped(self.p, &g.input(1)).unwrap_or_else(|e| e.raise())), None]
    }
}

fn apply_mask<T: Float>(x: &[T], keep: &[bool], scale: f64, y: &mut [T]) {
    let scale = T::Wide::of(scale);
    for ((y, x), keep) in y.iter_mut().zip(x).zip(keep) {
        *y = if *keep { T::narrow(x.widen() * scale) } else { T::default() };
    }
}

#[fallible]
impl Tensor {
    /// Each element zeroed with probability `p`, the others divided by `1 − p`; by the default generator.
    pub fn dropout(&self, p: f64) -> Result<Tensor> {
        self.try_dropout_from(default_generator(), p)
    }

    /// [`Tensor::dropout`] by this generator.
    pub fn dropout_from(&self, generator: &Generator, p: f64) -> Result<Tensor> {
        if !(0.0..=1.0).contains(&p) {
            return Err(Error::op("dropout", format!("needs a probability from 0 to 1, got {p}")));
        }
        if p == 0.0 { Ok(self.clone()) } else { self.dropped(p, &generator.next_key()) }
    }
}

impl Tensor {
    fn dropped(&self, p: f64, key: &Tensor) -> Result<Tensor> {
        apply(Dropout { p }, &[self, key])
    }
}

pub(crate) fn cases() -> Cases {
    // Random123's known answer for key 0, counter 0: the words are 0.40, 0.88, 0.74 and 0.61 of 2³².
    let x = Tensor::from([[1.0f64, 2.0], [-3.0, 4.0]]);
    let expected = Tensor::from([[4.0f64, 0.0], [-12.0, 16.0]]);
    Cases::new("dropout", |a, x| vec![x[0].dropout_from(&Generator::new(0), a.float("p"))])
        .with("quarter", r#"{"p": 0.25}"#, std::slice::from_ref(&x), &[expected.div(3)])
        .with("all", r#"{"p": 1.0}"#, &[x], &[Tensor::zeros_with([2, 2], DType::F64)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{gradient_check, gradient_check_twice};

    #[test]
    fn keeps_the_mean_and_its_share() {
        const N: usize = 100_000;
        let y = Tensor::ones(N).dropout_from(&Generator::new(6), 0.3).to_f64_vec();
        let kept = y.iter().filter(|&&v| v != 0.0).count() as f64;
        assert!((kept - 0.7 * N as f64).abs() < 5.0 * (0.21 * N as f64).sqrt(), "{kept} kept");
        assert!(y.iter().all(|&v| v == 0.0 || (v - 1.0 / 0.7).abs() < 1e-7));
        assert!(Tensor::ones(1).try_dropout(1.5).is_err());
    }

    /// The gradient is the same mask and scale; that of the gradient too.
    #[test]
    fn the_gradient_draws_the_mask_again() {
        let x = Tensor::from([[0.3, -0.7, 1.1], [2.0, 0.4, -0.2]]);
        let f = |x: &[Tensor]| x[0].mul(&x[0]).dropout_from(&Generator::new(1), 0.4);
        gradient_check(f, std::slice::from_ref(&x)).unwrap();
        gradient_check_twice(f, &[x]).unwrap();
        let x = Tensor::ones(1000).requires_grad();
        let y = x.dropout_from(&Generator::new(2), 0.5);
        let gradients = y.sum(..).backward();
        assert_eq!(gradients.of(&x).unwrap().to_vec::<f32>(), y.to_vec::<f32>());
    }

    /// A sample's mask does not change when the batch grows behind it.
    #[test]
    fn element_i_depends_on_i_alone() {
        let draw = |n: usize| Tensor::ones([n, 11]).dropout_from(&Generator::new(5), 0.5).to_vec::<f32>();
        assert_eq!(draw(3), draw(5000)[..33]);
    }
}
