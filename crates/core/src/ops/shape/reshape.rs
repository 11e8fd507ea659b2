//! `reshape`: the same elements in row-major order under another shape.

use crate::ops::prelude::*;
use crate::warn_once;

#[derive(Debug)]
struct Reshape(Shape);

impl Op for Reshape {
    fn name(&self) -> &'static str {
        "reshape"
    }

    fn kind(&self) -> Kind {
        Kind::View
    }

    fn infer(&self, x: &[Meta]) -> Result<Metas> {
        if x[0].shape.elements() != self.0.elements() {
            let message = format!(
                "cannot turn {} ({} elements) into {} ({} elements)",
                x[0].shape,
                x[0].shape.elements(),
                self.0,
                self.0.elements()
            );
            return Err(Error::op(self.name(), message));
        }
        one(x[0].with_shape(&self.0))
    }

    fn view(&self, x: &Layout) -> Option<Layout> {
        x.reshape(&self.0)
    }

    fn run(&self, x: &[Input], y: &mut [Output]) {
        dispatch!(all y[0].dtype(), T => y[0].slice::<T>().copy_from_slice(&x[0].contiguous::<T>()));
    }

    fn grad(&self, g: &Grad) -> Grads {
        vec![Some(g.of(0).reshape(&g.meta(0).shape))]
    }

    fn onnx(&self, x: &Writer) -> Result<Values> {
        Ok(vec![x.reshape(x.input(0), &self.0)])
    }
}

#[fallible]
impl Tensor {
    /// The same elements in row-major order under another shape; a view where the layout allows, else a copy.
    pub fn reshape(&self, shape: impl Into<Shape>) -> Result<Tensor> {
        let shape = shape.into();
        if shape == *self.shape() {
            return Ok(self.clone());
        }
        if self.has_grad() {
            warn_of_mixed_samples(self.shape(), &shape);
        }
        apply(Reshape(shape), &[self])
    }
}

/// Within a model, `[100, 32, 8, 8]` as `[256, 800]` is the mistake of a wrong number of features: rows of the result
/// hold parts of several samples. Axes that are joined or split leave the number of rows a multiple or a divisor.
fn warn_of_mixed_samples(from: &Shape, to: &Shape) {
    let (Some(&before), Some(&after)) = (from.first(), to.first()) else { return };
    let divides = |a: usize, b: usize| a != 0 && b.is_multiple_of(a);
    if from.elements() == 0 || to.rank() < 2 || divides(before, after) || divides(after, before) {
        return;
    }
    let features = from.elements() / before;
    let module = crate::scope::current().map_or(String::new(), |name| format!("{name}: "));
    warn_once(
        "reshape that mixes samples",
        &format!(
            "{module}reshape of {from} to {to}: the batch of {before} became {after}, so rows mix samples. Each sample \
             has {features} numbers: keep the batch axis with .flatten(1, -1), and use Linear::new({features}, …)"
        ),
    );
}

pub(crate) fn cases() -> Cases {
    Cases::new("reshape", |a, x| {
        let x = if a.torch().contains(".t()") { x[0].t() } else { x[0].clone() };
        vec![x.reshape(a.shape_of("shape", x.elements()))]
    })
}
