//! The block as data: attributes become fields, arguments get their sources.

use proc_macro2::TokenStream;
use syn::parse::Parser;
use syn::{Attribute, FnArg, ImplItem, ImplItemFn, ItemImpl, Meta, PatType, Signature, Type};

use crate::attrs::{self, Stages};
use crate::block;
use crate::diag::Errors;
use crate::paths::{self, Nest};
use crate::pattern::{self, Pattern};
use crate::types;

/// Which attribute stands on the block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    /// `#[micro_routes]`: messages and events from transports.
    Micro,
    /// `#[event_routes]`: events of the in-process bus.
    Bus,
}

impl Family {
    pub(crate) fn attribute(self) -> &'static str {
        match self {
            Self::Micro => "micro_routes",
            Self::Bus => "event_routes",
        }
    }

    /// The attributes that make a method a handler.
    pub(crate) fn helpers(self) -> &'static [&'static str] {
        match self {
            Self::Micro => &["message_pattern", "event_pattern"],
            Self::Bus => &["on_event"],
        }
    }
}

#[derive(Debug)]
pub(crate) struct Routes {
    pub(crate) family: Family,
    pub(crate) nest: Nest,
    /// The user's block, without the attributes that were read.
    pub(crate) item: ItemImpl,
    /// Around every handler, outside the handler's own.
    pub(crate) stages: Stages,
    pub(crate) handlers: Vec<Handler>,
}

#[derive(Debug)]
pub(crate) struct Handler {
    /// The pattern attributes, at least one; exactly one when the block is right.
    pub(crate) attributes: Vec<Attribute>,
    pub(crate) kind: Kind,
    pub(crate) patterns: Vec<Pattern>,
    pub(crate) stages: Stages,
    /// The attributes that stayed on the method.
    pub(crate) others: Vec<Attribute>,
    /// With `#[payload]` and `#[ctx]` still in place, as the user wrote it.
    pub(crate) signature: Signature,
    pub(crate) arguments: Vec<Argument>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Message,
    Event,
    Bus,
}

#[derive(Debug)]
pub(crate) struct Argument {
    pub(crate) source: Source,
    pub(crate) ty: Type,
}

/// Where an argument comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// Decoded from the payload.
    Payload,
    /// The payload itself.
    RawPayload,
    /// An `Arc` of the event, which the publisher and other subscribers may share.
    SharedPayload,
    /// Made from the context.
    Context,
}

impl Routes {
    /// Reads a block. What reads as an impl block is always returned, so that the user's methods survive any error.
    pub(crate) fn parse(family: Family, args: TokenStream, item: TokenStream, errors: &mut Errors) -> Option<Self> {
        let nest = paths::crate_only(family.attribute(), args, errors);
        let mut item = block::parse_impl(family.attribute(), item, errors)?;
        // Two block attributes on one block: the one below reads the same stages for its own handlers.
        let reads_next = item.attrs.iter().any(|other| attrs::is_one_of(other, &["micro_routes", "event_routes"]));
        let stages = Stages::take(&mut item.attrs, reads_next, errors);
        let mut handlers = Vec::new();
        for method in methods(&mut item) {
            handlers.extend(Handler::take(family, method, errors));
        }
        Some(Self { family, nest, item, stages, handlers })
    }
}

fn methods(item: &mut ItemImpl) -> impl Iterator<Item = &mut ImplItemFn> {
    item.items.iter_mut().filter_map(|item| match item {
        ImplItem::Fn(method) => Some(method),
        _ => None,
    })
}

impl Handler {
    /// Reads a method and takes its helper attributes away; `None` for a method that is no handler.
    fn take(family: Family, method: &mut ImplItemFn, errors: &mut Errors) -> Option<Self> {
        let attributes = attrs::take(&mut method.attrs, family.helpers());
        let Some(attribute) = attributes.first() else {
            report_idle_stages(family, method, errors);
            return None;
        };
        let kind = match attrs::name(attribute).as_str() {
            "message_pattern" => Kind::Message,
            "event_pattern" => Kind::Event,
            _ => Kind::Bus,
        };
        let arguments = arguments(kind, &method.sig);
        let patterns = match family {
            Family::Bus if matches!(attribute.meta, Meta::Path(_)) => event_of(method, &arguments, attribute, errors),
            Family::Bus => named(attribute, errors).into_iter().map(Pattern::into_topic).collect(),
            Family::Micro => named(attribute, errors),
        };
        // As for the block: whoever reads this method next finds it as we did.
        let reads_next = method.attrs.iter().any(|other| attrs::is_one_of(other, HELPERS));
        let stages = Stages::take(&mut method.attrs, reads_next, errors);
        let signature = method.sig.clone();
        if !reads_next {
            strip_markers(&mut method.sig);
        }
        Some(Self { kind, patterns, stages, others: method.attrs.clone(), signature, arguments, attributes })
    }
}

