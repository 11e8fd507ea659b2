//! `tril` and what it shares with `triu`: matrices with one triangle, the rest zero.

use crate::ops::prelude::*;
use crate::tensor::Bits;
use hadal_kernels::threads::for_chunks_mut;

/// Which side of the diagonal is kept; the diagonal itself always is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Side {
    Below,
    Above,
}

#[derive(Debug)]
struct TriangleMask {
    side: Side,
    diagonal: isize,
}

impl Op for TriangleMask {
    fn name(&self) -> &'static str {
        match self.side {
            Side::Below => "tril",
            Side::Above => "triu",
        }
    }

    fn infer(&self, x: &[Meta]) -> Result<Metas> {
        if x[0].shape.rank() < 2 {
            let message = format!("needs matrices (rank 2 or more), got shape {}", x[0].shape);
            return Err(Error::op(self.name(), message));
        }
        one(x[0].clone())
    }

    fn run(&self, x: &[Input], y: &mut [Output]) {
        fn run<T: Bits>(op: &TriangleMask, x: &Input, y: &mut Output) {
            let [.., rows, columns] = x.shape()[..] else { unreachable!("checked by infer") };
            let x = x.contiguous_bits::<T>();
            let per_task = (map::CHUNK / columns.max(1)).max(1);
            for_chunks_mut(y.bits::<T>(), per_task * columns, |task, part| {
                for (i, row) in part.chunks_exact_mut(columns).enumerate() {
                    let i = task * per_task + i;
                    let source = &x[i * columns..(i + 1) * columns];
                    let diagonal = (i % rows) as isize + op.diagonal;
                    let kept = match op.side {
                        Side::Below => 0..(diagonal + 1).clamp(0, columns as isize) as usize,
                        Side::Above => diagonal.clamp(0, columns as isize) as usize..columns,
                    };
                    row[..kept.start].fill(T::default());
                    row[kept.clone()].copy_from_slice(&source[kept.clone()]);
                    row[kept.end..].fill(T::default());
                }
            });
        }
        dispatch!(moves x[0].dtype(), T => run::<T>(self, &x[0], &mut y[0]));
    }

    fn grad(&self, g: &Grad) -> Grads {
        vec![Some(g.of(0).triangle(self.side, self.diagonal).unwrap_or_else(|e| e.raise()))]
    }

    fn onnx(&self, x: &Writer) -> Result<Values> {
        let upper = matches!(self.side, Side::Above);
        let kept = x.node(
            "Trilu",
            &[x.wide(0), x.constant(&Tensor::full((), self.diagonal as i64))],
            &[("upper", upper.into())],
        );
        Ok(vec![x.narrow(kept)])
    }
}

impl Tensor {
    pub(crate) fn triangle(&self, side: Side, diagonal: isize) -> Result<Tensor> {
        apply(TriangleMask { side, diagonal }, &[self])
    }
}

#[fallible]
impl Tensor {
    /// The lower triangles of matrices `[…, rows, columns]`, zero elsewhere: kept is what lies on or below the
    /// given diagonal (0: the main one, 1: the one above it).
    pub fn tril(&self, diagonal: isize) -> Result<Tensor> {
        self.triangle(Side::Below, diagonal)
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("tril", |a, x| vec![x[0].tril(a.integer("diagonal"))])
}
