//! Patterns as they stand in `#[message_pattern(…)]` and `pattern!(…)`: JSON in Rust's clothes.
//!
//! Reading checks the grammar only. What a pattern may mean is [`check()`]'s business, and [`Pattern::route`] tells which
//! patterns are the same one.

mod check;
mod expand;
mod options;
#[cfg(test)]
mod tests;

use proc_macro2::{Span, TokenStream};
use quote::ToTokens;
use syn::buffer::Cursor;
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream, Parser};
use syn::{Error, Ident, Lit, LitBool, LitStr, Path, Token, Type, braced, bracketed, token};

use crate::diag::Errors;
use crate::paths;

pub(crate) use check::{check, check_list};
pub(crate) use options::Options;

/// One pattern, or a value inside one.
pub(crate) struct Pattern {
    /// As it is written, for errors to point at.
    pub(crate) tokens: TokenStream,
    pub(crate) value: Value,
}

pub(crate) enum Value {
    Null,
    Bool(bool),
    Number(f64),
    Text(String),
    Array(Vec<Pattern>),
    Object(Vec<Member>),
    /// A constant string, known to the compiler but not to us.
    Constant(Path),
    /// The same, as what a subscriber of the bus listens to: the compiler checks it as it checks a literal.
    Topic(Path),
    /// The name of an event that is a type.
    NameOf(Box<Type>),
}

pub(crate) struct Member {
    pub(crate) key: String,
    pub(crate) key_span: Span,
    pub(crate) value: Pattern,
}

impl Pattern {
    /// The name of the event that a handler's argument is.
    pub(crate) fn of_event(ty: &Type) -> Self {
        Self { tokens: ty.to_token_stream(), value: Value::NameOf(Box::new(ty.clone())) }
    }

    /// The same for a subscriber of the bus.
    pub(crate) fn into_topic(mut self) -> Self {
        if let Value::Constant(path) = self.value {
            self.value = Value::Topic(path);
        }
        self
    }

    /// The text of a string pattern.
    pub(crate) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }
}

impl Parse for Pattern {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let start = input.cursor();
        let value = if input.peek(token::Brace) {
            object(input)?
        } else if input.peek(token::Bracket) {
            Value::Array(list(input)?)
        } else if input.peek(Ident::peek_any) && !input.peek(LitBool) || input.peek(Token![::]) {
            match input.parse::<Path>()? {
                path if path.is_ident("null") => Value::Null,
                path => Value::Constant(path),
            }
        } else {
            literal(input)?
        };
        Ok(Self { tokens: between(start, input.cursor()), value })
    }
}

fn between(mut start: Cursor<'_>, end: Cursor<'_>) -> TokenStream {
    let mut tokens = TokenStream::new();
    while start != end
        && let Some((token, rest)) = start.token_tree()
    {
        tokens.extend([token]);
        start = rest;
    }
    tokens
}

/// `[…]` with whatever patterns are in it.
fn list(input: ParseStream<'_>) -> syn::Result<Vec<Pattern>> {
    let content;
    bracketed!(content in input);
    Ok(content.parse_terminated(Pattern::parse, Token![,])?.into_iter().collect())
}

/// `{ key: value, "other key": value }`
fn object(input: ParseStream<'_>) -> syn::Result<Value> {
    let content;
    braced!(content in input);
    Ok(Value::Object(content.parse_terminated(member, Token![,])?.into_iter().collect()))
}

fn member(input: ParseStream<'_>) -> syn::Result<Member> {
    let key_span = input.span();
    let key = if input.peek(LitStr) {
        input.parse::<LitStr>()?.value()
    } else if input.peek(Ident::peek_any) {
        input.call(Ident::parse_any)?.unraw().to_string()
    } else {
        return Err(input.error("expected a key: a name or a string"));
    };
    input.parse::<Token![:]>()?;
    Ok(Member { key, key_span, value: input.parse()? })
}

fn literal(input: ParseStream<'_>) -> syn::Result<Value> {
    const EXPECTED: &str =
        "expected a string, a number, an object like `{ cmd: \"sum\" }`, or the name of a constant string";
    let sign = input.parse::<Option<Token![-]>>()?;
    let literal: Lit = input.parse().map_err(|error| Error::new(error.span(), EXPECTED))?;
    let (digits, suffix) = match &literal {
        Lit::Int(number) => (number.base10_digits(), number.suffix()),
        Lit::Float(number) => (number.base10_digits(), number.suffix()),
        Lit::Str(text) if sign.is_none() => return Ok(Value::Text(text.value())),
        Lit::Bool(truth) if sign.is_none() => return Ok(Value::Bool(truth.value)),
        _ => return Err(Error::new_spanned(literal, EXPECTED)),
    };
    if !suffix.is_empty() {
        return Err(Error::new_spanned(&literal, format_args!("a number in a pattern has no type: drop `{suffix}`")));
    }
    match digits.parse::<f64>() {
        Ok(number) if number.is_finite() => Ok(Value::Number(if sign.is_some() { -number } else { number })),
        _ => Err(Error::new_spanned(&literal, "this number is out of the range of JSON numbers")),
    }
}

/// What a handler's attribute says: its patterns, and the options behind them.
pub(crate) fn declaration(tokens: TokenStream, errors: &mut Errors) -> (Vec<Pattern>, Options) {
    let mut options = TokenStream::new();
    let read = |input: ParseStream<'_>| {
        let patterns = of_handler(input)?;
        options = input.parse()?;
        Ok(patterns)
    };
    let patterns = errors.keep(read.parse2(tokens)).unwrap_or_default();
    (patterns, Options::read(options, errors))
}

/// The patterns of one handler: one, or several in a list. Options may be left behind them.
fn of_handler(input: ParseStream<'_>) -> syn::Result<Vec<Pattern>> {
    let patterns = if input.peek(token::Bracket) {
        let start = input.cursor();
        let patterns = list(input)?;
        if patterns.is_empty() {
            return Err(Error::new_spanned(between(start, input.cursor()), "an empty list names no pattern"));
        }
        patterns
    } else {
        vec![input.parse()?]
    };
    if input.peek(Token![=]) && matches!(patterns.as_slice(), [Pattern { value: Value::Constant(_), .. }]) {
        let message = "the pattern comes first: `\"orders\", transport = tcp`";
        return Err(Error::new_spanned(&patterns[0].tokens, message));
    }
    if input.peek(Token![,]) && input.peek2(Ident::peek_any) && input.peek3(Token![=]) {
        input.parse::<Token![,]>()?;
        return Ok(patterns);
    }
    if input.peek(Token![,]) {
        return Err(input.error("several patterns stand in a list: `[\"math.add\", \"math.sum\"]`"));
    }
    if !input.is_empty() {
        return Err(input.error("a pattern is one literal or one name, and nothing comes after it"));
    }
    Ok(patterns)
}

/// `pattern!(…)`: the tokens of an expression of type `Pattern`.
pub(crate) fn macro_call(input: TokenStream) -> (TokenStream, Errors) {
    let mut errors = Errors::default();
    let (nest, input) = paths::leading_crate(input, &mut errors);
    if !errors.is_empty() {
        return (TokenStream::new(), errors);
    }
    let Some(pattern) = errors.keep(syn::parse2::<Pattern>(input)) else { return (TokenStream::new(), errors) };
    check(&pattern, &mut errors);
    let import = nest.import();
    let literal = pattern.to_token_stream();
    let expression = quote::quote!({
        #import
        static __LITERAL: __nest::LiteralPattern = __nest::LiteralPattern::new(#literal);
        __LITERAL.pattern()
    });
    (expression, errors)
}
