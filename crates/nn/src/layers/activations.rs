//! Activation functions as layers.

use crate::Layer;
use hadal_core::{Module, Tag, Tensor};

/// Layers without options: a struct, and a constant of the same name, so that `Relu` is a value that makes a fresh layer
/// wherever it is written.
macro_rules! plain {
    ($($(#[$doc:meta])* $name:ident: $method:ident;)*) => { $(
        $(#[$doc])*
        #[derive(Debug, Module)]
        pub struct $name {
            tag: Tag,
        }

        #[doc = concat!("A fresh [`", stringify!($name), "`](struct@", stringify!($name), ") layer.")]
        #[allow(non_upper_case_globals)]
        #[expect(clippy::declare_interior_mutable_const, reason = "each use is a layer of its own")]
        pub const $name: $name = $name { tag: Tag::new(stringify!($name)) };

        impl $name {
            /// The layer.
            pub const fn new() -> $name {
                $name
            }
        }

        impl Default for $name {
            fn default() -> $name {
                $name
            }
        }

        impl Layer for $name {
            fn forward(&self, x: &Tensor) -> Tensor {
                self.tag.call(x, || x.$method())
            }
        }
    )* };
}

plain! {
    /// `max(x, 0)`
    Relu: try_relu;
    /// `1 / (1 + e^−x)`
    Sigmoid: try_sigmoid;
    /// The hyperbolic tangent.
    Tanh: try_tanh;
}
