//! The block as data: a prefix, and a method, a verb and a path per route.

use proc_macro2::TokenStream;
use syn::parse::{ParseStream, Parser};
use syn::{Attribute, ImplItem, ImplItemFn, ItemImpl, LitStr, Meta, Signature};

use crate::attrs::{self, Stages};
use crate::block;
use crate::conditional;
use crate::contract;
use crate::diag::Errors;
use crate::limits::{self, Limits};
use crate::paths::{self, Nest};
use crate::routes;

pub(crate) struct Controller {
    pub(crate) nest: Nest,
    /// The user's block, without the attributes that were read.
    pub(crate) item: ItemImpl,
    /// Before every path of the block; `None` when it is not given.
    pub(crate) prefix: Option<LitStr>,
    pub(crate) methods: Vec<Method>,
    /// Around every route, outside the route's own.
    pub(crate) stages: Stages,
    /// Stage attributes that no HTTP route can read.
    pub(crate) unread: Vec<Attribute>,
}

/// A method that answers requests, to one path or several.
pub(crate) struct Method {
    pub(crate) signature: Signature,
    /// The attributes that stayed on the method.
    pub(crate) others: Vec<Attribute>,
    pub(crate) routes: Vec<Route>,
    pub(crate) stages: Stages,
    /// What ends it before it is done.
    pub(crate) limits: Limits,
}

pub(crate) struct Route {
    pub(crate) attribute: Attribute,
    /// `get`, `post`, …
    pub(crate) verb: String,
    /// `None` for the prefix itself.
    pub(crate) path: Option<LitStr>,
}

impl Controller {
    /// Reads a block. What reads as an impl block is always returned, so that the user's methods survive any error.
    pub(crate) fn parse(args: TokenStream, item: TokenStream, errors: &mut Errors) -> Option<Self> {
        let (nest, arguments) = paths::arguments(args, errors);
        let mut prefix = None;
        for argument in arguments {
            match syn::parse2::<LitStr>(argument.clone()) {
                Ok(path) if prefix.is_none() => prefix = Some(path),
                _ => errors.on(argument, "`#[controller]` takes one path, as in `#[controller(\"/math\")]`"),
            }
        }
        let mut item = block::parse_impl("controller", item, errors)?;
        let mut unread = unreadable(&item.attrs);
        let reads_next = item.attrs.iter().any(|other| attrs::is_one_of(other, attrs::BLOCKS));
        let stages = Stages::take(&mut item.attrs, reads_next, errors);
        let is_served = contract::is_served(&item.attrs);
        let mut methods = Vec::new();
        for part in &mut item.items {
            if let ImplItem::Fn(method) = part {
                conditional::report_on_method("controller", &mut method.attrs, &mut method.sig, errors);
                methods.extend(Method::take(method, is_served, &mut unread, errors));
            }
        }
        Some(Self { nest, item, prefix, methods, stages, unread })
    }
}

impl Method {
    /// Reads a method and takes its verbs away; `None` for a method that answers no requests.
    ///
    /// In a block that `is_served` to a contract too, every method has another reader.
    fn take(
        method: &mut ImplItemFn,
        is_served: bool,
        unread: &mut Vec<Attribute>,
        errors: &mut Errors,
    ) -> Option<Self> {
        let verbs = attrs::take(&mut method.attrs, attrs::VERBS);
        if verbs.is_empty() {
            if !is_served {
                report_idle_stages(method, errors);
            }
            return None;
        }
        unread.extend(unreadable(&method.attrs));
        let reads_next = is_served || method.attrs.iter().any(|other| attrs::is_one_of(other, attrs::HANDLERS));
        let stages = Stages::take(&mut method.attrs, reads_next, errors);
        let limits = take_limits(method, reads_next, errors);
        routes::check_route(&method.sig, reads_next, errors);
        if !reads_next {
            routes::strip_markers(&mut method.sig);
        }
        let routes = verbs.into_iter().map(|attribute| Route {
            verb: attrs::name(&attribute),
            path: path(&attribute, errors),
            attribute,
        });
        let routes = routes.collect();
        Some(Self { routes, stages, limits, signature: method.sig.clone(), others: method.attrs.clone() })
    }
}

/// Takes what ends a route, and leaves it where messages to the same method read it next. axum drops a route with its
/// caller, whatever it says.
fn take_limits(method: &mut ImplItemFn, reads_next: bool, errors: &mut Errors) -> Limits {
    let mut ignored = Errors::default();
    // Whoever reads next says what is wrong.
    let limits = Limits::read(&method.attrs, if reads_next { &mut ignored } else { errors });
    if let Some(complete) = limits.complete() {
        errors.on(&complete.meta, limits::COMPLETE_ON_ROUTE);
        attrs::take(&mut method.attrs, &["run_to_completion"]);
    }
    if reads_next {
        return limits;
    }
    if let Some(cancel) = limits.cancel() {
        errors.on(&cancel.meta, "an HTTP route ends with its caller as it is: leave this out");
    }
    attrs::take(&mut method.attrs, limits::LIMITS);
    limits
}

fn unreadable(attributes: &[Attribute]) -> Vec<Attribute> {
    attributes.iter().filter(|attribute| attrs::is_one_of(attribute, attrs::MESSAGE_STAGES)).cloned().collect()
}

/// A stage around no route would be a guard that guards nothing.
fn report_idle_stages(method: &mut ImplItemFn, errors: &mut Errors) {
    if method.attrs.iter().any(|attribute| attrs::is_one_of(attribute, attrs::HANDLERS)) {
        return;
    }
    limits::report_idle(&method.sig.ident, &mut method.attrs, "#[get(\"/…\")]", errors);
    for attribute in attrs::take(&mut method.attrs, attrs::STAGES) {
        let name = &method.sig.ident;
        errors.on(&attribute, format_args!("`{name}` is no route, so nothing would run this: add `#[get(\"/…\")]`"));
    }
}

/// The path in `#[get("/sum")]`.
fn path(attribute: &Attribute, errors: &mut Errors) -> Option<LitStr> {
    let expected = || format!("expected a path: `#[{}(\"/sum\")]`", attrs::name(attribute));
    let list = match &attribute.meta {
        Meta::Path(_) => return None,
        Meta::List(list) => list,
        Meta::NameValue(_) => {
            errors.on(&attribute.meta, expected());
            return None;
        }
    };
    if list.tokens.is_empty() {
        return None;
    }
    let path = |input: ParseStream<'_>| {
        let path: LitStr = input.parse().map_err(|error| syn::Error::new(error.span(), expected()))?;
        if input.is_empty() { Ok(path) } else { Err(input.error(expected())) }
    };
    errors.keep(path.parse2(list.tokens.clone()))
}
