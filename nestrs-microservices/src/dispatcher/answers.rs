//! The packets that answer a call so far.

use std::ops::Deref;

use crate::packet::Answer;

/// The packets to send now, in order; read it as a slice. One, which is what nearly every call has, allocates nothing; a
/// streaming reply gives up to 16 at a time.
///
/// ```
/// use nestrs_microservices::{Answer, Answers, Progress};
///
/// fn last(progress: &Progress) -> Option<&Answer> {
///     progress.answers.last()
/// }
///
/// let answers = Answers::from(vec![Answer::End]);
/// assert!(matches!(answers.as_slice(), [Answer::End]));
/// ```
#[derive(Debug)]
pub struct Answers(Held);

#[derive(Debug)]
enum Held {
    One(Answer),
    Several(Vec<Answer>),
}

impl Answers {
    pub(super) const fn none() -> Self {
        Self(Held::Several(Vec::new()))
    }

    pub(super) const fn one(answer: Answer) -> Self {
        Self(Held::One(answer))
    }

    /// All of them, in order.
    #[must_use]
    pub fn as_slice(&self) -> &[Answer] {
        match &self.0 {
            Held::One(answer) => std::slice::from_ref(answer),
            Held::Several(answers) => answers,
        }
    }
}

impl Deref for Answers {
    type Target = [Answer];
    fn deref(&self) -> &[Answer] {
        self.as_slice()
    }
}

impl From<Vec<Answer>> for Answers {
    fn from(answers: Vec<Answer>) -> Self {
        Self(Held::Several(answers))
    }
}
