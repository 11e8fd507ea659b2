//! Hadal's two procedural macros: `#[derive(Module)]` and `#[fallible]`.

mod fallible;
mod module;

use proc_macro::TokenStream;

/// Gives every method of an `impl` block that returns `Result<T>` its two public forms.
///
/// The method as written becomes `try_name`, and `name` is added: it returns `T` and panics with the
/// error's message at the caller's line. Both carry the documentation.
#[proc_macro_attribute]
pub fn fallible(_: TokenStream, item: TokenStream) -> TokenStream {
    fallible::expand(item.into()).unwrap_or_else(|e| e.into_compile_error()).into()
}

/// Implements `Module` for a struct or enum by visiting its fields in order under their names.
///
/// Every field must itself be a `Module` (layers, `Param`, `Vec`, `Option`, numbers, strings …);
/// `#[module(config)]` marks a field of another type as static configuration, which is not visited, and
/// `#[module(name = "LayerNorm")]` gives a field another name in the state dictionary.
#[proc_macro_derive(Module, attributes(module))]
pub fn derive_module(item: TokenStream) -> TokenStream {
    module::expand(item.into()).unwrap_or_else(|e| e.into_compile_error()).into()
}
