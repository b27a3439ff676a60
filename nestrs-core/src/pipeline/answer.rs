//! What a call comes to, as far as stages may touch it.

use std::sync::Arc;

use futures_core::Stream;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::context::ExecutionContext;
use crate::error::TransportError;
use crate::payload::Payload;
use crate::pipeline::Interceptor;
use crate::pipeline::filter::Filters;
use crate::reply::{BoxFuture, Reply, ReplyStream};

/// The outcome of a call inside its stages: a [`Reply`], or what another protocol answers with.
pub trait Answer: Send + Sized {
    /// Hands the values it holds, or will give, to an interceptor.
    ///
    /// # Errors
    /// The interceptor's.
    fn map_values<M: ValueMap + ?Sized>(self, by: &Arc<M>, cx: &ExecutionContext) -> Result<Self, TransportError>;

    /// Hands errors that come later, in the midst of a stream, to filters.
    #[must_use]
    fn filtered(self, by: &Filters, cx: &ExecutionContext) -> Self;

    /// What a filter answers instead of an error.
    ///
    /// # Errors
    /// When the protocol has no such answer.
    fn from_reply(reply: Reply) -> Result<Self, TransportError>;
}

/// The part of an interceptor that changes values, whether or not its type is known.
pub trait ValueMap: Send + Sync + 'static {
    /// [`Interceptor::map_value`].
    ///
    /// # Errors
    /// The interceptor's.
    fn map(&self, cx: &ExecutionContext, value: Payload) -> Result<Payload, TransportError>;
}

impl<I: Interceptor> ValueMap for I {
    fn map(&self, cx: &ExecutionContext, value: Payload) -> Result<Payload, TransportError> {
        self.map_value(cx, value)
    }
}

impl Answer for Reply {
    fn map_values<M: ValueMap + ?Sized>(self, by: &Arc<M>, cx: &ExecutionContext) -> Result<Self, TransportError> {
        match self {
            Self::Value(value) => by.map(cx, value).map(Self::Value),
            Self::Empty => Ok(Self::Empty),
            Self::Stream(items) => {
                let items = Mapped { items, by: Arc::clone(by), cx: cx.clone() };
                Ok(Self::Stream(Box::pin(items)))
            }
        }
    }

    fn filtered(self, by: &Filters, cx: &ExecutionContext) -> Self {
        match self {
            Self::Stream(items) => {
                Self::Stream(Box::pin(Filtered::Running { items, filters: by.clone(), cx: Box::new(cx.clone()) }))
            }
            other => other,
        }
    }

    fn from_reply(reply: Self) -> Result<Self, TransportError> {
        Ok(reply)
    }
}

/// A stream whose items pass an interceptor; an error of its own ends the stream.
struct Mapped<M: ?Sized> {
    items: ReplyStream,
    by: Arc<M>,
    cx: ExecutionContext,
}

impl<M: ValueMap + ?Sized> Stream for Mapped<M> {
    type Item = Result<Payload, TransportError>;
    fn poll_next(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let item = std::task::ready!(self.items.as_mut().poll_next(task));
        Poll::Ready(item.map(|item| item.and_then(|value| self.by.map(&self.cx, value))))
    }
}

/// A stream whose error, which is its last item, passes the filters.
enum Filtered {
    Running {
        items: ReplyStream,
        filters: Filters,
        cx: Box<ExecutionContext>,
    },
    Catching(BoxFuture<'static, Result<Reply, TransportError>>),
    /// A filter answered with a stream in place of the error.
    Replaced(ReplyStream),
    Ended,
}

impl Stream for Filtered {
    type Item = Result<Payload, TransportError>;
    fn poll_next(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            match &mut *self {
                Self::Running { items, filters, cx } => match std::task::ready!(items.as_mut().poll_next(task)) {
                    Some(Err(error)) => {
                        let (filters, cx) = (filters.clone(), cx.clone());
                        *self = Self::Catching(Box::pin(async move { filters.catch(&cx, error).await }));
                    }
                    item => return Poll::Ready(item),
                },
                Self::Catching(catching) => match std::task::ready!(catching.as_mut().poll(task)) {
                    Ok(Reply::Stream(items)) => *self = Self::Replaced(items),
                    outcome => {
                        *self = Self::Ended;
                        return Poll::Ready(match outcome {
                            Ok(Reply::Value(value)) => Some(Ok(value)),
                            Ok(_) => None,
                            Err(error) => Some(Err(error)),
                        });
                    }
                },
                Self::Replaced(items) => return items.as_mut().poll_next(task),
                Self::Ended => return Poll::Ready(None),
            }
        }
    }
}