/// The patterns that an attribute lists.
fn named(attribute: &Attribute, errors: &mut Errors) -> Vec<Pattern> {
    attrs::required_tokens(attribute, "\"math.add\"", errors)
        .and_then(|tokens| errors.keep(pattern::of_handler.parse2(tokens)))
        .unwrap_or_default()
}

/// `#[on_event]` without a name: the argument has it.
fn event_of(method: &ImplItemFn, arguments: &[Argument], attribute: &Attribute, errors: &mut Errors) -> Vec<Pattern> {
    let event = arguments.iter().find_map(|argument| match argument.source {
        Source::Payload => Some(&argument.ty),
        Source::SharedPayload => types::only_argument(&argument.ty, "Arc"),
        Source::RawPayload | Source::Context => None,
    });
    match event {
        // What is wrong with a reference is said elsewhere.
        Some(ty) if matches!(types::peel(ty), Type::Reference(_)) => Vec::new(),
        Some(ty) => vec![Pattern::of_event(ty)],
        None => {
            let name = &method.sig.ident;
            errors.on(
                &attribute.meta,
                format_args!(
                    "`{name}` takes no event that would say which: write `#[on_event(\"order.created\")]`, or take an \
                     `#[event]` type"
                ),
            );
            Vec::new()
        }
    }
}

/// A stage around no handler would be a guard that guards nothing. Methods of other blocks keep theirs.
fn report_idle_stages(family: Family, method: &mut ImplItemFn, errors: &mut Errors) {
    let elsewhere = |attribute| attrs::is_one_of(attribute, attrs::VERBS) || attrs::is_one_of(attribute, HELPERS);
    if method.attrs.iter().any(elsewhere) {
        return;
    }
    for attribute in attrs::take(&mut method.attrs, attrs::STAGES) {
        errors.on(
            &attribute,
            format_args!(
                "`{}` is no handler, so nothing would run this: add `#[{}(\"…\")]`",
                method.sig.ident,
                family.helpers()[0]
            ),
        );
    }
}

/// The pattern attributes of both families.
const HELPERS: &[&str] = &["message_pattern", "event_pattern", "on_event"];

/// Finds the source of each argument: the first that is not taken from the context is the payload, unless another is
/// marked as such.
fn arguments(kind: Kind, signature: &Signature) -> Vec<Argument> {
    let inputs: Vec<_> = crate::signature::arguments(signature).collect();
    let marked = inputs.iter().position(|input| has_marker(&input.attrs, "payload"));
    let is_unmarked_payload = |input: &&PatType| !has_marker(&input.attrs, "ctx") && !is_context_by_type(&input.ty);
    let payload = marked.or_else(|| inputs.iter().position(is_unmarked_payload));
    let argument = |(index, input): (usize, &&PatType)| Argument {
        source: match payload {
            Some(payload) if payload == index && types::is_named(&input.ty, "Payload") => Source::RawPayload,
            Some(payload)
                if payload == index && kind == Kind::Bus && types::only_argument(&input.ty, "Arc").is_some() =>
            {
                Source::SharedPayload
            }
            Some(payload) if payload == index => Source::Payload,
            _ => Source::Context,
        },
        ty: (*input.ty).clone(),
    };
    inputs.iter().enumerate().map(argument).collect()
}

pub(crate) fn has_marker(attributes: &[Attribute], marker: &str) -> bool {
    attributes.iter().any(|attribute| attrs::name(attribute) == marker)
}

/// Types that cannot be meant as a payload, even in first place.
fn is_context_by_type(ty: &Type) -> bool {
    match types::peel(ty) {
        Type::Reference(reference) => {
            ["ExecutionContext", "Metadata"].iter().any(|name| types::is_named(&reference.elem, name))
        }
        owned => types::is_named(owned, "ExecutionContext"),
    }
}

fn strip_markers(signature: &mut Signature) {
    for input in &mut signature.inputs {
        if let FnArg::Typed(input) = input {
            attrs::take(&mut input.attrs, &["payload", "ctx"]);
        }
    }
}
