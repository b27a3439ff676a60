//! Calls that did not finish at once.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;

use crate::dispatcher::{Call, Progress};

use super::in_flight::Place;

/// A call that moved aside.
pub(super) struct Flight {
    pub(super) call: Call,
    /// Whom to tell when it is dropped.
    pub(super) id: Option<Bytes>,
    pub(super) place: Option<Place>,
}

impl Future for Flight {
    type Output = (Progress, Option<Place>);
    fn poll(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Self::Output> {
        let progress = ready!(Pin::new(&mut self.call).poll(task));
        Poll::Ready((progress, self.place.take()))
    }
}

/// The calls of one connection that moved aside. An empty set has storage of its own, so the first of them makes it: many
/// connections never have one.
#[derive(Default)]
pub(super) struct Flights(Option<FuturesUnordered<Flight>>);

impl Flights {
    pub(super) fn len(&self) -> usize {
        self.0.as_ref().map_or(0, FuturesUnordered::len)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn push(&mut self, flight: Flight) {
        self.0.get_or_insert_default().push(flight);
    }

    /// What the next of them has come to. Pending where there are none.
    pub(super) fn poll_next(&mut self, task: &mut Context<'_>) -> Poll<(Progress, Option<Place>)> {
        match &mut self.0 {
            Some(flights) if !flights.is_empty() => match ready!(flights.poll_next_unpin(task)) {
                Some(ended) => Poll::Ready(ended),
                None => Poll::Pending,
            },
            _ => Poll::Pending,
        }
    }

    /// Takes all of them out.
    pub(super) fn take(&mut self) -> FuturesUnordered<Flight> {
        self.0.take().unwrap_or_default()
    }
}
