//! The attribute macros of nestrs: tokens in, tokens out.
//!
//! Use them through the `nestrs` crate, whose documentation explains each with examples. The entry points here only
//! convert token streams; each macro is a plain function that reads its item into a model, checks the model and expands
//! it. Expansions name nothing but `::nestrs::__private` (or what `crate = path` puts in its place), `::core` and
//! `::std`, so they work wherever the user's own names shadow the usual ones.

// The macros, in the order a newcomer meets them.
mod contract;
mod controller;
mod event;
mod injectable;
mod module;
mod routes;

// What they are made of.
mod attrs;
mod block;
mod conditional;
mod diag;
mod limits;
mod paths;
mod pattern;
mod signature;
mod source;
mod stages;
mod topic;
mod types;

#[cfg(test)]
mod golden;

use proc_macro::TokenStream;

use diag::Errors;
use routes::Family;

/// An item, followed by what is wrong with it.
fn with_errors((mut output, errors): (proc_macro2::TokenStream, Errors)) -> TokenStream {
    output.extend(errors.into_items());
    output.into()
}

/// Lets the container build a struct: `Arc<T>` fields are injected, others come from `#[inject(…)]` or `Default`.
#[proc_macro_attribute]
pub fn injectable(args: TokenStream, item: TokenStream) -> TokenStream {
    with_errors(injectable::injectable(args.into(), item.into()))
}

/// Makes a struct a module: `#[module(imports = […], providers = […], microservices = […], exports = […], global)]`.
#[proc_macro_attribute]
pub fn module(args: TokenStream, item: TokenStream) -> TokenStream {
    with_errors(module::module(args.into(), item.into()))
}

/// Makes the methods of an impl block handlers of messages (`#[message_pattern]`) and of events (`#[event_pattern]`).
#[proc_macro_attribute]
pub fn micro_routes(args: TokenStream, item: TokenStream) -> TokenStream {
    with_errors(routes::routes(Family::Micro, args.into(), item.into()))
}

/// Makes a trait a contract: what two services say to each other, with a client for it.
#[proc_macro_attribute]
pub fn contract(args: TokenStream, item: TokenStream) -> TokenStream {
    with_errors(contract::contract(args.into(), item.into()))
}

/// Makes the methods of an impl block subscribers of the in-process event bus (`#[on_event]`).
#[proc_macro_attribute]
pub fn event_routes(args: TokenStream, item: TokenStream) -> TokenStream {
    with_errors(routes::routes(Family::Bus, args.into(), item.into()))
}

/// Names the event that a type is: `#[event("order.created")]`.
#[proc_macro_attribute]
pub fn event(args: TokenStream, item: TokenStream) -> TokenStream {
    with_errors(event::event(args.into(), item.into()))
}

/// Makes the methods of an impl block HTTP routes (`#[get]`, `#[post]`, …) under one prefix.
#[proc_macro_attribute]
pub fn controller(args: TokenStream, item: TokenStream) -> TokenStream {
    with_errors(controller::controller(args.into(), item.into()))
}

/// A pattern literal as a `Pattern`, checked at compile time: `pattern!({ cmd: "sum" })`.
#[proc_macro]
pub fn pattern(input: TokenStream) -> TokenStream {
    let (output, errors) = pattern::macro_call(input.into());
    if errors.is_empty() { output.into() } else { errors.into_expression().into() }
}

/// Attributes that a block attribute reads and removes. The compiler only meets those that no block has read.
macro_rules! helpers {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        $(#[$doc])*
        #[proc_macro_attribute]
        pub fn $name(args: TokenStream, item: TokenStream) -> TokenStream {
            with_errors(block::lone_helper(stringify!($name), &args.into(), item.into()))
        }
    )*};
}

helpers! {
    /// Makes a method of a `#[micro_routes]` block answer messages: `#[message_pattern("math.add")]`.
    message_pattern
    /// Makes a method of a `#[micro_routes]` block take events: `#[event_pattern("user.created")]`.
    event_pattern
    /// Makes a method of an `#[event_routes]` block subscribe to the event bus: `#[on_event]`, `#[on_event("user.*")]`.
    on_event
    /// Runs guards before a handler or a route, or before all of an impl block: `#[use_guards(TokenGuard)]`.
    use_guards
    /// Wraps a handler or a route, or all of an impl block, in interceptors: `#[use_interceptors(Timing)]`.
    use_interceptors
    /// Transforms the payload of a handler, or of all handlers of an impl block: `#[use_pipes(TrimName)]`.
    use_pipes
    /// Answers for a handler or a route that fails, or for all of an impl block: `#[use_filters(OrderErrorFilter)]`.
    use_filters
    /// Says something of a handler or a route, or of all of an impl block, for guards to read by the `Reflector`:
    /// `#[set_metadata(Roles(&["admin"]))]`, `#[set_metadata("roles", ["admin"])]`.
    set_metadata
    /// Ends a handler of messages with its caller's connection: `#[cancel_on_disconnect]`.
    cancel_on_disconnect
    /// Lets a handler of messages or events go on when its deadline has passed: `#[run_to_completion]`.
    run_to_completion
    /// Says how long a handler or a route may take: `#[handler_timeout("5s")]`.
    handler_timeout
    /// Runs guards before a handler, or before all handlers of an impl block: `#[use_micro_guards(TokenGuard)]`.
    use_micro_guards
    /// Wraps a handler, or all handlers of an impl block, in interceptors: `#[use_micro_interceptors(Timing)]`.
    use_micro_interceptors
    /// Transforms the payload of a handler, or of all handlers of an impl block: `#[use_micro_pipes(TrimName)]`.
    use_micro_pipes
    /// Makes a method of a `#[controller]` block answer GET requests: `#[get("/sum")]`.
    get
    /// Makes a method of a `#[controller]` block answer POST requests.
    post
    /// Makes a method of a `#[controller]` block answer PUT requests.
    put
    /// Makes a method of a `#[controller]` block answer PATCH requests.
    patch
    /// Makes a method of a `#[controller]` block answer DELETE requests.
    delete
    /// Makes a method of a `#[controller]` block answer HEAD requests.
    head
    /// Makes a method of a `#[controller]` block answer OPTIONS requests.
    options
}
