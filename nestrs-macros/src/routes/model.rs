//! The block as data: attributes become fields, arguments get their sources.

use proc_macro2::TokenStream;
use syn::{Attribute, ImplItem, ImplItemFn, ItemImpl, Meta, Path, Signature, Type};

use super::argument::{self, Argument, Source};
use crate::attrs::{self, Stages};
use crate::block;
use crate::conditional;
use crate::contract;
use crate::diag::Errors;
use crate::limits::{self, Limits};
use crate::paths::{self, Nest};
use crate::pattern::{self, Options, Pattern};
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

pub(crate) struct Routes {
    pub(crate) family: Family,
    pub(crate) nest: Nest,
    /// The trait whose methods the handlers are, if it is given; it has their patterns.
    pub(crate) contract: Option<Path>,
    /// The user's block, without the attributes that were read.
    pub(crate) item: ItemImpl,
    /// Around every handler, outside the handler's own.
    pub(crate) stages: Stages,
    pub(crate) handlers: Vec<Handler>,
}

pub(crate) struct Handler {
    /// The pattern attributes, at least one; exactly one when the block is right.
    pub(crate) attributes: Vec<Attribute>,
    pub(crate) kind: Kind,
    pub(crate) patterns: Vec<Pattern>,
    /// What follows them.
    pub(crate) options: Options,
    pub(crate) stages: Stages,
    /// What ends it before it is done.
    pub(crate) limits: Limits,
    /// The attributes that stayed on the method.
    pub(crate) others: Vec<Attribute>,
    /// With `#[payload]` and its like still in place, as the user wrote it.
    pub(crate) signature: Signature,
    pub(crate) arguments: Vec<Argument>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Message,
    Event,
    Bus,
    /// What the contract says.
    Contract,
}

impl Routes {
    /// Reads a block. What reads as an impl block is always returned, so that the user's methods survive any error.
    pub(crate) fn parse(family: Family, args: TokenStream, item: TokenStream, errors: &mut Errors) -> Option<Self> {
        let (nest, contract) = match family {
            Family::Micro => contract::block_arguments(family.attribute(), args, errors),
            Family::Bus => (paths::crate_only(family.attribute(), args, errors), None),
        };
        let mut item = block::parse_impl(family.attribute(), item, errors)?;
        // Two block attributes on one block: the one below reads the same stages for its own handlers.
        let reads_next = item.attrs.iter().any(|other| attrs::is_one_of(other, attrs::BLOCKS));
        let stages = Stages::take(&mut item.attrs, reads_next, errors);
        let is_served = contract::is_served(&item.attrs);
        let mut handlers = Vec::new();
        for method in methods(&mut item) {
            conditional::report_on_method(family.attribute(), &mut method.attrs, &mut method.sig, errors);
            handlers.extend(match contract {
                None => Handler::take(family, method, is_served, errors),
                Some(_) => Some(Handler::of_contract(method, is_served, errors)),
            });
        }
        Some(Self { family, nest, contract, item, stages, handlers })
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
    ///
    /// In a block that `is_served` to a contract by an attribute below, every method has another reader.
    fn take(family: Family, method: &mut ImplItemFn, is_served: bool, errors: &mut Errors) -> Option<Self> {
        let attributes = attrs::take(&mut method.attrs, family.helpers());
        let Some(attribute) = attributes.first() else {
            if !is_served {
                report_idle_stages(family, method, errors);
            }
            return None;
        };
        let kind = match attrs::name(attribute).as_str() {
            "message_pattern" => Kind::Message,
            "event_pattern" => Kind::Event,
            _ => Kind::Bus,
        };
        let mut arguments = argument::read(&method.sig, errors);
        if family == Family::Bus {
            argument::share_events(&mut arguments);
        }
        let (patterns, options) = match family {
            Family::Bus if matches!(attribute.meta, Meta::Path(_)) => {
                (event_of(method, &arguments, attribute, errors), Options::default())
            }
            Family::Bus => {
                let (patterns, options) = named(attribute, errors);
                (patterns.into_iter().map(Pattern::into_topic).collect(), options)
            }
            Family::Micro => named(attribute, errors),
        };
        let limits = take_limits(family, method, is_served, errors);
        let (signature, stages) = leave(method, is_served, errors);
        let others = method.attrs.clone();
        Some(Self { kind, patterns, options, stages, limits, others, signature, arguments, attributes })
    }
}

impl Handler {
    /// Reads a method of a block that serves a contract: each is a handler, and none has a pattern of its own.
    fn of_contract(method: &mut ImplItemFn, is_served: bool, errors: &mut Errors) -> Self {
        for attribute in attrs::take(&mut method.attrs, attrs::HANDLERS) {
            errors.on(&attribute, "the contract has the pattern of this method: leave this out");
        }
        let arguments = argument::read(&method.sig, errors);
        let limits = take_limits(Family::Micro, method, is_served, errors);
        let (signature, stages) = leave(method, is_served, errors);
        let others = method.attrs.clone();
        Self {
            attributes: Vec::new(),
            kind: Kind::Contract,
            patterns: Vec::new(),
            options: Options::default(),
            stages,
            limits,
            others,
            signature,
            arguments,
        }
    }

