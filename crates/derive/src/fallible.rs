//! `#[fallible]`: one body, two methods (`try_name` and the panicking `name`).

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::{FnArg, GenericArgument, ImplItem, ImplItemFn, ItemImpl, PatType, PathArguments, ReturnType, Type, parse2};

pub fn expand(item: TokenStream) -> syn::Result<TokenStream> {
    let mut block: ItemImpl = parse2(item)?;
    let mut items = Vec::with_capacity(2 * block.items.len());
    for item in block.items {
        match item {
            ImplItem::Fn(method) if success_type(&method.sig.output).is_some() => {
                items.push(ImplItem::Fn(panicking(&method)?));
                items.push(ImplItem::Fn(renamed(method)));
            }
            other => items.push(other),
        }
    }
    block.items = items;
    Ok(quote!(#block))
}

/// `T` of a return type `Result<T>`.
fn success_type(output: &ReturnType) -> Option<&Type> {
    let ReturnType::Type(_, ty) = output else { return None };
    let Type::Path(path) = &**ty else { return None };
    let last = path.path.segments.last().filter(|s| s.ident == "Result")?;
    let PathArguments::AngleBracketed(arguments) = &last.arguments else { return None };
    match arguments.args.first()? {
        GenericArgument::Type(ty) => Some(ty),
        _ => None,
    }
}

fn renamed(mut method: ImplItemFn) -> ImplItemFn {
    let plain = method.sig.ident.to_string();
    method.sig.ident = format_ident!("try_{plain}");
    let note = format!("\n\nFallible twin of [`{plain}`](Self::{plain}): returns the error instead of panicking.");
    method.attrs.push(syn::parse_quote!(#[doc = #note]));
    method
}

/// `fn name(…) -> T { Self::try_name(…) or panic at the caller's line }`.
fn panicking(method: &ImplItemFn) -> syn::Result<ImplItemFn> {
    let mut twin = method.clone();
    let success = success_type(&method.sig.output).expect("checked by the caller");
    twin.sig.output = syn::parse_quote!(-> #success);
    let fallible = format_ident!("try_{}", method.sig.ident);
    let mut arguments = Vec::new();
    for (i, input) in twin.sig.inputs.iter_mut().enumerate() {
        match input {
            FnArg::Receiver(_) => arguments.push(quote!(self)),
            FnArg::Typed(PatType { pat, .. }) => {
                let name = format_ident!("argument_{i}");
                let name = if let syn::Pat::Ident(p) = &**pat { p.ident.clone() } else { name };
                **pat = syn::parse_quote!(#name);
                arguments.push(quote!(#name));
            }
        }
    }
    twin.block = syn::parse_quote!({
        match Self::#fallible(#(#arguments),*) {
            Ok(value) => value,
            Err(error) => error.raise(),
        }
    });
    twin.attrs.push(syn::parse_quote!(#[track_caller]));
    Ok(twin)
}
