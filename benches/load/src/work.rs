//! What servers are asked for, and what the right answer is.

use crate::wire::{Id, Reply, decimal, frame};

/// Events before the request that asks how many have come.
pub(crate) const BURST: u64 = 64;
/// Values of one stream.
pub(crate) const ITEMS: u64 = 1000;

/// One kind of work. All numbers in it are functions of the id, so that an answer to another request is a wrong one.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Work {
    /// The sum of five integers.
    Sum,
    /// The same of a server that has so many routes for it, of all of them in turn: `sum.00000` and so on.
    Routed { routes: u32 },
    /// A text of so many bytes, back as it came.
    Echo { text: Vec<u8> },
    /// Events that are not answered, and then one request.
    Events,
    /// A request that is answered by many values.
    Stream,
}

impl Work {
    /// An echo of so many bytes, at least as many as an id has.
    pub(crate) fn echo(len: usize) -> Self {
        let text = b"the quick brown fox jumps over the lazy dog, and back again; ";
        Self::Echo { text: text.iter().copied().cycle().take(len).collect() }
    }

    /// How many units one request brings.
    pub(crate) fn units(&self) -> u64 {
        match self {
            Self::Sum | Self::Routed { .. } | Self::Echo { .. } => 1,
            Self::Events => BURST,
            // They are counted as they come.
            Self::Stream => 0,
        }
    }

    /// Appends the request with this id.
    pub(crate) fn ask(&self, out: &mut Vec<u8>, id: Id) {
        let text = id.text();
        let mut data = Vec::with_capacity(40);
        match self {
            Self::Sum => {
                numbers(&mut data, id);
                request(out, b"math.sum", &data, &text);
            }
            Self::Routed { routes } => {
                numbers(&mut data, id);
                // Not one after the other, which a cache would like.
                let route = id.turn.wrapping_mul(7919).wrapping_add(id.slot) % routes;
                request(out, format!("sum.{route:05}").as_bytes(), &data, &text);
            }
            Self::Echo { text: long } => {
                // The beginning differs from request to request.
                let long = &long[text.len()..];
                let pieces: [&[u8]; 6] =
                    [br#"{"pattern":"echo","data":""#, &text, long, br#"","id":""#, &text, br#""}"#];
                frame(out, &pieces);
            }
            Self::Events => {
                for event in 0..BURST {
                    data.clear();
                    decimal(&mut data, u64::from(id.turn) + event);
                    frame(out, &[br#"{"pattern":"event.note","data":"#, &data, b"}"]);
                }
                request(out, b"event.seen", b"0", &text);
            }
            Self::Stream => {
                decimal(&mut data, ITEMS);
                request(out, b"stream", &data, &text);
            }
        }
    }

    /// Whether this answers the request; `seen` counts the values that came before it.
    pub(crate) fn is_right(&self, reply: &Reply<'_>, seen: u64) -> bool {
        match self {
            Self::Sum | Self::Routed { .. } => reply.last && number(reply.value) == Some(5 * first(reply.id) + 10),
            Self::Echo { text } => {
                let value = reply.value.and_then(|value| value.strip_prefix(b"\"")?.strip_suffix(b"\""));
                let id = reply.id.text();
                reply.last && value.and_then(|value| value.strip_prefix(&id)) == Some(&text[id.len()..])
            }
            // How many there are for the whole server is checked at the end.
            Self::Events => reply.last && number(reply.value).is_some(),
            Self::Stream => match reply.value {
                Some(_) => number(reply.value) == Some(seen + 1) && (!reply.last || seen + 1 == ITEMS),
                None => reply.last && seen == ITEMS,
            },
        }
    }

    /// The same for a server that returns what it is sent.
    pub(crate) fn is_returned(&self, reply: &Reply<'_>) -> bool {
        match self {
            Self::Sum => {
                let mut data = Vec::with_capacity(40);
                numbers(&mut data, reply.id);
                reply.value == Some(&data[..])
            }
            _ => self.is_right(reply, 0),
        }
    }
}

/// Appends a request.
pub(crate) fn request(out: &mut Vec<u8>, pattern: &[u8], data: &[u8], id: &[u8]) {
    frame(out, &[br#"{"pattern":""#, pattern, br#"","data":"#, data, br#","id":""#, id, br#""}"#]);
}

fn first(id: Id) -> u64 {
    100 + (u64::from(id.turn) * 7 + u64::from(id.slot) * 13) % 800
}

fn numbers(data: &mut Vec<u8>, id: Id) {
    for (at, number) in (first(id)..).take(5).enumerate() {
        data.push(if at == 0 { b'[' } else { b',' });
        decimal(data, number);
    }
    data.push(b']');
}

/// The whole number that a value is.
pub(crate) fn number(value: Option<&[u8]>) -> Option<u64> {
    std::str::from_utf8(value?).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: Id = Id { slot: 1, turn: 2 };

    fn reply(value: &[u8]) -> Reply<'_> {
        Reply { id: ID, value: Some(value), last: true }
    }

    #[test]
    fn a_request_is_what_nestjs_would_send() {
        let mut out = Vec::new();
        Work::Sum.ask(&mut out, ID);
        let body = r#"{"pattern":"math.sum","data":[127,128,129,130,131],"id":"000000010000000000002"}"#;
        assert_eq!(String::from_utf8(out).unwrap(), format!("{}#{body}", body.len()));
    }

    #[test]
    fn only_the_right_answer_is_right() {
        assert!(Work::Sum.is_right(&reply(b"645"), 0));
        assert!(!Work::Sum.is_right(&reply(b"646"), 0));
        assert!(!Work::Sum.is_right(&Reply { last: false, ..reply(b"645") }, 0));

        let echo = Work::echo(64);
        let mut out = Vec::new();
        echo.ask(&mut out, ID);
        let text = &out[out.windows(2).position(|two| two == b":\"" as &[u8]).unwrap()..];
        let data = text.windows(8).position(|it| it == br#""data":""#).unwrap() + 7;
        let value = text[data..].to_vec();
        let value = &value[..66];
        assert!(echo.is_right(&reply(value), 0), "{}", String::from_utf8_lossy(value));
        let mut wrong = value.to_vec();
        wrong[60] ^= 1;
        assert!(!echo.is_right(&reply(&wrong), 0));
    }

    #[test]
    fn the_values_of_a_stream_come_in_order_and_all_of_them() {
        let item = |value| Reply { last: false, ..reply(value) };
        assert!(Work::Stream.is_right(&item(b"1"), 0));
        assert!(!Work::Stream.is_right(&item(b"2"), 0));
        assert!(Work::Stream.is_right(&reply(b"1000"), 999));
        assert!(!Work::Stream.is_right(&reply(b"5"), 4));
        assert!(Work::Stream.is_right(&Reply { value: None, ..reply(b"") }, 1000));
    }
}
