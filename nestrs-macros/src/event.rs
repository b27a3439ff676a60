//! `#[event("order.created")]`: a type and the name it is published under.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote, quote_spanned};
use syn::parse::Parser;
use syn::{Attribute, Generics, Ident, Item, LitStr};

use crate::diag::Errors;
use crate::paths::{self, Nest, located};
use crate::topic;

/// The user's type, then its name, unless there are errors.
pub(crate) fn event(args: TokenStream, item: TokenStream) -> (TokenStream, Errors) {
    let mut errors = Errors::default();
    let (nest, arguments) = paths::arguments(args, &mut errors);
    let name = name(arguments, &mut errors);
    let mut output = item.clone();
    if let Some(item) = errors.keep(syn::parse2::<Item>(item))
        && let Some((ident, attributes)) = type_of(&item, &mut errors)
        && let Some(name) = name
        && errors.is_empty()
    {
        output.extend(expand(&nest, ident, attributes, &name));
    }
    (output, errors)
}

fn name(arguments: Vec<TokenStream>, errors: &mut Errors) -> Option<LitStr> {
    const EXPECTED: &str = "expected the event's name: `#[event(\"order.created\")]`";
    let mut arguments = arguments.into_iter();
    let Some(first) = arguments.next() else {
        errors.at(proc_macro2::Span::call_site(), EXPECTED);
        return None;
    };
    for other in arguments {
        errors.on(other, "an event has one name");
    }
    let literal = |input: syn::parse::ParseStream<'_>| input.parse::<LitStr>();
    let Ok(name) = literal.parse2(first.clone()) else {
        errors.on(first, EXPECTED);
        return None;
    };
    if let Some(problem) = topic::name_problem(&name.value()) {
        errors.on(&name, problem);
    }
    Some(name)
}

fn type_of<'a>(item: &'a Item, errors: &mut Errors) -> Option<(&'a Ident, &'a [Attribute])> {
    let (ident, generics, attributes): (_, &Generics, _) = match item {
        Item::Struct(item) => (&item.ident, &item.generics, &item.attrs),
        Item::Enum(item) => (&item.ident, &item.generics, &item.attrs),
        other => {
            let first = other.to_token_stream().into_iter().next();
            errors.on(first, "`#[event(\"…\")]` stands on a struct or an enum");
            return None;
        }
    };
    if !generics.params.is_empty() {
        errors.on(&generics.params, "an event is one type: a generic one stands for many");
    }
    Some((ident, attributes))
}

fn expand(nest: &Nest, ident: &Ident, attributes: &[Attribute], name: &LitStr) -> TokenStream {
    // A type that lacks `Clone`, `Serialize` or `Deserialize` is an error on its name.
    let implementation = quote_spanned! {located(ident.span())=>
        #[automatically_derived]
        impl __nest::BusEvent for #ident {
            const NAME: &'static str = #name;
        }
    };
    nest.scope(attributes, &quote!(#implementation))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diag::assert_errors;

    fn check(args: &str, item: &str, expected: &[(&str, &str)]) {
        let (output, errors) = event(args.parse().unwrap(), item.parse().unwrap());
        assert!(output.to_string().starts_with(&item.parse::<TokenStream>().unwrap().to_string()));
        assert_errors(errors, expected);
    }

    #[test]
    fn an_event_has_one_literal_name() {
        check("\"order.created\"", "struct A;", &[]);
        check("\"order.created\", crate = frame", "enum A { B }", &[]);
        check("NAME", "struct A;", &[("NAME", "expected the event's name")]);
        check("\"a\" \"b\"", "struct A;", &[("\"a\" \"b\"", "expected the event's name")]);
        check("\"a\", \"b\"", "struct A;", &[("\"b\"", "one name")]);
        check("\"order.*\"", "struct A;", &[("\"order.*\"", "no wildcard")]);
        check("\"\"", "struct A;", &[("\"\"", "has a name")]);
        check("\"order.\"", "struct A;", &[("\"order.\"", "a segment is empty")]);
    }

    #[test]
    fn an_event_is_one_type() {
        check("\"a\"", "struct A<T>(T);", &[("T", "generic")]);
        check("\"a\"", "fn a() {}", &[("fn", "stands on a struct or an enum")]);
        check("7", "impl A {}", &[("7", "expected the event's name"), ("impl", "stands on a struct")]);
    }
}
