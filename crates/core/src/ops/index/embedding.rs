//! `embedding`: rows of a table looked up by number.

use crate::ops::prelude::*;
use crate::run::{bounds, rowwise};

/// Inputs: the table `[entries, width]` and checked indices `[n]`. The padding entry gets no gradient.
#[derive(Debug)]
struct Embedding {
    padding: Option<usize>,
}

impl Op for Embedding {
    fn name(&self) -> &'static str {
        "embedding"
    }

    fn infer(&self, x: &[Meta]) -> Result<Metas> {
        one(x[0].with_shape([x[1].shape[0], x[0].shape[1]]))
    }

    fn run(&self, x: &[Input], y: &mut [Output]) {
        let (entries, width) = (x[0].shape()[0], x[0].shape()[1]);
        dispatch!(moves x[0].dtype(), T => {
            rowwise::select::<T>(&x[0].contiguous_bits(), entries, width, &x[1].contiguous(), y[0].bits())
        });
    }

    fn reads(&self) -> Reads {
        Reads::input(1)
    }

    /// An ordered sum per entry: the same bits for any number of threads.
    fn grad(&self, g: &Grad) -> Grads {
        let sum = || {
            let zeros = Tensor::zeros_with((), g.meta(0).dtype).expand(&g.meta(0).shape);
            let sum = zeros.index_add(0, &g.input(1), &g.of(0));
            match self.padding {
                Some(entry) => sum.index_fill(0, &Tensor::from([entry as i64]), 0),
                None => sum,
            }
        };
        vec![g.when(0, sum), None]
    }

    fn onnx(&self, x: &Writer) -> Result<Values> {
        x.op("Gather", &[])
    }
}

#[fallible]
impl Tensor {
    /// This table's rows: for `index` of shape `[…]` and a table `[entries, width]`, the result is `[…, width]`.
    ///
    /// ```
    /// # use hadal_core::Tensor;
    /// let table = Tensor::from([[1.0f32, 2.0], [3.0, 4.0]]);
    /// let y = table.embedding(&Tensor::from([[1i64, 0, 1]]));
    /// assert_eq!(y.shape()[..], [1, 3, 2]);
    /// ```
    pub fn embedding(&self, index: &Tensor) -> Result<Tensor> {
        self.rows_of_table(index, None)
    }

    /// As [`Tensor::embedding`]; entry `padding` gets no gradient.
    pub fn embedding_padded(&self, index: &Tensor, padding: usize) -> Result<Tensor> {
        self.rows_of_table(index, Some(padding))
    }
}

impl Tensor {
    fn rows_of_table(&self, index: &Tensor, padding: Option<usize>) -> Result<Tensor> {
        let &[entries, width] = &self.shape()[..] else {
            return Err(Error::op("embedding", format!("needs a table [entries, width], got {}", self.shape())));
        };
        if let Some(entry) = padding.filter(|&p| p >= entries) {
            return Err(Error::op("embedding", format!("got padding entry {entry} for a table of {entries} entries")));
        }
        let rows = bounds::checked("embedding", index, 0, entries)?.try_ravel()?;
        let mut shape = index.shape().clone();
        shape.sizes_mut().push(width);
        apply(Embedding { padding }, &[self, &rows])?.try_reshape(shape)
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("embedding", |a, x| match a.get("padding_idx") {
        Some(_) => vec![x[1].embedding_padded(&x[0], a.integer("padding_idx") as usize)],
        None => vec![x[1].embedding(&x[0])],
    })
}
