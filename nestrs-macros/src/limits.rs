//! What ends a handler before it is done: `#[cancel_on_disconnect]`, `#[run_to_completion]`, `#[handler_timeout("5s")]`.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Attribute, Expr, ExprLit, Ident, Lit, Type};

use crate::attrs;
use crate::diag::Errors;
use crate::paths::located;
use crate::types::without_self;

/// The attributes that say so, each on one handler.
pub(crate) const LIMITS: &[&str] = &["cancel_on_disconnect", "run_to_completion", "handler_timeout"];

/// An HTTP route is its connection's: what is not done when that ends is dropped.
pub(crate) const COMPLETE_ON_ROUTE: &str =
    "an HTTP route ends with its caller: give what must be done to `tokio::spawn`, and wait for the task";

/// What stands on one handler. At most one attribute of each name when it is right, and one ending.
#[derive(Default)]
pub(crate) struct Limits {
    cancel: Option<Attribute>,
    complete: Option<Attribute>,
    timeout: Option<(Attribute, TokenStream)>,
}

impl Limits {
    /// Reads the attributes of a method; they stay where they are.
    pub(crate) fn read(attributes: &[Attribute], errors: &mut Errors) -> Self {
        let mut limits = Self::default();
        for attribute in attributes.iter().filter(|attribute| attrs::is_one_of(attribute, LIMITS)) {
            let name = attrs::name(attribute);
            let is_first = match name.as_str() {
                "cancel_on_disconnect" => {
                    attrs::expect_bare(attribute, errors);
                    limits.cancel.replace(attribute.clone()).is_none()
                }
                "run_to_completion" => {
                    attrs::expect_bare(attribute, errors);
                    limits.complete.replace(attribute.clone()).is_none()
                }
                _ => {
                    let tokens = attrs::required_tokens(attribute, "\"5s\"", errors);
                    let timeout = tokens.and_then(|tokens| duration(tokens, errors)).unwrap_or_default();
                    limits.timeout.replace((attribute.clone(), timeout)).is_none()
                }
            };
            if !is_first {
                errors.on(&attribute.meta, format_args!("`#[{name}]` is given twice"));
            }
        }
        if let (Some(_), Some(complete)) = (&limits.cancel, &limits.complete) {
            let message =
                "`#[cancel_on_disconnect]` ends the handler with its caller, and this one lets it go on: keep one";
            errors.on(&complete.meta, message);
        }
        limits
    }

    /// The ending for callers that hang up.
    pub(crate) fn cancel(&self) -> Option<&Attribute> {
        self.cancel.as_ref()
    }

    /// The ending for work that must be done.
    pub(crate) fn complete(&self) -> Option<&Attribute> {
        self.complete.as_ref()
    }

