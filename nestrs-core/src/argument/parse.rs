//! The pipes that NestJS brings along, where Rust's types do not already do their work.

use std::time::SystemTime;

use crate::argument::lenient::{Float, FromLenient, Integer, Lenient};
use crate::argument::pipe::ArgumentPipe;
use crate::context::ExecutionContext;
use crate::error::TransportError;

macro_rules! parse_pipes {
    ($($(#[$doc:meta])* $name:ident: [$($generics:tt)*] $ty:ty;)*) => {$(
        $(#[$doc])*
        ///
        /// What it accepts is told by [`Lenient`]. An `Option` is `None` where the value is missing or `null`. What
        /// does not fit is the error of a payload that does not fit, path and all.
        #[derive(Clone, Copy, Debug, Default)]
        pub struct $name;

        impl<$($generics)*> ArgumentPipe<$ty> for $name {
            type Input = Lenient<$ty>;
            async fn transform(&self, _: &ExecutionContext, value: Lenient<$ty>) -> Result<$ty, TransportError> {
                Ok(value.0)
            }
        }

        impl<$($generics)*> ArgumentPipe<Option<$ty>> for $name {
            type Input = Option<Lenient<$ty>>;
            async fn transform(
                &self,
                _: &ExecutionContext,
                value: Option<Lenient<$ty>>,
            ) -> Result<Option<$ty>, TransportError> {
                Ok(value.map(|value| value.0))
            }
        }
    )*};
}

parse_pipes! {
    /// An integer of any size, also as text: NestJS's `ParseIntPipe`, for peers that send `"42"`.
    ///
    /// ```
    /// # use nestrs_core::{ArgumentPipe, ContextKind, ExecutionContext, Lenient, ParseIntPipe, Payload};
    /// # futures_util::FutureExt::now_or_never(async {
    /// let cx = ExecutionContext::new(ContextKind::Message, "orders.find", Payload::from_json(r#"{"id":"42"}"#));
    /// let id: Lenient<u64> = cx.payload().property("id").unwrap();
    /// assert_eq!(ArgumentPipe::<u64>::transform(&ParseIntPipe, &cx, id).await, Ok(42));
    /// # }).unwrap();
    /// ```
    ParseIntPipe: [T: Integer] T;
    /// A float, also as text: NestJS's `ParseFloatPipe`.
    ParseFloatPipe: [T: Float] T;
    /// `true` or `false`, also as text: NestJS's `ParseBoolPipe`.
    ParseBoolPipe: [] bool;
    /// A list, also as text with commas between its items: NestJS's `ParseArrayPipe`. Items may be text as well.
    ParseArrayPipe: [T: FromLenient] Vec<T>;
    /// A point in time, as ISO 8601 text or as milliseconds since 1970: NestJS's `ParseDatePipe`.
    ParseDatePipe: [] SystemTime;
}

/// A value for what is missing or `null`: NestJS's `DefaultValuePipe`.
///
/// It may stand before a `Parse…Pipe`, as in NestJS, or after it.
///
/// ```
/// # use nestrs_core::{ArgumentPipe, ContextKind, DefaultValuePipe, ExecutionContext, Payload};
/// # futures_util::FutureExt::now_or_never(async {
/// let cx = ExecutionContext::new(ContextKind::Message, "orders.list", Payload::from_json("{}"));
/// let limit: Option<u32> = cx.payload().property("limit").unwrap();
/// assert_eq!(ArgumentPipe::<u32>::transform(&DefaultValuePipe(20), &cx, limit).await, Ok(20));
/// # }).unwrap();
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct DefaultValuePipe<T>(pub T);

impl<T: Clone + Send + Sync> ArgumentPipe<T> for DefaultValuePipe<T> {
    type Input = Option<T>;
    async fn transform(&self, _: &ExecutionContext, value: Option<T>) -> Result<T, TransportError> {
        Ok(value.unwrap_or_else(|| self.0.clone()))
    }
}

impl<T: Clone + Send + Sync> ArgumentPipe<Lenient<T>> for DefaultValuePipe<T> {
    type Input = Option<Lenient<T>>;
    async fn transform(&self, _: &ExecutionContext, value: Option<Lenient<T>>) -> Result<Lenient<T>, TransportError> {
        Ok(value.unwrap_or_else(|| Lenient(self.0.clone())))
    }
}
