//! Patterns that stand for many subjects: what a broker's wildcards mean.

use super::Pattern;

/// Whose wildcards are meant: what `*` says is the transport's business, not the pattern's.
///
/// | style | separator | wildcards (NestJS fact sheet, sections 7 to 10) |
/// |---|---|---|
/// | `Nats` | `.` | `*` is one word, `>` at the end is one word or more; no word is empty |
/// | `Redis` | none | the glob of `PSUBSCRIBE`: `*`, `?`, `[a-c]`, `[^a]`, and `\` before a character to be taken as it is |
/// | `Mqtt` | `/` | `+` is one level, `#` at the end is any number of levels; neither begins a topic in `$`; `$share/<group>/` is left out |
/// | `Rmq` | `.` | `*` is one word, `#` anywhere is any number of words |
///
/// A word wildcard stands alone between separators: `orders.*` has one, `orders.a*` has none. NestJS understands `#` of
/// RabbitMQ at the end only; elsewhere it drops what the broker delivers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WildcardStyle {
    /// `orders.*`, `log.>`
    Nats,
    /// `orders:*`
    Redis,
    /// `orders/+`, `log/#`
    Mqtt,
    /// `orders.*`, `log.#`
    Rmq,
}

/// A pattern with wildcards, ready to be compared with subjects.
///
/// ```
/// use nestrs_core::{Pattern, Wildcard, WildcardStyle};
///
/// let wildcard = Wildcard::new(&Pattern::from("orders.*.created"), WildcardStyle::Nats).unwrap();
/// assert!(wildcard.matches("orders.eu.created"));
/// assert!(!wildcard.matches("orders.created"));
/// assert!(Wildcard::new(&Pattern::from("orders.created"), WildcardStyle::Nats).is_none());
/// ```
///
/// # Limits
/// Matching does not recurse and allocates nothing. It compares each element of the pattern with each place of the
/// subject once at most: linear in the subject, for a pattern that is fixed at boot.
#[derive(Clone, Debug)]
pub struct Wildcard(Compiled);

#[derive(Clone, Debug)]
enum Compiled {
    Words(WildcardStyle, Box<[Element<Word>]>),
    Glob(Box<[Element<Byte>]>),
}

#[derive(Clone, Debug, PartialEq)]
enum Element<T> {
    One(T),
    /// Any number of words or bytes, none included.
    Many,
}

#[derive(Clone, Debug, PartialEq)]
enum Word {
    Text(Box<str>),
    Any,
}

#[derive(Clone, Debug, PartialEq)]
enum Byte {
    Exactly(u8),
    Any,
    /// In one of the ranges, or in none of them.
    Of(Box<[(u8, u8)]>, bool),
}

impl Wildcard {
    /// The wildcards of a pattern; `None` for one that has none of this style and stands for itself.
    ///
    /// Only strings have wildcards: an object pattern is always taken as it is, whatever stands in its members.
    #[must_use]
    pub fn new(pattern: &Pattern, style: WildcardStyle) -> Option<Self> {
        let text = pattern.route();
        // An object, or the text of one, which is the same route.
        if text.starts_with('{') {
            return None;
        }
        let (compiled, plain) = match style {
            WildcardStyle::Redis => {
                let glob = glob(text.as_bytes());
                let plain = !text.contains(['*', '?', '[', '\\']);
                (Compiled::Glob(glob), plain)
            }
            _ => {
                let (filter, shared) = shared_filter(text, style);
                let words = words(filter, style);
                let plain = !shared && words.iter().all(|word| matches!(word, Element::One(Word::Text(_))));
                (Compiled::Words(style, words), plain)
            }
        };
        (!plain).then_some(Self(compiled))
    }

    /// Whether a subject, as it is sent to, is one of those the pattern stands for.
    #[must_use]
    pub fn matches(&self, subject: &str) -> bool {
        match &self.0 {
            Compiled::Glob(glob) => {
                let subject = subject.as_bytes();
                greedy(glob, subject.len(), |byte, at| {
                    let here = *subject.get(at)?;
                    byte.is_none_or(|byte| byte.matches(here)).then_some(at + 1)
                })
            }
            Compiled::Words(style, words) => {
                let separator = style.separator();
                // A word ends behind its separator, the last one behind a separator that is not there.
                let covered = greedy(words, subject.len() + 1, |word, at| {
                    let rest = subject.get(at..)?;
                    let here = rest.split(separator).next().unwrap_or_default();
                    word.is_none_or(|word| word.matches(here)).then_some(at + here.len() + 1)
                });
                // Last, since it reads all of the subject, which most do not match from the first word on.
                covered && style.reaches(words, subject)
            }
        }
    }
}

impl WildcardStyle {
    fn separator(self) -> char {
        match self {
            Self::Mqtt => '/',
            _ => '.',
        }
    }

