//! The random number generator's state; the numbers themselves are Philox functions of (seed, stream, element).

use crate::op::{Input, Op};
use crate::tensor::{Buffer, Layout};
use crate::{DType, Error, Meta, Param, Result, Tensor, compile};
use std::cell::Cell;
use std::sync::OnceLock;

/// Hands out keys `(seed, stream)`: one stream per random operation, in program order.
///
/// Element `i` of an operation's result depends on the key and `i` only, never on threads or shapes.
#[derive(Clone, Debug)]
pub struct Generator {
    state: Param,
}

impl Generator {
    /// Starting at stream 0 of `seed`.
    pub fn new(seed: u64) -> Generator {
        Generator { state: Param::buffer(Tensor::from([seed as i64, 0])) }
    }

    /// Restarts at stream 0 of `seed`.
    pub fn manual_seed(&self, seed: u64) {
        self.state.replace(&Tensor::from([seed as i64, 0]));
    }

    /// The key of the next operation: `[seed, stream]` as `i64`.
    pub fn next_key(&self) -> Tensor {
        if compile::is_tracing() {
            let key = self.state.get_changing();
            self.state.replace(&(&key + Tensor::from([0i64, 1])));
            return key;
        }
        let mut key = [0; 2];
        self.state.update(|state: &mut [i64]| {
            key.copy_from_slice(state);
            state[1] = state[1].wrapping_add(1);
        });
        Tensor::from(key)
    }

    /// The state `[seed, next stream]`, to be saved and restored with [`Param::set`].
    pub fn state(&self) -> &Param {
        &self.state
    }
}

/// The generator that random operations and dropout use.
pub fn default_generator() -> &'static Generator {
    static DEFAULT: OnceLock<Generator> = OnceLock::new();
    DEFAULT.get_or_init(|| Generator::new(0))
}

/// Restarts the default generator: the same program then draws the same numbers.
/// A program that never calls this starts from seed 0.
pub fn manual_seed(seed: u64) {
    default_generator().manual_seed(seed);
}

thread_local! {
    static UNDRAWN: Cell<bool> = const { Cell::new(false) };
}

/// Runs `f`, in which the results of `uniform`, `normal` and their kin are memory as it happens to be, and no stream is
/// taken from a generator: for building a model whose every parameter is then read from a file. Drawing the numbers of a
/// ResNet-18 takes longer than running it.
pub fn undrawn<R>(f: impl FnOnce() -> R) -> R {
    struct Restore(bool);
    impl Drop for Restore {
        fn drop(&mut self) {
            UNDRAWN.set(self.0);
        }
    }
    let _restore = Restore(UNDRAWN.replace(true));
    f()
}

/// In [`undrawn`], what stands for random numbers.
pub(crate) fn unless_drawn(meta: &Meta) -> Option<Tensor> {
    let value = || Tensor::of_buffer(Buffer::recycled(meta.bytes()), Layout::contiguous(&meta.shape), meta.dtype);
    UNDRAWN.get().then(value)
}

/// Seed and stream of a key that an op was given.
pub(crate) fn seed_and_stream(key: &Input) -> (u64, u64) {
    let key = key.contiguous::<i64>();
    (key[0] as u64, key[1] as u64)
}

/// The error for an op whose key is not one of [`Generator::next_key`].
pub(crate) fn require_key(op: &dyn Op, key: &Meta) -> Result<()> {
    if key.dtype == DType::I64 && key.shape == [2] {
        return Ok(());
    }
    Err(Error::op(op.name(), format!("needs a key of 2 i64 from a Generator, got {} {}", key.dtype, key.shape)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn undrawn_numbers_cost_no_stream() {
        let generator = Generator::new(5);
        let draw = |generator: &Generator| Tensor::normal_from(generator, 3, 0.0, 1.0);
        let shapes = undrawn(|| {
            let uniform = Tensor::uniform_from(&generator, [2, 3], 0.0, 1.0);
            let truncated = Tensor::truncated_normal_from(&generator, 4, 0.0, 1.0, [-2.0, 2.0]);
            [uniform, truncated, draw(&generator)].map(|t| (t.shape().to_vec(), t.dtype()))
        });
        assert_eq!(shapes, [(vec![2, 3], DType::F32), (vec![4], DType::F32), (vec![3], DType::F32)]);
        assert_eq!(draw(&generator).to_vec::<f32>(), draw(&Generator::new(5)).to_vec::<f32>());
    }
}
