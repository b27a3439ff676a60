//! What `#[contract]` and the blocks that serve one have to say to each other.
//!
//! A contract is a trait that nobody calls. A block of handlers implements it for a marker of its own, with its
//! handlers' types and with bodies that are never run: so it is the compiler that compares the two, and its words that
//! say where they differ.

use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;

use crate::handler::HandlerKind;
use crate::pattern::PatternLiteral;

/// One method of a contract.
#[derive(Clone, Copy, Debug)]
pub struct ContractMethod {
    /// What it is called in the trait.
    pub name: &'static str,
    /// Whether it is a request or an event.
    pub kind: HandlerKind,
    /// All of these are served; a client sends the first.
    pub patterns: &'static [PatternLiteral],
}

impl ContractMethod {
    /// The method of that name; one without patterns when there is none. A block that has a method too many is told so
    /// where it implements the contract, and once is enough.
    #[must_use]
    pub const fn find(methods: &'static [Self], name: &str) -> Self {
        let mut index = 0;
        while index < methods.len() {
            if is_same(methods[index].name, name) {
                return methods[index];
            }
            index += 1;
        }
        Self { name: "", kind: HandlerKind::Message, patterns: &[] }
    }
}

/// `==`, which constants cannot use yet.
const fn is_same(one: &str, other: &str) -> bool {
    let (one, other) = (one.as_bytes(), other.as_bytes());
    if one.len() != other.len() {
        return false;
    }
    let mut index = 0;
    while index < one.len() {
        if one[index] != other[index] {
            return false;
        }
        index += 1;
    }
    true
}

/// A block of handlers that serves a contract; its macro implements this for a marker.
#[diagnostic::on_unimplemented(
    message = "a contract is not implemented by hand",
    label = "only a block of handlers implements a contract",
    note = "write `#[micro_routes(contract = TheTrait)]` on an inherent block: `impl {Self} {{ … }}`"
)]
pub trait ContractBlock {}

/// Stands for the stream that a handler returns, whatever its type: contracts agree on what the items are.
#[derive(Debug)]
pub struct Streamed<T>(PhantomData<fn() -> T>);

impl<T> Stream for Streamed<T> {
    type Item = T;
    fn poll_next(self: Pin<&mut Self>, _task: &mut Context<'_>) -> Poll<Option<T>> {
        unserved()
    }
}

/// The body of a method that is there to be compared.
///
/// # Panics
/// Always; nobody can call it.
pub fn unserved() -> ! {
    unreachable!("the methods of a contract are compared, not called")
}

/// Tells by its type whether a value is a `Result`: an alias hides that from macros.
#[derive(Debug)]
pub struct IsResult<T>(PhantomData<T>);

impl<T, E> IsResult<Result<T, E>> {
    /// It is one.
    pub const YES: bool = true;
}

/// What is found where [`IsResult`] has nothing to say.
pub trait NoResult {
    /// It is none.
    const YES: bool = false;
}
impl<T> NoResult for IsResult<T> {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_method_is_found_by_its_whole_name() {
        const fn method(name: &'static str) -> ContractMethod {
            ContractMethod { name, kind: HandlerKind::Event, patterns: &[] }
        }
        const METHODS: &[ContractMethod] = &[method("create_all"), method("creates"), method("create")];
        const FOUND: ContractMethod = ContractMethod::find(METHODS, "create");
        assert_eq!(FOUND.name, "create");
        assert_eq!(ContractMethod::find(METHODS, "creat").name, "");
    }

    #[test]
    fn an_alias_of_a_result_is_a_result() {
        type Alias = std::io::Result<u8>;
        const { assert!(IsResult::<Alias>::YES && !IsResult::<u8>::YES) };
    }
}