    /// What a style asks of subjects beyond what each word says.
    fn reaches(self, words: &[Element<Word>], subject: &str) -> bool {
        match self {
            Self::Nats => subject.split('.').all(|word| !word.is_empty()),
            Self::Mqtt => matches!(words.first(), Some(Element::One(Word::Text(_)))) || !subject.starts_with('$'),
            _ => true,
        }
    }
}

impl Word {
    fn matches(&self, word: &str) -> bool {
        match self {
            Self::Text(text) => **text == *word,
            Self::Any => true,
        }
    }
}

impl Byte {
    fn matches(&self, byte: u8) -> bool {
        match self {
            Self::Exactly(exactly) => *exactly == byte,
            Self::Any => true,
            Self::Of(ranges, wanted) => ranges.iter().any(|(low, high)| (*low..=*high).contains(&byte)) == *wanted,
        }
    }
}

/// An MQTT filter without its group of subscribers, and whether it had one.
fn shared_filter(text: &str, style: WildcardStyle) -> (&str, bool) {
    let shared = text.strip_prefix("$share/").filter(|_| style == WildcardStyle::Mqtt);
    match shared.and_then(|rest| rest.split_once('/')) {
        Some((_group, filter)) => (filter, true),
        None => (text, false),
    }
}

fn words(text: &str, style: WildcardStyle) -> Box<[Element<Word>]> {
    let mut words = Vec::new();
    let mut rest = text.split(style.separator()).peekable();
    while let Some(word) = rest.next() {
        let is_last = rest.peek().is_none();
        match (style, word) {
            (WildcardStyle::Nats | WildcardStyle::Rmq, "*") | (WildcardStyle::Mqtt, "+") => {
                words.push(Element::One(Word::Any));
            }
            (WildcardStyle::Nats, ">") if is_last => words.extend([Element::One(Word::Any), Element::Many]),
            (WildcardStyle::Mqtt, "#") if is_last => words.push(Element::Many),
            (WildcardStyle::Rmq, "#") => words.push(Element::Many),
            _ => words.push(Element::One(Word::Text(word.into()))),
        }
    }
    words.into()
}

fn glob(text: &[u8]) -> Box<[Element<Byte>]> {
    let mut glob = Vec::new();
    let mut rest = text;
    while let [first, after @ ..] = rest {
        rest = after;
        glob.push(match *first {
            // Two stars say no more than one.
            b'*' if glob.last() == Some(&Element::Many) => continue,
            b'*' => Element::Many,
            b'?' => Element::One(Byte::Any),
            b'[' => Element::One(class(&mut rest)),
            b'\\' => Element::One(Byte::Exactly(escaped(&mut rest))),
            byte => Element::One(Byte::Exactly(byte)),
        });
    }
    glob.into()
}

/// What stands behind a backslash, as it is; a last backslash is itself.
fn escaped(rest: &mut &[u8]) -> u8 {
    let Some((byte, after)) = rest.split_first() else { return b'\\' };
    *rest = after;
    *byte
}

/// The bytes between `[` and `]`, or up to the end where that is missing.
fn class(rest: &mut &[u8]) -> Byte {
    let wanted = match rest.strip_prefix(b"^") {
        Some(after) => {
            *rest = after;
            false
        }
        None => true,
    };
    let mut ranges = Vec::new();
    while let [first, after @ ..] = *rest {
        *rest = after;
        ranges.push(match *first {
            b']' => break,
            b'\\' => {
                let byte = escaped(rest);
                (byte, byte)
            }
            low => match *after {
                [b'-', high, ref after @ ..] => {
                    *rest = after;
                    (low.min(high), low.max(high))
                }
                _ => (low, low),
            },
        });
    }
    Byte::Of(ranges.into(), wanted)
}

/// Whether elements cover a subject from 0 to `end`. `take` gives the place behind one element that matches at a place, or
/// behind anything at all for `None`.
///
/// Only the last `Many` is ever widened: if what follows an earlier one could be found further on, it can be found where it
/// was found first.
fn greedy<T>(elements: &[Element<T>], end: usize, take: impl Fn(Option<&T>, usize) -> Option<usize>) -> bool {
    let (mut element, mut at) = (0, 0);
    let mut widest: Option<(usize, usize)> = None;
    loop {
        let next = match elements.get(element) {
            None if at >= end => return true,
            None => None,
            Some(Element::Many) if element + 1 == elements.len() => return true,
            Some(Element::Many) => {
                widest = Some((element + 1, at));
                Some(at)
            }
            // Fewer places are left than elements: widening leaves fewer still.
            Some(Element::One(_)) if at >= end => return false,
            Some(Element::One(one)) => take(Some(one), at),
        };
        match (next, widest) {
            (Some(next), _) => (element, at) = (element + 1, next),
            (None, None) => return false,
            (None, Some((behind, from))) => {
                let Some(from) = take(None, from) else { return false };
                widest = Some((behind, from));
                (element, at) = (behind, from);
            }
        }
    }
}
