//! `#[derive(Module)]`: visits the fields of a struct (or of an enum's variants) under their names.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::{Attribute, Data, DeriveInput, Fields, LitStr, parse2};

pub fn expand(item: TokenStream) -> syn::Result<TokenStream> {
    let input: DeriveInput = parse2(item)?;
    let name = &input.ident;
    let body = match &input.data {
        Data::Struct(data) => arm(quote!(Self), &data.fields)?,
        Data::Enum(data) => {
            let arms = data.variants.iter().map(|variant| {
                let ident = &variant.ident;
                arm(quote!(Self::#ident), &variant.fields)
            });
            let arms = arms.collect::<syn::Result<Vec<_>>>()?;
            quote!(#(#arms)*)
        }
        Data::Union(_) => return Err(syn::Error::new_spanned(name, "Module cannot be derived for a union")),
    };
    let (generics, types, bounds) = input.generics.split_for_impl();
    Ok(quote! {
        impl #generics ::hadal::Module for #name #types #bounds {
            fn visit(&self, visitor: &mut dyn ::hadal::Visitor) {
                match self { #body }
            }
        }
    })
}

/// One match arm that visits every field that is not configuration. A tuple field is named by its
/// index; the single field of an enum variant keeps the variant's place (no name of its own).
fn arm(path: TokenStream, fields: &Fields) -> syn::Result<TokenStream> {
    let mut patterns = Vec::new();
    let mut visits = Vec::new();
    for (i, field) in fields.iter().enumerate() {
        let name = field.ident.as_ref().map_or(i.to_string(), |n| n.to_string());
        let binding = format_ident!("field_{i}");
        let member = field.ident.as_ref().map_or_else(|| syn::Member::from(i), |n| n.clone().into());
        let Attributes { config, renamed } = attributes(&field.attrs)?;
        if config {
            patterns.push(quote!(#member: _));
            continue;
        }
        patterns.push(quote!(#member: #binding));
        visits.push(if matches!(fields, Fields::Unnamed(f) if f.unnamed.len() == 1) {
            quote!(::hadal::Module::visit(#binding, visitor);)
        } else {
            let name = renamed.unwrap_or_else(|| name.trim_start_matches("r#").to_owned());
            quote!(::hadal::visit_field(#name, #binding, visitor);)
        });
    }
    Ok(quote!(#path { #(#patterns),* } => { #(#visits)* }))
}

/// What `#[module(…)]` says of a field.
#[derive(Default)]
struct Attributes {
    config: bool,
    renamed: Option<String>,
}

/// Reads `#[module(config)]` and `#[module(name = "…")]`; any other word in the attribute is an error.
fn attributes(attributes: &[Attribute]) -> syn::Result<Attributes> {
    let mut found = Attributes::default();
    for attribute in attributes.iter().filter(|a| a.path().is_ident("module")) {
        attribute.parse_nested_meta(|meta| {
            if meta.path.is_ident("config") {
                found.config = true;
            } else if meta.path.is_ident("name") {
                found.renamed = Some(meta.value()?.parse::<LitStr>()?.value());
            } else {
                return Err(meta.error("expected #[module(config)] or #[module(name = \"…\")]"));
            }
            Ok(())
        })?;
    }
    Ok(found)
}
