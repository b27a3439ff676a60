//! The trait as data: a pattern, a payload and a reply per method.

use proc_macro2::TokenStream;
use syn::{Attribute, Expr, FnArg, Ident, Item, ItemTrait, Lit, LitStr, MetaNameValue, Signature, TraitItem, Type};

use crate::attrs;
use crate::block;
use crate::conditional;
use crate::diag::Errors;
use crate::paths::{self, Nest};
use crate::pattern::{self, Pattern};
use crate::types::{self, Returned};

pub(crate) struct Contract {
    pub(crate) nest: Nest,
    /// What the client is registered as, if the contract says so.
    pub(crate) client: Option<LitStr>,
    /// The user's trait, without the attributes that were read.
    pub(crate) item: ItemTrait,
    pub(crate) methods: Vec<Method>,
}

pub(crate) struct Method {
    /// The pattern attributes; exactly one when the trait is right.
    pub(crate) attributes: Vec<Attribute>,
    /// `#[payload]` and `#[ctx]`, which have no place in a contract.
    pub(crate) markers: Vec<Attribute>,
    pub(crate) kind: Kind,
    pub(crate) patterns: Vec<Pattern>,
    /// The attributes that stayed on the method.
    pub(crate) others: Vec<Attribute>,
    pub(crate) signature: Signature,
    pub(crate) payload: Option<Type>,
    pub(crate) reply: Reply,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Message,
    Event,
}

/// What comes back when all is well.
pub(crate) enum Reply {
    /// `()`.
    Nothing,
    One(Value),
    /// The items of a stream.
    Many(Value),
}

/// A value; what stands for `T` where a `Result<T, E>` is declared.
pub(crate) struct Value {
    pub(crate) ty: Type,
    /// A type under another name than `Result`, which might be one all the same.
    pub(crate) is_plain: bool,
}

impl Contract {
    /// Reads a trait. What reads as one is always returned, so that it can be named in spite of any error.
    pub(crate) fn parse(args: TokenStream, item: TokenStream, errors: &mut Errors) -> Option<Self> {
        let (nest, arguments) = paths::arguments(args, errors);
        let mut client = None;
        for argument in arguments {
            match client_name(&argument) {
                Some(name) if client.is_none() => client = Some(name),
                Some(_) => errors.on(argument, "`client` is given twice"),
                None => errors.on(
                    argument,
                    "`#[contract]` takes `client = \"NAME\"`, what the client is registered as, and \
                     `crate = path::to::nestrs`",
                ),
            }
        }
        let mut item = match errors.keep(syn::parse2::<Item>(item))? {
            Item::Trait(item) => item,
            other => {
                errors.on(
                    block::keyword(&other),
                    "`#[contract]` stands on a trait: `#[contract] pub trait Orders { … }`",
                );
                return None;
            }
        };
        let mut methods = Vec::new();
        for part in &mut item.items {
            if let TraitItem::Fn(method) = part {
                conditional::report_on_method("contract", &mut method.attrs, &mut method.sig, errors);
                methods.push(Method::take(&mut method.attrs, &mut method.sig, errors));
            }
        }
        Some(Self { nest, client, item, methods })
    }
}

/// `"ORDERS"` of `client = "ORDERS"`.
fn client_name(argument: &TokenStream) -> Option<LitStr> {
    let argument: MetaNameValue = syn::parse2(argument.clone()).ok()?;
    match argument.value {
        Expr::Lit(literal) if argument.path.is_ident("client") => match literal.lit {
            Lit::Str(name) if !name.value().is_empty() => Some(name),
            _ => None,
        },
        _ => None,
    }
}

impl Method {
    fn take(attributes: &mut Vec<Attribute>, signature: &mut Signature, errors: &mut Errors) -> Self {
        let taken = attrs::take(attributes, &["message_pattern", "event_pattern"]);
        for attribute in attrs::take(attributes, crate::limits::LIMITS) {
            let name = attrs::name(&attribute);
            let message =
                format!("a contract does not say how its handlers end: put `#[{name}]` on the method that serves it");
            errors.on(&attribute.meta, message);
        }
        for attribute in attrs::take(attributes, attrs::STAGES) {
            let name = attrs::name(&attribute);
            let message = format!(
                "a contract does not say what runs around its handlers: put `#[{name}]` on the method that serves it"
            );
            errors.on(&attribute.meta, message);
        }
        let mut markers = Vec::new();
        for input in &mut signature.inputs {
            if let FnArg::Typed(input) = input {
                markers.extend(attrs::take(&mut input.attrs, &["payload", "ctx"]));
            }
        }
        let patterns =
            taken.first().and_then(|attribute| attrs::required_tokens(attribute, "\"orders.create\"", errors));
        let kind = match taken.first().map(attrs::name).as_deref() {
            Some("event_pattern") => Kind::Event,
            _ => Kind::Message,
        };
        let (patterns, options) = patterns.map(|tokens| pattern::declaration(tokens, errors)).unwrap_or_default();
        if !options.is_empty()
            && let Some(attribute) = taken.first()
        {
            errors.on(&attribute.meta, "a contract has patterns alone: transports and extras are the server's affair");
        }
        Self {
            patterns,
            attributes: taken,
            markers,
            kind,
            others: attributes.clone(),
            payload: crate::signature::arguments(signature).next().map(|argument| (*argument.ty).clone()),
            reply: Reply::of(signature),
            signature: signature.clone(),
        }
    }

    pub(crate) fn name(&self) -> &Ident {
        &self.signature.ident
    }
}

impl Reply {
    fn of(signature: &Signature) -> Self {
        let returned = Returned::of(&signature.output);
        match returned.value {
            None => Self::Nothing,
            Some(Type::Tuple(unit)) if unit.elems.is_empty() && returned.error.is_none() => Self::Nothing,
            Some(ty) if returned.is_stream => match types::stream_item(ty) {
                Some(item) => Self::Many(Value::of(item)),
                // Reported by `validate`.
                None => Self::Nothing,
            },
            Some(ty) => Self::One(Value { ty: ty.clone(), is_plain: returned.error.is_none() }),
        }
    }
}

impl Value {
    fn of(item: &Type) -> Self {
        match types::is_named(item, "Result") {
            true => {
                Self { ty: types::type_arguments(item).first().map_or(item, |value| value).clone(), is_plain: false }
            }
            false => Self { ty: item.clone(), is_plain: true },
        }
    }
}
