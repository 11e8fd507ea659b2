//! `where`: elements of one tensor or another, as a condition says.

use crate::ops::prelude::*;

#[derive(Debug)]
struct Where;

impl Op for Where {
    fn name(&self) -> &'static str {
        "where"
    }

    fn kind(&self) -> Kind {
        Kind::Map
    }

    /// Inputs: condition, the value where it is true, the value where it is false.
    fn infer(&self, x: &[Meta]) -> Result<Metas> {
        if x[0].dtype != DType::Bool {
            let message = format!("needs a bool condition, got {}; compare first: .ne(0)", x[0].dtype);
            return Err(Error::op(self.name(), message));
        }
        let values = broadcast(self, &x[1..])?;
        one(values.with_shape(values.shape.broadcast(&x[0].shape, self.name())?))
    }

    fn run(&self, x: &[Input], y: &mut [Output]) {
        dispatch!(all y[0].dtype(), T => {
            map::ternary(x, &mut y[0], each3(|condition: bool, a: T, b: T| if condition { a } else { b }));
        });
    }

    fn reads(&self) -> Reads {
        Reads::input(0)
    }

    /// What was not chosen gets exactly 0, even beside NaN.
    fn grad(&self, g: &Grad) -> Grads {
        let (condition, zero) = (g.input(0), Tensor::full_with((), 0, g.of(0).dtype()));
        vec![
            None,
            g.when(1, || condition.where_(g.of(0), &zero).sum_to(&g.meta(1).shape)),
            g.when(2, || condition.where_(&zero, g.of(0)).sum_to(&g.meta(2).shape)),
        ]
    }

    fn onnx(&self, x: &Writer) -> Result<Values> {
        let chosen = x.node("Where", &[x.input(0), x.wide(1), x.wide(2)], &[]);
        Ok(vec![x.narrow(chosen)])
    }
}

#[fallible]
impl Tensor {
    /// `a` where this bool tensor is true, `b` elsewhere; all three broadcast, `a` and `b` are promoted.
    /// (`where` is a word of Rust's, hence the underscore.)
    ///
    /// ```
    /// # use hadal_core::Tensor;
    /// let x = Tensor::from([-1.0f32, 2.0]);
    /// assert_eq!(x.lt(0).where_(0.5, &x).to_vec::<f32>(), [0.5, 2.0]);
    /// ```
    pub fn where_(&self, a: impl Operand, b: impl Operand) -> Result<Tensor> {
        let (a, b) = match a.number() {
            Some(_) if b.number().is_none() => {
                let b = b.beside(self);
                (a.beside(&b), b)
            }
            _ => {
                let a = a.beside(self);
                let b = b.beside(&a);
                (a, b)
            }
        };
        let (a, b) = a.promoted(b)?;
        apply(Where, &[self, &a, &b])
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("where", |_, x| vec![x[0].where_(&x[1], &x[2])])
}
