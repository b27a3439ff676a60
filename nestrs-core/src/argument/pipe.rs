//! Pipes of one argument: typed, after decoding.

use std::future::Future;

use crate::context::ExecutionContext;
use crate::error::TransportError;
use crate::injectable::Injectable;
use crate::pipeline::spec::{Stage, StageSpec, default_spec, injectable_spec};

/// Makes an argument of type `T` from what was decoded, or refuses it: `#[pipe(Lowercase)] name: String`.
///
/// A pipe says what it takes by [`Input`](Self::Input), which is what the payload is decoded into; of several pipes each
/// takes what the one before it returns. A type in `#[pipe(…)]` is built once per module, by the container if it is
/// `#[injectable]`, by `Default` otherwise; any other expression, `#[pipe(MaxLength(80))]`, is evaluated for each call.
///
/// They run when the interceptors, guards and JSON pipes ([`PipeTransform`](crate::PipeTransform)) of the route are
/// through, argument by argument from left to right (NestJS fact sheet, section 14, but for its running them side by
/// side). The first error is the answer of the call, and the handler does not run.
///
/// ```
/// use nestrs_core::{ArgumentPipe, ExecutionContext, TransportError};
///
/// #[derive(Default)]
/// struct Lowercase;
///
/// impl ArgumentPipe<String> for Lowercase {
///     type Input = String;
///
///     async fn transform(&self, _cx: &ExecutionContext, value: String) -> Result<String, TransportError> {
///         Ok(value.to_lowercase())
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a pipe that makes a `{T}`",
    label = "implement `ArgumentPipe<{T}>` for this type"
)]
pub trait ArgumentPipe<T>: Send + Sync {
    /// What it takes: what the payload is decoded into, or what the pipe before it returns.
    type Input;

    /// Transforms one value.
    fn transform(
        &self,
        cx: &ExecutionContext,
        value: Self::Input,
    ) -> impl Future<Output = Result<T, TransportError>> + Send;
}

/// Runs one pipe.
///
/// # Errors
/// The pipe's.
pub fn piped<'a, P: ArgumentPipe<T>, T>(
    pipe: &'a P,
    cx: &'a ExecutionContext,
    value: P::Input,
) -> impl Future<Output = Result<T, TransportError>> + Send + use<'a, P, T> {
    pipe.transform(cx, value)
}

/// A pipe built by the container.
pub trait InjectableArgumentPipe {
    /// The pipe.
    type Built;
    /// Declares it.
    fn argument_pipe(&self) -> StageSpec<Self::Built>;
}

impl<P: Injectable> InjectableArgumentPipe for &Stage<P> {
    type Built = P;
    fn argument_pipe(&self) -> StageSpec<P> {
        injectable_spec()
    }
}

/// A pipe built by `Default`.
pub trait DefaultArgumentPipe<P> {
    /// Declares it.
    fn argument_pipe(&self) -> StageSpec<P>
    where
        P: DefaultPipeType;
}

impl<P> DefaultArgumentPipe<P> for Stage<P> {
    fn argument_pipe(&self) -> StageSpec<P>
    where
        P: DefaultPipeType,
    {
        default_spec()
    }
}

/// A pipe type that needs nothing to be built.
#[diagnostic::on_unimplemented(
    message = "nobody can build the pipe `{Self}`",
    label = "neither `#[injectable]` nor `Default`",
    note = "make one of it where it is used: `#[pipe({Self}::new(…))]`, `#[pipe({Self}(…))]`"
)]
pub trait DefaultPipeType: Default + Send + Sync + 'static {}
#[diagnostic::do_not_recommend]
impl<P: Default + Send + Sync + 'static> DefaultPipeType for P {}
