//! Helper attributes: taking them off an item, and reading the lists of types in them.

use proc_macro2::TokenStream;
use syn::parse::{ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::{Attribute, Expr, LitStr, Meta, Token, Type};

use crate::diag::Errors;

/// The attributes that put blocks of methods on the map.
pub(crate) const BLOCKS: &[&str] = &["micro_routes", "event_routes", "controller"];
/// The attributes that put stages around handlers, or say something of them to their stages.
pub(crate) const STAGES: &[&str] = &[
    "use_interceptors",
    "use_guards",
    "use_pipes",
    "use_filters",
    "set_metadata",
    "use_micro_interceptors",
    "use_micro_guards",
    "use_micro_pipes",
];
/// Those of them that HTTP routes have no use for.
pub(crate) const MESSAGE_STAGES: &[&str] =
    &["use_micro_interceptors", "use_micro_guards", "use_micro_pipes", "use_pipes"];
/// The attributes of HTTP methods.
pub(crate) const VERBS: &[&str] = &["get", "post", "put", "patch", "delete", "head", "options"];

/// The attributes that make methods handlers of messages and events.
pub(crate) const HANDLERS: &[&str] = &["message_pattern", "event_pattern", "on_event"];

/// The attributes that say where an argument comes from.
pub(crate) const SOURCES: &[&str] = &["payload", "ctx", "header", "inject"];
/// The attribute that says what an argument goes through.
pub(crate) const PIPE: &str = "pipe";

/// The last segment of an attribute's path: `nestrs::message_pattern` is `message_pattern` too.
pub(crate) fn name(attribute: &Attribute) -> String {
    attribute.path().segments.last().map(|segment| segment.ident.to_string()).unwrap_or_default()
}

pub(crate) fn is_one_of(attribute: &Attribute, names: &[&str]) -> bool {
    names.contains(&name(attribute).as_str())
}

/// Takes the attributes of these names off an item; the rest stay.
pub(crate) fn take(attributes: &mut Vec<Attribute>, names: &[&str]) -> Vec<Attribute> {
    let (taken, rest) = attributes.drain(..).partition(|attribute| is_one_of(attribute, names));
    *attributes = rest;
    taken
}

/// The conditions under which an item exists; what is generated for it exists under the same.
pub(crate) fn cfgs(attributes: &[Attribute]) -> Vec<&Attribute> {
    attributes.iter().filter(|attribute| attribute.path().is_ident("cfg")).collect()
}

/// What stands between the parentheses of `#[name(…)]`; `None`, and an error, when nothing does.
pub(crate) fn required_tokens(attribute: &Attribute, example: &str, errors: &mut Errors) -> Option<TokenStream> {
    match &attribute.meta {
        Meta::List(list) if !list.tokens.is_empty() => return Some(list.tokens.clone()),
        _ => errors.on(&attribute.meta, format_args!("expected `#[{}({example})]`", name(attribute))),
    }
    None
}

/// The error of an attribute that takes no arguments and got some.
pub(crate) fn expect_bare(attribute: &Attribute, errors: &mut Errors) {
    if !matches!(attribute.meta, Meta::Path(_)) {
        errors.on(&attribute.meta, format_args!("`#[{}]` takes no arguments", name(attribute)));
    }
}

/// The stages around a handler, or around all handlers of a block.
#[derive(Default)]
pub(crate) struct Stages {
    pub(crate) interceptors: Vec<Type>,
    pub(crate) guards: Vec<Type>,
    pub(crate) pipes: Vec<Type>,
    pub(crate) filters: Vec<Type>,
    pub(crate) metadata: Vec<Metadatum>,
}

/// What one `#[set_metadata(…)]` says.
pub(crate) enum Metadatum {
    /// A value that is found by its type.
    Typed(Expr),
    /// JSON that is found by its key.
    Keyed(LitStr, TokenStream),
}

impl Stages {
    /// Reads the stage attributes of an item and removes them, unless someone `reads_next`. Several of a kind add up, in
    /// the order they are written.
    pub(crate) fn take(attributes: &mut Vec<Attribute>, reads_next: bool, errors: &mut Errors) -> Self {
        let taken = take(attributes, STAGES);
        let stages = Self::read(&taken, errors);
        if reads_next {
            attributes.extend(taken);
        }
        stages
    }

    fn read(attributes: &[Attribute], errors: &mut Errors) -> Self {
        let mut stages = Self::default();
        for attribute in attributes {
            let (list, example) = match name(attribute).as_str() {
                "use_micro_interceptors" | "use_interceptors" => (&mut stages.interceptors, "Timing"),
                "use_micro_guards" | "use_guards" => (&mut stages.guards, "TokenGuard"),
                "use_filters" => (&mut stages.filters, "OrderErrorFilter"),
                "set_metadata" => {
                    if let Some(tokens) = required_tokens(attribute, "Roles(&[\"admin\"])", errors) {
                        stages.metadata.extend(errors.keep(metadatum.parse2(tokens)));
                    }
                    continue;
                }
                _ => (&mut stages.pipes, "TrimName"),
            };
            if let Some(tokens) = required_tokens(attribute, example, errors) {
                list.extend(errors.keep(types.parse2(tokens)).unwrap_or_default());
            }
        }
        stages
    }
}

/// `Roles(&["admin"])`, or `"roles", ["admin"]`.
fn metadatum(input: ParseStream<'_>) -> syn::Result<Metadatum> {
    if input.peek(LitStr) && input.peek2(Token![,]) {
        let key: LitStr = input.parse()?;
        input.parse::<Token![,]>()?;
        if input.is_empty() {
            return Err(syn::Error::new_spanned(key, "expected the value of this key, as JSON"));
        }
        return Ok(Metadatum::Keyed(key, input.parse()?));
    }
    let value: Expr = input.parse()?;
    if input.is_empty() {
        return match value {
            Expr::Lit(value) => {
                let message = "a value is found by its type: write a struct of your own, or a key before the value";
                Err(syn::Error::new_spanned(value, message))
            }
            value => Ok(Metadatum::Typed(value)),
        };
    }
    Err(input.error("one value: write `#[set_metadata(…)]` again for another, or a key before JSON"))
}

fn types(input: ParseStream<'_>) -> syn::Result<Vec<Type>> {
    let types = Punctuated::<Type, Token![,]>::parse_terminated(input);
    let types = types.map_err(|error| syn::Error::new(error.span(), "expected a list of types"))?;
    Ok(types.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use syn::{ItemFn, parse_str};

    use super::*;
    use crate::diag::assert_errors;

    #[test]
    fn stages_add_up_in_the_order_they_are_written_and_leave_the_item() {
        let mut item: ItemFn = parse_str(
            "#[use_micro_guards(A, B<C>)] #[inline] #[nestrs::use_micro_guards(D,)] #[use_micro_pipes(E)] fn f() {}",
        )
        .unwrap();
        let mut errors = Errors::default();
        let stages = Stages::take(&mut item.attrs, false, &mut errors);
        assert!(errors.is_empty());
        let names = |types: &[Type]| types.iter().map(crate::source::source).collect::<Vec<_>>().join(" ");
        assert_eq!(names(&stages.guards), "A B<C> D");
        assert_eq!(names(&stages.pipes), "E");
        assert!(stages.interceptors.is_empty());
        assert_eq!(item.attrs.len(), 1);
    }

    #[test]
    fn a_stage_attribute_without_a_type_is_an_error() {
        let check = |attribute: &str, culprit: &str| {
            let mut item: ItemFn = parse_str(&format!("{attribute} fn f() {{}}")).unwrap();
            let mut errors = Errors::default();
            Stages::take(&mut item.attrs, false, &mut errors);
            assert_errors(errors, &[(culprit, "expected")]);
        };
        check("#[use_micro_guards]", "use_micro_guards");
        check("#[use_micro_guards()]", "use_micro_guards()");
        check("#[use_micro_pipes = A]", "use_micro_pipes = A");
        check("#[use_micro_guards(1)]", "1");
    }
}
