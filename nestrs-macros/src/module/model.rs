//! The arguments of `#[module]` as data: lists and a flag.

use proc_macro2::{Ident, TokenStream};
use syn::parse::discouraged::Speculative;
use syn::parse::{Parse, ParseStream, Parser};
use syn::{Attribute, Expr, Generics, Item, LitBool, LitStr, PathArguments, Token, Type, bracketed, token};

use crate::attrs;
use crate::diag::Errors;
use crate::paths::{self, Nest};

pub(crate) struct Module {
    pub(crate) nest: Nest,
    pub(crate) item: Item,
    pub(crate) ident: Ident,
    pub(crate) generics: Generics,
    pub(crate) cfgs: Vec<Attribute>,
    /// In the order of [`LISTS`].
    pub(crate) lists: Vec<List>,
    pub(crate) global: bool,
}

/// The lists a module may have, in the order in which they are written out.
pub(crate) const LISTS: [&str; 9] =
    ["imports", "providers", "controllers", "microservices", "exports", "interceptors", "guards", "pipes", "filters"];
/// Those of them that list stages.
pub(crate) const STAGES: [&str; 4] = ["interceptors", "guards", "pipes", "filters"];

pub(crate) struct List {
    pub(crate) key: &'static str,
    pub(crate) entries: Vec<Entry>,
}

/// One item of a list.
pub(crate) enum Entry {
    /// A type: `MathService`, or `dyn Repository` among exports.
    Type(Box<Type>),
    /// `PgRepository as dyn Repository`
    Cast(Box<Type>, Box<Type>),
    /// `"NAME"`
    Name(LitStr),
    /// Anything else.
    Value(Box<Expr>),
}

impl Module {
    /// Reads an item. What has a name is always returned, with or without errors.
    pub(crate) fn parse(args: TokenStream, item: TokenStream, errors: &mut Errors) -> Option<Self> {
        let (nest, arguments) = paths::arguments(args, errors);
        let item = errors.keep(syn::parse2::<Item>(item))?;
        let (ident, generics, attributes) = match &item {
            Item::Struct(item) => (&item.ident, &item.generics, &item.attrs),
            Item::Enum(item) => {
                errors.on(item.enum_token, STRUCT_ONLY);
                (&item.ident, &item.generics, &item.attrs)
            }
            Item::Union(item) => {
                errors.on(item.union_token, STRUCT_ONLY);
                (&item.ident, &item.generics, &item.attrs)
            }
            other => {
                errors.on(other, STRUCT_ONLY);
                return None;
            }
        };
        let (ident, generics) = (ident.clone(), generics.clone());
        let cfgs = attrs::cfgs(attributes).into_iter().cloned().collect();
        let mut module = Self { nest, item, ident, generics, cfgs, lists: Vec::new(), global: false };
        let mut seen = Vec::new();
        for argument in arguments {
            module.read(argument, &mut seen, errors);
        }
        module.lists.sort_by_key(|list| LISTS.iter().position(|key| *key == list.key));
        Some(module)
    }

    /// A definition can be written for one type, not for a family of them.
    pub(crate) fn is_concrete(&self) -> bool {
        self.generics.params.is_empty()
    }

    /// `key = value`, or `global` alone.
    fn read(&mut self, argument: TokenStream, seen: &mut Vec<Ident>, errors: &mut Errors) {
        let parse = |input: ParseStream<'_>| {
            let key: Ident = input.parse().map_err(|error| syn::Error::new(error.span(), EXPECTED))?;
            let value = if input.is_empty() {
                None
            } else {
                input.parse::<Token![=]>()?;
                Some(input.parse::<TokenStream>()?)
            };
            Ok((key, value))
        };
        let Some((key, value)) = errors.keep(parse.parse2(argument)) else { return };
        let list = LISTS.into_iter().find(|list| key == list);
        if list.is_none() && key != "global" {
            errors.on(key, EXPECTED);
            return;
        }
        if seen.contains(&key) {
            errors.on(&key, format_args!("`{key}` is given twice: put everything in one list"));
        }
        seen.push(key.clone());
        match list {
            Some(list) => self.lists.push(List { key: list, entries: entries(&key, value, errors) }),
            None => self.global = is_global(&key, value, errors),
        }
    }
}

const STRUCT_ONLY: &str = "`#[module]` stands on a struct, which is the module's name and usually empty";
const EXPECTED: &str = "expected `imports`, `providers`, `controllers`, `microservices`, `exports`, `interceptors`, `guards`, `pipes` or \
     `filters` with a list, or `global`";

fn is_global(key: &Ident, value: Option<TokenStream>, errors: &mut Errors) -> bool {
    let Some(value) = value else { return true };
    match syn::parse2::<LitBool>(value) {
        Ok(truth) => truth.value,
        Err(_) => {
            errors.on(key, "write `global` alone, or `global = false`");
            false
        }
    }
}

fn entries(key: &Ident, value: Option<TokenStream>, errors: &mut Errors) -> Vec<Entry> {
    let expected = || format!("expected a list: `{key} = [First, Second]`");
    let Some(value) = value else {
        errors.on(key, expected());
        return Vec::new();
    };
    let mut entries = Vec::new();
    let mut list = |input: ParseStream<'_>| {
        if !input.peek(token::Bracket) {
            return Err(syn::Error::new_spanned(input.parse::<TokenStream>()?, expected()));
        }
        let content;
        bracketed!(content in input);
        while !content.is_empty() {
            entries.push(content.parse()?);
            if !content.is_empty() {
                content.parse::<Token![,]>()?;
            }
        }
        if input.is_empty() { Ok(()) } else { Err(input.error("expected `,`")) }
    };
    let outcome = Parser::parse2(&mut list, value);
    errors.keep(outcome);
    entries
}

impl Parse for Entry {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        if input.peek(LitStr) && !input.peek2(Token![.]) {
            return Ok(Self::Name(input.parse()?));
        }
        let ahead = input.fork();
        if let Ok(ty) = ahead.parse::<Type>().and_then(plain) {
            if ahead.parse::<Option<Token![as]>>()?.is_some() {
                let cast = ahead.parse()?;
                input.advance_to(&ahead);
                return Ok(Self::Cast(Box::new(ty), Box::new(cast)));
            }
            if ahead.is_empty() || ahead.peek(Token![,]) {
                input.advance_to(&ahead);
                return Ok(Self::Type(Box::new(ty)));
            }
        }
        Ok(Self::Value(Box::new(input.parse()?)))
    }
}

/// `register(config)` reads as a type in the manner of `Fn(A)`; here it is a call.
fn plain(ty: Type) -> syn::Result<Type> {
    let is_call = |path: &syn::Path| {
        path.segments.iter().any(|segment| matches!(segment.arguments, PathArguments::Parenthesized(_)))
    };
    match &ty {
        Type::Path(path) if !is_call(&path.path) => Ok(ty),
        Type::TraitObject(object) if object.dyn_token.is_some() => Ok(ty),
        _ => Err(syn::Error::new_spanned(ty, "not a type")),
    }
}