    /// What they add to a handler's row.
    pub(crate) fn setters(&self, service: &Type) -> TokenStream {
        let ending = match (&self.cancel, &self.complete) {
            (Some(_), _) => quote!(.ending(__nest::Ending::Disconnect)),
            (None, Some(_)) => quote!(.ending(__nest::Ending::Completion)),
            (None, None) => TokenStream::new(),
        };
        let timeout = self.timeout(service);
        quote!(#ending #timeout)
    }

    /// What the timeout alone adds.
    pub(crate) fn timeout(&self, service: &Type) -> Option<TokenStream> {
        let (_, timeout) = self.timeout.as_ref().filter(|(_, timeout)| !timeout.is_empty())?;
        let span = located(timeout.span());
        let timeout = without_self(timeout, service);
        Some(quote_spanned!(span=> .timeout(#timeout)))
    }
}

/// Says of attributes on a method that is no handler that there is nothing to end.
pub(crate) fn report_idle(method: &Ident, attributes: &mut Vec<Attribute>, add: &str, errors: &mut Errors) {
    for attribute in attrs::take(attributes, LIMITS) {
        errors.on(&attribute, format_args!("`{method}` is no handler, so there is nothing to end: add `{add}`"));
    }
}

/// The same on a whole block, which says nothing of one handler.
pub(crate) fn report_on_block(attributes: &mut Vec<Attribute>, errors: &mut Errors) {
    for attribute in attrs::take(attributes, LIMITS) {
        errors.on(&attribute, on_block(&attrs::name(&attribute)));
    }
}

/// What is said of one that stands on a block.
pub(crate) fn on_block(name: &str) -> String {
    match name {
        "handler_timeout" => {
            format!("`#[{name}]` stands on one handler; for all of a server it is an option, `handler_timeout`")
        }
        name => format!("`#[{name}]` stands on one handler, since it says how the work in it may end"),
    }
}

/// `"500ms"`, or a constant of the type `Duration`.
fn duration(tokens: TokenStream, errors: &mut Errors) -> Option<TokenStream> {
    let expression = errors.keep(syn::parse2::<Expr>(tokens))?;
    match &expression {
        Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => match milliseconds(&text.value()) {
            Some(0) => {
                errors.on(text, "no handler is done in no time");
                None
            }
            Some(milliseconds) => Some(quote!(::core::time::Duration::from_millis(#milliseconds))),
            None => {
                errors.on(text, "expected a time such as `\"500ms\"`, `\"5s\"`, `\"2m\"` or `\"1h\"`");
                None
            }
        },
        Expr::Lit(_) | Expr::Unary(_) => {
            errors.on(&expression, "of what? Write `\"500ms\"`, `\"5s\"`, or a constant of the type `Duration`");
            None
        }
        _ => Some(quote!(#expression)),
    }
}

fn milliseconds(text: &str) -> Option<u64> {
    let digits = text.find(|char: char| !char.is_ascii_digit())?;
    let (count, unit) = text.split_at(digits);
    let unit = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return None,
    };
    count.parse::<u64>().ok()?.checked_mul(unit)
}

#[cfg(test)]
mod tests {
    use syn::{ItemFn, parse_str};

    use super::*;
    use crate::diag::assert_errors;

    #[track_caller]
    fn check(attributes: &str, expected: &[(&str, &str)]) -> Limits {
        let item: ItemFn = parse_str(&format!("{attributes} fn f() {{}}")).unwrap();
        let mut errors = Errors::default();
        let limits = Limits::read(&item.attrs, &mut errors);
        assert_errors(errors, expected);
        limits
    }

    fn setters(attributes: &str) -> String {
        let service = parse_str("Reports").unwrap();
        check(attributes, &[]).setters(&service).to_string().replace(' ', "")
    }

    #[test]
    fn each_becomes_a_setter_of_the_row() {
        assert_eq!(setters("#[doc = \"a\"]"), "");
        assert_eq!(setters("#[cancel_on_disconnect]"), ".ending(__nest::Ending::Disconnect)");
        assert_eq!(
            setters("#[nestrs::run_to_completion] #[handler_timeout(\"2m\")]"),
            ".ending(__nest::Ending::Completion).timeout(::core::time::Duration::from_millis(120000u64))"
        );
        assert_eq!(setters("#[handler_timeout(Self::LONG)]"), ".timeout(<Reports>::LONG)");
    }

    #[test]
    fn mistakes_are_errors_on_themselves() {
        let cancel = "#[cancel_on_disconnect]";
        check(&format!("{cancel} #[run_to_completion]"), &[("run_to_completion", "keep one")]);
        check(&format!("{cancel} {cancel}"), &[("cancel_on_disconnect", "twice")]);
        check("#[run_to_completion(true)]", &[("run_to_completion(true)", "no arguments")]);
        check("#[handler_timeout]", &[("handler_timeout", "expected")]);
        check("#[handler_timeout(5)]", &[("5", "of what?")]);
        check("#[handler_timeout(\"5 s\")]", &[("\"5 s\"", "expected a time")]);
        check("#[handler_timeout(\"s\")]", &[("\"s\"", "expected a time")]);
        check("#[handler_timeout(\"99999999999999999999h\")]", &[("\"99999999999999999999h\"", "expected a time")]);
        check("#[handler_timeout(\"0s\")]", &[("\"0s\"", "no time")]);
    }
}
