//! What may follow the patterns of a handler: `transport = tcp, extras = { queue: "workers" }`.

use proc_macro2::TokenStream;
use quote::{ToTokens, format_ident, quote};
use syn::parse::{ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::{Ident, LitStr, Path, Token, bracketed, token};

use super::{Member, Value, between, object};
use crate::diag::Errors;
use crate::paths;

/// The transports that have names of their own; NestJS's, and the one for tests.
const KNOWN: &[&str] = &["tcp", "redis", "nats", "mqtt", "rmq", "kafka", "grpc", "memory"];

#[derive(Default)]
pub(crate) struct Options {
    /// Empty for every transport.
    pub(crate) transports: Vec<Transport>,
    pub(crate) extras: Vec<Member>,
    /// Which transports were meant cannot be known; one mistake is not to look like two.
    unreadable: bool,
}

pub(crate) struct Transport {
    pub(crate) name: String,
    /// As it is written, for errors to point at.
    tokens: TokenStream,
}

impl Options {
    /// Reads `tokens`, one option after the other, so that a mistake in one leaves the others readable.
    pub(crate) fn read(tokens: TokenStream, errors: &mut Errors) -> Self {
        let mut options = Self::default();
        let mut seen: Vec<Ident> = Vec::new();
        for argument in paths::at_commas(tokens) {
            let split = |input: ParseStream<'_>| -> syn::Result<(Ident, TokenStream)> {
                let name = input.parse::<Ident>()?;
                input.parse::<Token![=]>()?;
                Ok((name, input.parse()?))
            };
            let Some((name, value)) = errors.keep(split.parse2(argument)) else { continue };
            if seen.contains(&name) {
                errors.on(&name, format_args!("`{name}` is given twice"));
                continue;
            }
            match name.to_string().as_str() {
                "transport" => match errors.keep(transports.parse2(value)) {
                    Some(transports) => options.transports = transports,
                    None => options.unreadable = true,
                },
                "extras" => options.extras = errors.keep(extras.parse2(value)).unwrap_or_default(),
                other => errors.on(&name, format_args!("`{other}` is no option: there are `transport` and `extras`")),
            }
            seen.push(name);
        }
        options
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.transports.is_empty() && self.extras.is_empty()
    }

    /// Reports what is given twice.
    pub(crate) fn check(&self, errors: &mut Errors) {
        for (index, transport) in self.transports.iter().enumerate() {
            if self.transports[..index].iter().any(|earlier| earlier.name == transport.name) {
                errors.on(&transport.tokens, format_args!("the transport `{}` is given twice", transport.name));
            }
        }
        check_members(&self.extras, errors);
    }

    /// Whether some transport would serve handlers with both.
    pub(crate) fn shares_a_transport(&self, other: &Self) -> bool {
        let names = |transport: &Transport| other.transports.iter().any(|theirs| theirs.name == transport.name);
        let overlap = self.transports.is_empty() || other.transports.is_empty() || self.transports.iter().any(names);
        overlap && !self.unreadable && !other.unreadable
    }

    /// `.transports(&[…]).extras(&[…])`, behind the row of a handler; nothing where nothing was said.
    pub(crate) fn setters(&self) -> TokenStream {
        let mut setters = TokenStream::new();
        if !self.transports.is_empty() {
            let transports = &self.transports;
            setters.extend(quote!(.transports(&[#(#transports),*])));
        }
        if !self.extras.is_empty() {
            let extras = self.extras.iter().map(|Member { key, value, .. }| quote!((#key, #value)));
            setters.extend(quote!(.extras(&[#(#extras),*])));
        }
        setters
    }
}

fn check_members(members: &[Member], errors: &mut Errors) {
    for (index, member) in members.iter().enumerate() {
        if members[..index].iter().any(|earlier| earlier.key == member.key) {
            errors.at(member.key_span, format_args!("`{}` is given twice", member.key));
        }
        check_value(&member.value.value, errors);
    }
}

fn check_value(value: &Value, errors: &mut Errors) {
    match value {
        Value::Object(members) => check_members(members, errors),
        Value::Array(items) => items.iter().for_each(|item| check_value(&item.value, errors)),
        _ => {}
    }
}

/// One transport, or several in a list.
fn transports(input: ParseStream<'_>) -> syn::Result<Vec<Transport>> {
    if !input.peek(token::Bracket) {
        return Ok(vec![transport(input)?]);
    }
    let content;
    let brackets = bracketed!(content in input);
    let transports: Vec<_> =
        Punctuated::<_, Token![,]>::parse_terminated_with(&content, transport)?.into_iter().collect();
    if transports.is_empty() {
        return Err(syn::Error::new(brackets.span.join(), "an empty list names no transport"));
    }
    Ok(transports)
}

fn transport(input: ParseStream<'_>) -> syn::Result<Transport> {
    if input.peek(LitStr) {
        let name: LitStr = input.parse()?;
        if name.value().is_empty() {
            return Err(syn::Error::new_spanned(name, "the name of a transport cannot be empty"));
        }
        return Ok(Transport { name: name.value(), tokens: name.to_token_stream() });
    }
    let expected = || format!("expected {}, or the name of a transport of your own in quotes", listed(KNOWN));
    let path: Path = input.parse().map_err(|error| syn::Error::new(error.span(), expected()))?;
    // `Transport::TCP` is what NestJS writes.
    let name = path.segments.last().map(|last| last.ident.to_string()).unwrap_or_default();
    match KNOWN.iter().find(|known| **known == name.to_lowercase()) {
        Some(_) if path.is_ident(&name) && !name.contains(char::is_uppercase) => {
            Ok(Transport { name, tokens: path.to_token_stream() })
        }
        Some(known) => Err(syn::Error::new_spanned(path, format_args!("write `{known}`"))),
        None => Err(syn::Error::new_spanned(path, expected())),
    }
}

fn listed(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

fn extras(input: ParseStream<'_>) -> syn::Result<Vec<Member>> {
    if !input.peek(token::Brace) {
        return Err(input.error("expected an object like `{ queue: \"workers\" }`"));
    }
    let start = input.cursor();
    match object(input)? {
        Value::Object(members) if members.is_empty() => {
            Err(syn::Error::new_spanned(between(start, input.cursor()), "there are no extras in here"))
        }
        Value::Object(members) => Ok(members),
        _ => unreachable!("`object` reads an object"),
    }
}

/// `TransportId::TCP`, or `TransportId::custom("…")`.
impl ToTokens for Transport {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let name = &self.name;
        tokens.extend(if KNOWN.contains(&name.as_str()) {
            let constant = format_ident!("{}", name.to_uppercase());
            quote!(__nest::TransportId::#constant)
        } else {
            quote!(__nest::TransportId::custom(#name))
        });
    }
}
