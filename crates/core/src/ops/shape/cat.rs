//! `cat`: tensors joined along an axis.

use crate::ops::prelude::*;
use crate::run::map::Reader;
use crate::tensor::Bits;
use hadal_kernels::threads::for_chunks_mut;

#[derive(Debug)]
struct Cat(usize);

impl Op for Cat {
    fn name(&self) -> &'static str {
        "cat"
    }

    fn infer(&self, x: &[Meta]) -> Result<Metas> {
        let mut shape = x[0].shape.clone();
        shape.sizes_mut()[self.0] = 0;
        for (i, other) in x.iter().enumerate() {
            let differs = |a: usize| a != self.0 && other.shape[a] != x[0].shape[a];
            if other.shape.rank() != shape.rank() || (0..shape.rank()).any(differs) {
                let message = format!(
                    "needs equal sizes in all axes but {}, got {} and (number {i}) {}",
                    self.0, x[0].shape, other.shape
                );
                return Err(Error::op(self.name(), message));
            }
            shape.sizes_mut()[self.0] += other.shape[self.0];
        }
        one(x[0].with_shape(shape))
    }

    fn run(&self, x: &[Input], y: &mut [Output]) {
        dispatch!(moves y[0].dtype(), T => join::<T>(x, self.0, &mut y[0]));
    }

    fn grad(&self, g: &Grad) -> Grads {
        let mut start = 0;
        let piece = |i| {
            let size = g.meta(i).shape[self.0];
            start += size;
            g.when(i, || g.of(0).narrow(self.0 as isize, start - size, size))
        };
        (0..g.inputs()).map(piece).collect()
    }

    fn onnx(&self, x: &Writer) -> Result<Values> {
        x.op("Concat", &[("axis", self.0.into())])
    }
}

/// The output is `[outer, joined]`; row `o` is made of row `o` of each input, seen as `[outer, its part]`.
fn join<T: Bits>(x: &[Input], axis: usize, y: &mut Output) {
    let inner: usize = y.shape()[axis..].iter().product();
    let parts: Vec<(Reader<T>, usize)> =
        x.iter().map(|x| (Reader::new(x.bits(), x.layout()), x.shape()[axis..].iter().product())).collect();
    for_chunks_mut(y.bits::<T>(), map::CHUNK, |chunk, mut rest| {
        let (mut row, mut column) = (chunk * map::CHUNK / inner, chunk * map::CHUNK % inner);
        while !rest.is_empty() {
            for (reader, width) in &parts {
                if column >= *width {
                    column -= width;
                    continue;
                }
                let (piece, after) = rest.split_at_mut((width - column).min(rest.len()));
                reader.read(row * width + column, piece);
                (rest, column) = (after, 0);
            }
            row += 1;
        }
    });
}

#[fallible]
impl Tensor {
    /// The tensors one after another along `axis`, of the promoted type; the other sizes must be equal.
    ///
    /// ```
    /// # use hadal_core::Tensor;
    /// let (a, b) = (Tensor::from([[1.0f32], [2.0]]), Tensor::from([[3.0f32], [4.0]]));
    /// assert_eq!(Tensor::cat(&[&a, &b], 1).to_vec::<f32>(), [1.0, 3.0, 2.0, 4.0]);
    /// ```
    pub fn cat(tensors: &[impl std::borrow::Borrow<Tensor>], axis: isize) -> Result<Tensor> {
        let Some(first) = tensors.first() else { return Err(Error::op("cat", "needs at least one tensor")) };
        let dtype = tensors.iter().map(|t| t.borrow().dtype()).reduce(DType::promote).expect("not empty");
        let axis = first.borrow().shape().axis(axis, "cat")?;
        let parts = tensors.iter().map(|t| t.borrow().try_to_dtype(dtype)).collect::<Result<Vec<_>>>()?;
        apply(Cat(axis), &parts.iter().collect::<Vec<_>>())
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("cat", |a, x| match x {
        [x] => vec![Tensor::cat(&[x, x], a.integer("dim"))],
        _ => vec![Tensor::cat(x, a.integer("dim"))],
    })
}
