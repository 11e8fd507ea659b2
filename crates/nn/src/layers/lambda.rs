//! `Lambda`: any function as a layer.

use crate::Layer;
use hadal_core::{Module, Tag, Tensor, Visitor, visit_field};

/// A function without parameters, for [`Sequential`](crate::Sequential).
///
/// ```
/// use hadal_core::Tensor;
/// use hadal_nn::{Layer, layers::{Lambda, Linear}, seq};
/// let model = seq![Linear::new(3, 4), Lambda::new("Square", |x| x.square())];
/// assert!(model.forward(&Tensor::ones([2, 3])).to_vec::<f32>().iter().all(|v| *v >= 0.0));
/// ```
pub struct Lambda<F> {
    function: F,
    tag: Tag,
}

impl<F: Fn(&Tensor) -> Tensor + Send + Sync> Lambda<F> {
    /// `name` stands for it in summaries.
    pub fn new(name: &'static str, function: F) -> Lambda<F> {
        Lambda { function, tag: Tag::new(name) }
    }
}

impl<F: Fn(&Tensor) -> Tensor + Send + Sync> Layer for Lambda<F> {
    fn forward(&self, x: &Tensor) -> Tensor {
        self.tag.call(x, || Ok((self.function)(x)))
    }
}

impl<F> Module for Lambda<F> {
    fn visit(&self, visitor: &mut dyn Visitor) {
        visit_field("tag", &self.tag, visitor);
    }
}
