//! Literals that are patterns, again and again.

use std::sync::OnceLock;

use super::{Pattern, PatternLiteral};

/// A literal that `pattern!` has checked. Its texts are made once for each place in the source, and never freed: a call
/// that is made again allocates nothing for its pattern.
#[derive(Debug)]
pub struct LiteralPattern {
    literal: PatternLiteral,
    made: OnceLock<Pattern>,
}

impl LiteralPattern {
    /// For a `static`.
    #[must_use]
    pub const fn new(literal: PatternLiteral) -> Self {
        Self { literal, made: OnceLock::new() }
    }

    /// The pattern, which borrows its texts.
    ///
    /// # Panics
    /// Never for a literal that the macro accepted.
    #[must_use]
    pub fn pattern(&'static self) -> Pattern {
        let made = self.made.get_or_init(|| match Pattern::from_literal(&self.literal) {
            Ok(pattern) => Pattern { json: Some(pattern.json().into_owned().into()), ..pattern },
            Err(error) => unreachable!("`pattern!` accepted a literal that is no pattern: {error}"),
        });
        Pattern { route: (&*made.route).into(), json: made.json.as_deref().map(Into::into) }
    }
}
