//! What is to be known of a kind of broker.

use std::fmt::Debug;
use std::io;

use crate::place::Place;

/// How a kind of broker is started, and how it is seen to be up.
pub trait Recipe: Debug + Send + Sync + 'static {
    /// The program, as it is called on the `PATH`: `"redis-server"`.
    fn program(&self) -> &'static str;

    /// The Debian package that has it.
    fn package(&self) -> &'static str;

    /// Writes what the broker reads when it starts, and says how it is called. Asked before each start, a restart
    /// included: what the broker itself has written is still there then.
    ///
    /// # Errors
    /// When a file cannot be written.
    fn prepare(&self, place: &Place, port: u16) -> io::Result<Start>;

    /// What it logs once it serves, if it logs anything: nobody else's broker, on the same port by chance, can say it.
    fn ready(&self) -> Option<&'static str>;
}

/// How one broker is called.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Start {
    /// Its arguments.
    pub arguments: Vec<String>,
    /// Its environment, beyond what this process has.
    pub environment: Vec<(String, String)>,
}