    /// The type of the payload argument.
    pub(crate) fn payload(&self) -> Option<&Type> {
        let is_payload = |argument: &&Argument| matches!(argument.source, Source::Payload | Source::RawPayload);
        self.arguments.iter().find(is_payload).map(|argument| &argument.ty)
    }
}

/// Takes what ends a handler, and leaves what others read: a block that serves a contract all of it, an HTTP route the
/// timeout, and the event bus nothing.
fn take_limits(family: Family, method: &mut ImplItemFn, is_served: bool, errors: &mut Errors) -> Limits {
    let is_route = method.attrs.iter().any(|other| attrs::is_one_of(other, attrs::VERBS));
    if family == Family::Bus {
        let reads_next =
            is_served || is_route || method.attrs.iter().any(|other| attrs::is_one_of(other, attrs::HANDLERS));
        for attribute in if reads_next { Vec::new() } else { attrs::take(&mut method.attrs, limits::LIMITS) } {
            let message = match attrs::name(&attribute).as_str() {
                "handler_timeout" => {
                    "the event bus has a limit for all subscribers: `EventBusOptions::handler_timeout`"
                }
                _ => "nobody waits for a subscriber of the event bus with a deadline or a connection: leave this out",
            };
            errors.on(&attribute.meta, message);
        }
        return Limits::default();
    }
    let limits = Limits::read(&method.attrs, errors);
    if !is_served {
        let read_next: &[&str] = if is_route { &["cancel_on_disconnect", "run_to_completion"] } else { limits::LIMITS };
        attrs::take(&mut method.attrs, read_next);
    }
    if let (true, Some(complete)) = (is_route, limits.complete()) {
        errors.on(&complete.meta, limits::COMPLETE_ON_ROUTE);
    }
    limits
}

/// Takes the stages and markers of a method, and its signature as it was written.
///
/// As for the block: whoever reads this method next finds it as we did. That is a handler's attribute that is still
/// there, or a block that serves a contract.
fn leave(method: &mut ImplItemFn, is_served: bool, errors: &mut Errors) -> (Signature, Stages) {
    let reads_next = is_served || method.attrs.iter().any(|other| attrs::is_one_of(other, attrs::HANDLERS));
    let is_route = method.attrs.iter().any(|other| attrs::is_one_of(other, attrs::VERBS));
    let stages = Stages::take(&mut method.attrs, reads_next || is_route, errors);
    let signature = method.sig.clone();
    if is_route {
        argument::check_route(&signature, true, errors);
    }
    if !reads_next {
        argument::strip_markers(&mut method.sig);
    }
    (signature, stages)
}

/// The patterns that an attribute lists.
fn named(attribute: &Attribute, errors: &mut Errors) -> (Vec<Pattern>, Options) {
    attrs::required_tokens(attribute, "\"math.add\"", errors)
        .map(|tokens| pattern::declaration(tokens, errors))
        .unwrap_or_default()
}

/// `#[on_event]` without a name: the argument has it.
fn event_of(method: &ImplItemFn, arguments: &[Argument], attribute: &Attribute, errors: &mut Errors) -> Vec<Pattern> {
    let event = arguments.iter().find_map(|argument| match argument.source {
        Source::Payload => Some(&argument.ty),
        Source::SharedPayload => types::only_argument(&argument.ty, "Arc"),
        _ => None,
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
    let elsewhere =
        |attribute| attrs::is_one_of(attribute, attrs::VERBS) || attrs::is_one_of(attribute, attrs::HANDLERS);
    if method.attrs.iter().any(elsewhere) {
        return;
    }
    let add = format!("#[{}(\"…\")]", family.helpers()[0]);
    limits::report_idle(&method.sig.ident, &mut method.attrs, &add, errors);
    for attribute in attrs::take(&mut method.attrs, attrs::STAGES) {
        errors.on(
            &attribute,
            format_args!("`{}` is no handler, so nothing would run this: add `{add}`", method.sig.ident),
        );
    }
}
