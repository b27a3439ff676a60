//! How generated code reaches nestrs, and the frame around it.

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::quote;
use syn::parse::{ParseStream, Parser};
use syn::{Attribute, Ident, Path, Token};

use crate::attrs;
use crate::diag::Errors;

/// The nestrs that generated code talks to: `::nestrs`, unless `crate = path` says otherwise.
#[derive(Default)]
pub(crate) struct Nest(Option<Path>);

impl Nest {
    /// Imports `__private` under the name by which all generated code calls it.
    ///
    /// The name has underscores because it shares a scope with the user's types: a module `nest` or a struct `Block`
    /// of theirs must keep its meaning. Everything else generated is reached through it, or by an absolute path.
    pub(crate) fn import(&self) -> TokenStream {
        let private = self.private();
        quote!(use #private as __nest;)
    }

    /// The path to `__private`, for what is generated outside a scope of its own.
    pub(crate) fn private(&self) -> TokenStream {
        let path = match &self.0 {
            None => quote!(::nestrs),
            // One name is a dependency's, as in `crate = nest_framework`; absolute, so that no local item shadows it.
            Some(path) if path.get_ident().is_some_and(is_dependency) => quote!(::#path),
            Some(path) => quote!(#path),
        };
        quote!(#path::__private)
    }

    /// `items` in a scope of their own, present only if the item they belong to is.
    ///
    /// Naming what is deprecated is no news here: whoever wrote the item knows, and its callers are warned elsewhere.
    pub(crate) fn scope(&self, attributes: &[Attribute], items: &TokenStream) -> TokenStream {
        let import = self.import();
        let cfgs = attrs::cfgs(attributes);
        quote! {
            #(#cfgs)*
            #[allow(deprecated, reason = "generated code names what its item has")]
            const _: () = {
                #import
                #items
            };
        }
    }
}

fn is_dependency(name: &Ident) -> bool {
    name != "crate" && name != "self" && name != "super"
}

/// The place of the user's tokens, with the names of generated code: errors point at the user's line, and lints see
/// that no person wrote the code.
pub(crate) fn located(span: Span) -> Span {
    Span::call_site().located_at(span)
}

/// Splits an attribute's arguments at their commas and takes `crate = path` out.
///
/// Arguments are read one by one, so that a mistake in one leaves the others readable.
pub(crate) fn arguments(tokens: TokenStream, errors: &mut Errors) -> (Nest, Vec<TokenStream>) {
    let mut nest = Nest::default();
    let mut others = Vec::new();
    for argument in at_commas(tokens) {
        if !is_crate_argument(&argument) {
            others.push(argument);
            continue;
        }
        if nest.0.is_some() {
            errors.on(&argument, "`crate` is given twice");
        }
        nest.0 = errors.keep(crate_path.parse2(argument)).or(nest.0);
    }
    (nest, others)
}

/// The arguments of an attribute that takes none but `crate = path`.
pub(crate) fn crate_only(attribute: &str, tokens: TokenStream, errors: &mut Errors) -> Nest {
    let (nest, others) = arguments(tokens, errors);
    for other in others {
        errors.on(other, format_args!("`#[{attribute}]` takes no argument but `crate = path::to::nestrs`"));
    }
    nest
}

/// Takes `crate = path;` off the front of what a function-like macro is given.
pub(crate) fn leading_crate(tokens: TokenStream, errors: &mut Errors) -> (Nest, TokenStream) {
    if !is_crate_argument(&tokens) {
        return (Nest::default(), tokens);
    }
    let leading = |input: ParseStream<'_>| -> syn::Result<(Path, TokenStream)> {
        let path = crate_path(input)?;
        input.parse::<Token![;]>()?;
        Ok((path, input.parse()?))
    };
    match errors.keep(leading.parse2(tokens)) {
        Some((path, rest)) => (Nest(Some(path)), rest),
        None => Default::default(),
    }
}

/// The parts between commas, empty ones left out.
pub(crate) fn at_commas(tokens: TokenStream) -> Vec<TokenStream> {
    let mut parts = vec![TokenStream::new()];
    for token in tokens {
        match (&token, parts.last_mut()) {
            (TokenTree::Punct(punct), _) if punct.as_char() == ',' => parts.push(TokenStream::new()),
            (_, Some(part)) => part.extend([token]),
            (_, None) => unreachable!("there is always a part being filled"),
        }
    }
    parts.retain(|part| !part.is_empty());
    parts
}

/// `crate = …`, not a path that begins with `crate::`.
fn is_crate_argument(argument: &TokenStream) -> bool {
    let mut tokens = argument.clone().into_iter();
    matches!(tokens.next(), Some(TokenTree::Ident(name)) if name == "crate")
        && matches!(tokens.next(), Some(TokenTree::Punct(sign)) if sign.as_char() == '=')
}

fn crate_path(input: ParseStream<'_>) -> syn::Result<Path> {
    input.parse::<Token![crate]>()?;
    input.parse::<Token![=]>()?;
    input.call(Path::parse_mod_style)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diag::assert_errors;

    fn import(arguments_text: &str) -> String {
        let mut errors = Errors::default();
        let nest = crate_only("micro_routes", arguments_text.parse().unwrap(), &mut errors);
        assert!(errors.is_empty(), "{errors:?}");
        nest.import().to_string().replace(' ', "")
    }

    #[test]
    fn a_renamed_dependency_is_absolute_and_a_longer_path_is_taken_as_given() {
        assert_eq!(import(""), "use::nestrs::__privateas__nest;");
        assert_eq!(import("crate = nest_framework"), "use::nest_framework::__privateas__nest;");
        assert_eq!(import("crate = crate"), "usecrate::__privateas__nest;");
        assert_eq!(import("crate = crate::vendored::nestrs,"), "usecrate::vendored::nestrs::__privateas__nest;");
        assert_eq!(import("crate = ::nest_framework"), "use::nest_framework::__privateas__nest;");
    }

    #[test]
    fn other_arguments_are_errors_on_themselves() {
        let mut errors = Errors::default();
        crate_only("injectable", "scope = Request, crate = a, crate = b".parse().unwrap(), &mut errors);
        assert_errors(errors, &[("crate = b", "given twice"), ("scope = Request", "no argument but `crate")]);
    }
}
