//! A remote service that a test plays.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use nestrs_core::{ErrorKind, Pattern, TransportError};
use serde::Serialize;
use serde_json::Value;

use crate::transport::Transport;

/// Calls that are remembered; a test that makes more is told so by [`MockService::verify`].
const CALLS_MAX: usize = 100_000;

/// A remote service with expectations by pattern: what it is asked, what it answers, how often.
///
/// It is the transport of a [`ClientProxy`](crate::ClientProxy), so everything above the wire is as in production;
/// `TestApp::mock_service` puts it in the place of a registered client. Clones are the same service.
///
/// A call that no expectation fits fails, and so does the test at [`MockService::verify`].
///
/// ```
/// use std::sync::Arc;
/// use nestrs_core::TransportError;
/// use nestrs_microservices::{ClientProxy, MockService};
/// use serde_json::{Value, json};
///
/// # futures_util::FutureExt::now_or_never(async {
/// let billing = MockService::new();
/// billing.expect("billing.charge").with(json!({ "cents": 500 })).reply(json!({ "receipt": 7 })).once();
/// billing.expect("billing.refund").fail(TransportError::new("no such receipt"));
///
/// let client = ClientProxy::new(Arc::new(billing.clone()));
/// let receipt: Value = client.send("billing.charge", &json!({ "cents": 500 })).await.unwrap();
/// assert_eq!(receipt["receipt"], 7);
/// assert_eq!(client.send::<_, Value>("billing.refund", &7).await.unwrap_err().message, "no such receipt");
/// billing.verify();
/// # }).unwrap();
/// ```
#[derive(Clone, Default)]
pub struct MockService(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    expectations: Vec<Expected>,
    calls: Vec<MockCall>,
    /// Calls that nothing was expected of.
    unexpected: Vec<String>,
}

struct Expected {
    route: String,
    payload: Option<Value>,
    /// Answers in turn; the last one stays.
    answers: VecDeque<Result<Value, TransportError>>,
    times: Option<usize>,
    met: usize,
}

/// One call that a mock has received.
#[derive(Clone, Debug, PartialEq)]
pub struct MockCall {
    /// The canonical pattern.
    pub pattern: String,
    /// What it carried.
    pub payload: Value,
    /// True for an event.
    pub is_event: bool,
}

impl MockService {
    /// A service that expects nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Expects calls and events with this pattern; they are answered with `null` unless told otherwise. Of several
    /// expectations that fit, the first that may still be called takes the call.
    pub fn expect(&self, pattern: impl Into<Pattern>) -> Expectation {
        let mut state = self.state();
        let route = pattern.into().route().to_owned();
        state.expectations.push(Expected { route, payload: None, answers: VecDeque::new(), times: None, met: 0 });
        Expectation { service: self.clone(), index: state.expectations.len() - 1 }
    }

    /// Everything it was asked, in order, expected or not; at most 100,000 calls.
    #[must_use]
    pub fn calls(&self) -> Vec<MockCall> {
        self.state().calls.clone()
    }

    /// Whether every expectation was met as often as it should be, and nothing else was asked.
    ///
    /// # Errors
    /// All that was not as expected, a line each.
    pub fn check(&self) -> Result<(), String> {
        let state = self.state();
        let mut problems = state.unexpected.clone();
        for expected in &state.expectations {
            let Expected { route, times, met, .. } = expected;
            match times {
                Some(times) if times != met => problems.push(format!("`{route}` was called {met} times, not {times}")),
                None if *met == 0 => problems.push(format!("`{route}` was never called")),
                _ => {}
            }
        }
        if state.calls.len() == CALLS_MAX {
            problems.push(format!("more than {CALLS_MAX} calls: the later ones were not remembered"));
        }
        if problems.is_empty() { Ok(()) } else { Err(problems.join("\n")) }
    }

    /// [`MockService::check`], as an assertion.
    ///
    /// # Panics
    /// With everything that was not as expected.
    #[track_caller]
    pub fn verify(&self) {
        if let Err(problems) = self.check() {
            panic!("the mock service was not used as expected:\n{problems}");
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer(&self, route: &str, payload: Value, is_event: bool) -> Result<Value, TransportError> {
        let mut state = self.state();
        let fits = |expected: &&mut Expected| {
            expected.route == route
                && expected.payload.as_ref().is_none_or(|wanted| *wanted == payload)
                && expected.times.is_none_or(|times| expected.met < times)
        };
        let answer = match state.expectations.iter_mut().find(fits) {
            Some(expected) => {
                expected.met += 1;
                match expected.answers.len() {
                    0 => Ok(Value::Null),
                    1 => expected.answers[0].clone(),
                    _ => expected.answers.pop_front().unwrap_or(Ok(Value::Null)),
                }
            }
            None => {
                let call = if is_event { "event" } else { "call" };
                let problem = format!("unexpected {call} of `{route}` with {payload}");
                if state.unexpected.len() < CALLS_MAX {
                    state.unexpected.push(problem.clone());
                }
                Err(TransportError::withheld(ErrorKind::NotFound, problem))
            }
        };
        if state.calls.len() < CALLS_MAX {
            state.calls.push(MockCall { pattern: route.to_owned(), payload, is_event });
        }
        answer
    }
}

impl fmt::Debug for MockService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state();
        let routes = state.expectations.iter().map(|expected| &expected.route);
        f.debug_struct("MockService").field("expects", &routes.collect::<Vec<_>>()).finish_non_exhaustive()
    }
}

/// What a mock expects of one pattern; each method changes it, nothing needs to be called last.
#[derive(Debug)]
pub struct Expectation {
    service: MockService,
    index: usize,
}

impl Expectation {
    /// Fits calls with exactly this payload only.
    ///
    /// # Panics
    /// When serde refuses the value.
    #[track_caller]
    pub fn with(self, payload: impl Serialize) -> Self {
        let payload = json(payload);
        self.change(|expected| expected.payload = Some(payload))
    }

    /// Answers with this value. Several answers are given in turn, the last one from then on.
    ///
    /// # Panics
    /// When serde refuses the value.
    #[track_caller]
    pub fn reply(self, value: impl Serialize) -> Self {
        let value = json(value);
        self.change(|expected| expected.answers.push_back(Ok(value)))
    }

    /// Answers with this error, as the remote service would.
    pub fn fail(self, error: TransportError) -> Self {
        // What a caller reads is what went over the wire.
        let error = TransportError::from_wire(error.to_wire());
        self.change(|expected| expected.answers.push_back(Err(error)))
    }

    /// Expects exactly so many calls; without this, at least one.
    pub fn times(self, times: usize) -> Self {
        self.change(|expected| expected.times = Some(times))
    }

    /// Expects exactly one call.
    pub fn once(self) -> Self {
        self.times(1)
    }

    /// Expects no call at all: one that comes is unexpected.
    pub fn never(self) -> Self {
        self.times(0)
    }

    fn change(self, change: impl FnOnce(&mut Expected)) -> Self {
        change(&mut self.service.state().expectations[self.index]);
        self
    }
}

#[track_caller]
fn json(value: impl Serialize) -> Value {
    match serde_json::to_value(value) {
        Ok(value) => value,
        Err(error) => panic!("this value cannot be JSON: {error}"),
    }
}

#[async_trait]
impl Transport for MockService {
    async fn send_json(&self, pattern: &str, payload: Value) -> Result<Value, TransportError> {
        self.answer(pattern, payload, false)
    }

    async fn emit_json(&self, pattern: &str, payload: Value) -> Result<(), TransportError> {
        self.answer(pattern, payload, true).map(|_| ())
    }
}
