//! The arguments of a handler as data: where each comes from, and the pipes it goes through.

use syn::parse::discouraged::Speculative;
use syn::parse::{ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::{Attribute, Expr, FnArg, LitStr, Meta, Pat, PatType, PathArguments, Signature, Token, Type};

use crate::attrs;
use crate::diag::Errors;
use crate::signature;
use crate::source::source;
use crate::types;

pub(crate) struct Argument {
    pub(crate) source: Source,
    /// In the order in which they run.
    pub(crate) pipes: Vec<Pipe>,
    pub(crate) ty: Type,
    /// As boot names it: the argument's name, or its type.
    pub(crate) label: String,
}

/// Where an argument comes from.
pub(crate) enum Source {
    /// Decoded from the payload.
    Payload,
    /// The payload itself.
    RawPayload,
    /// An `Arc` of the event, which the publisher and other subscribers may share.
    SharedPayload,
    /// One property of the payload, decoded.
    Property(LitStr),
    /// One value of the packet's metadata, parsed.
    Header(LitStr),
    /// A provider: `Arc<T>`, `Option<Arc<T>>`, or a clone of what has this name.
    Inject(Option<LitStr>),
    /// Made from the context.
    Context,
}

pub(crate) enum Pipe {
    /// Built once.
    Type(Box<Type>),
    /// Evaluated for each call.
    Value(Box<Expr>),
}

impl Argument {
    /// The types of pipe that the container builds for it.
    pub(crate) fn built_pipes(&self) -> impl Iterator<Item = &Type> {
        self.pipes.iter().filter_map(|pipe| match pipe {
            Pipe::Type(ty) => Some(&**ty),
            Pipe::Value(_) => None,
        })
    }
}

/// Finds the source of each argument. The first that nothing else is known of is the payload, unless another is marked
/// as such, or several take their properties of it.
pub(crate) fn read(signature: &Signature, errors: &mut Errors) -> Vec<Argument> {
    let inputs: Vec<_> = signature::arguments(signature).collect();
    let marked: Vec<_> = inputs.iter().map(|input| marked_source(input, errors)).collect();
    let whole = |source: &Option<Source>| matches!(source, Some(Source::Payload));
    for (second, _) in inputs.iter().zip(&marked).filter(|(_, source)| whole(source)).skip(1) {
        let marker = second.attrs.iter().find(|attribute| attrs::name(attribute) == "payload");
        errors.on(
            marker,
            "a message has one payload: take one struct that derives `Deserialize`, or properties of it, each marked \
             `#[payload(\"property\")]`",
        );
    }
    let is_taken = marked.iter().any(|source| matches!(source, Some(Source::Payload | Source::Property(_))));
    let is_first = |(source, input): (&Option<Source>, &&PatType)| source.is_none() && !is_context_by_type(&input.ty);
    let unmarked = if is_taken { None } else { marked.iter().zip(&inputs).position(is_first) };
    let argument = |(index, (input, source)): (usize, (&&PatType, Option<Source>))| {
        let pipes = pipes(input, source.as_ref(), errors);
        let source = match source {
            None if unmarked == Some(index) => Source::Payload,
            None => Source::Context,
            Some(marked) => marked,
        };
        let is_raw = types::is_named(&input.ty, "Payload") && pipes.is_empty();
        let source = if matches!(source, Source::Payload) && is_raw { Source::RawPayload } else { source };
        Argument { source, pipes, ty: (*input.ty).clone(), label: label(input) }
    };
    inputs.iter().zip(marked).enumerate().map(argument).collect()
}

/// Subscribers of the bus may take an event behind a pointer, as it was published.
pub(crate) fn share_events(arguments: &mut [Argument]) {
    for argument in arguments {
        let is_shared = argument.pipes.is_empty() && types::only_argument(&argument.ty, "Arc").is_some();
        if is_shared && matches!(argument.source, Source::Payload) {
            argument.source = Source::SharedPayload;
        }
    }
}

/// What the attributes of an argument say about its source, if anything.
fn marked_source(input: &PatType, errors: &mut Errors) -> Option<Source> {
    let mut marks = input.attrs.iter().filter(|attribute| attrs::is_one_of(attribute, attrs::SOURCES));
    let mark = marks.next()?;
    for other in marks {
        errors.on(other, format_args!("an argument has one source: it is `#[{}]` already", attrs::name(mark)));
    }
    let source = match (attrs::name(mark).as_str(), &mark.meta) {
        ("payload", Meta::Path(_)) => Source::Payload,
        ("payload", _) => Source::Property(text(mark, "expected `#[payload]` or `#[payload(\"property\")]`", errors)?),
        ("header", _) => Source::Header(text(mark, "expected `#[header(\"x-version\")]`", errors)?),
        ("inject", Meta::Path(_)) => Source::Inject(None),
        ("inject", _) => Source::Inject(Some(text(mark, "expected `#[inject]` or `#[inject(\"NAME\")]`", errors)?)),
        _ => {
            attrs::expect_bare(mark, errors);
            Source::Context
        }
    };
    Some(source)
}

/// The one literal between the parentheses of a marker.
fn text(mark: &Attribute, expected: &str, errors: &mut Errors) -> Option<LitStr> {
    let text = match &mark.meta {
        Meta::List(list) => syn::parse2::<LitStr>(list.tokens.clone()).ok(),
        _ => None,
    };
    match text {
        None => errors.on(&mark.meta, expected),
        Some(empty) if empty.value().is_empty() => errors.on(empty, "a name cannot be empty"),
        text => return text,
    }
    None
}

fn pipes(input: &PatType, source: Option<&Source>, errors: &mut Errors) -> Vec<Pipe> {
    let mut pipes = Vec::new();
    for attribute in input.attrs.iter().filter(|attribute| attrs::name(attribute) == attrs::PIPE) {
        if matches!(source, Some(Source::Inject(_))) {
            errors.on(attribute, "a provider comes from the container as it is: no pipe changes it");
        }
        if let Some(tokens) = attrs::required_tokens(attribute, "Lowercase", errors) {
            let list = |input: ParseStream<'_>| Punctuated::<Pipe, Token![,]>::parse_terminated_with(input, pipe);
            pipes.extend(errors.keep(list.parse2(tokens)).into_iter().flatten());
        }
    }
    pipes
}

/// A type, or else an expression: `Lowercase`, `Trim<String>`, `MaxLength(80)`.
fn pipe(input: ParseStream<'_>) -> syn::Result<Pipe> {
    let ahead = input.fork();
    // `MaxLength(LIMIT)` reads as a type too, of the kind that `Fn(u8)` is.
    let is_call = |path: &syn::TypePath| {
        path.path.segments.iter().any(|segment| matches!(segment.arguments, PathArguments::Parenthesized(_)))
    };
    if let Ok(Type::Path(path)) = ahead.parse::<Type>()
        && (ahead.is_empty() || ahead.peek(Token![,]))
        && !is_call(&path)
    {
        let ty = Type::Path(path);
        input.advance_to(&ahead);
        return Ok(Pipe::Type(Box::new(ty)));
    }
    input.parse().map(|value| Pipe::Value(Box::new(value)))
}

/// What is read for one call is given away; nobody keeps it for a reference to point at. What is injected is shared.
pub(crate) fn check(argument: &Argument, errors: &mut Errors) {
    let ty = types::peel(&argument.ty);
    let what = match &argument.source {
        Source::Inject(name) => {
            let is_shared = |ty| types::only_argument(ty, "Arc").is_some();
            let optional = types::only_argument(ty, "Option").is_some_and(is_shared);
            if name.is_none() && !is_shared(ty) && !optional {
                let found = source(ty);
                let message = format!(
                    "a provider is shared: take `Arc<{found}>`, `Option<Arc<{found}>>`, or one by name with \
                     `#[inject(\"NAME\")]`"
                );
                errors.on(ty, message);
            }
            return;
        }
        Source::Property(_) if types::is_named(ty, "Payload") => {
            errors.on(ty, "a property is decoded: take `serde_json::Value` for one of any shape");
            return;
        }
        Source::Payload | Source::Property(_) => "a payload",
        Source::Header(_) => "a header",
        Source::RawPayload | Source::SharedPayload | Source::Context => return,
    };
    if let Type::Reference(reference) = ty {
        let owned = source(signature::owned(reference));
        errors.on(reference, format_args!("{what} belongs to the handler: take `{owned}` instead of a reference"));
    }
}

/// Types that cannot be meant as a payload, even in first place.
fn is_context_by_type(ty: &Type) -> bool {
    let is_extension = |ty| types::only_argument(ty, "Extension").is_some();
    match types::peel(ty) {
        Type::Reference(reference) => {
            ["ExecutionContext", "Metadata"].iter().any(|name| types::is_named(&reference.elem, name))
        }
        owned => {
            types::is_named(owned, "ExecutionContext")
                || is_extension(owned)
                || types::only_argument(owned, "Option").is_some_and(is_extension)
        }
    }
}

fn label(input: &PatType) -> String {
    match &*input.pat {
        Pat::Ident(name) => syn::ext::IdentExt::unraw(&name.ident).to_string(),
        _ => source(&input.ty),
    }
}

/// Reports the markers that HTTP routes would run a method without. A method that has handlers beside the route `is_shared`:
/// then `#[payload]` and `#[ctx]` may say to those what the types of the arguments say to the route.
pub(crate) fn check_route(signature: &Signature, is_shared: bool, errors: &mut Errors) {
    let is_same = |marker: &&Attribute| {
        is_shared && attrs::is_one_of(marker, &["payload", "ctx"]) && matches!(marker.meta, Meta::Path(_))
    };
    for marker in signature::arguments(signature).flat_map(markers).filter(|marker| !is_same(marker)) {
        let marked = attrs::name(marker);
        let advice = match is_shared {
            true => format!(", and would run `{}` without it: write a method for each", signature.ident),
            false => ": there extractors do that".to_owned(),
        };
        errors.on(marker, format_args!("HTTP routes do not read `#[{marked}]`{advice}"));
    }
}

/// Reports what asks an event of the bus for headers, which it does not have.
pub(crate) fn check_no_header(signature: &Signature, errors: &mut Errors) {
    let all = signature::arguments(signature).flat_map(markers);
    for marker in all.filter(|marker| attrs::name(marker) == "header") {
        let message = "an event of the bus has no headers: take what this is for from the event, and write another method \
                       for messages that have it";
        errors.on(marker, message);
    }
}

/// The attributes of an argument that are ours.
fn markers(input: &PatType) -> impl Iterator<Item = &Attribute> {
    input.attrs.iter().filter(|attribute| is_marker(attribute))
}

fn is_marker(attribute: &Attribute) -> bool {
    attrs::is_one_of(attribute, attrs::SOURCES) || attrs::name(attribute) == attrs::PIPE
}

pub(crate) fn strip_markers(signature: &mut Signature) {
    for input in &mut signature.inputs {
        if let FnArg::Typed(input) = input {
            input.attrs.retain(|attribute| !is_marker(attribute));
        }
    }
}
