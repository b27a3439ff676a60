//! The reply channels that a client listens to: held for the next call, and bounded.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nestrs_core::{ErrorKind, Sent, TransportError};
use tokio::sync::OnceCell;

use super::failure::{lost, refused};
use super::session::{Refusal, Session};

/// The reply channels of one session. NestJS counts its calls and gives a channel back with the last of them, at the price
/// of two commands more for each call that is alone; here it is held, up to a limit.
pub(super) struct ReplyChannels {
    session: Arc<Session>,
    limit: usize,
    held: Mutex<Held>,
    /// Held while the server is told of a change: what is given back and wanted again is told in that order.
    changing: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Default)]
struct Held {
    channels: HashMap<Arc<str>, Channel>,
    /// Grows with every use.
    uses: u64,
}

struct Channel {
    confirmed: Arc<OnceCell<()>>,
    /// Calls under way.
    users: usize,
    used: u64,
}

/// A call's share of its reply channel, which is not given back meanwhile.
pub(super) struct Hold {
    channels: Arc<ReplyChannels>,
    name: Arc<str>,
}

impl Drop for Hold {
    fn drop(&mut self) {
        if let Some(channel) = self.channels.held().channels.get_mut(&self.name) {
            channel.users -= 1;
        }
    }
}

impl ReplyChannels {
    /// None yet.
    pub(super) fn new(session: Arc<Session>, limit: usize) -> Arc<Self> {
        Arc::new(Self { session, limit: limit.max(1), held: Mutex::default(), changing: Arc::default() })
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The channels that are listened to, for the session that follows.
    pub(super) fn names(&self) -> Vec<Arc<str>> {
        self.held().channels.keys().cloned().collect()
    }

    /// Listens to these from the start.
    pub(super) async fn restore(&self, names: &[Arc<str>]) -> Result<(), Refusal> {
        let channels: Vec<&str> = names.iter().map(|name| &**name).collect();
        self.session.subscribe(&channels, &[]).await?;
        let mut held = self.held();
        for name in names {
            let channel = Channel { confirmed: Arc::new(OnceCell::new_with(Some(()))), users: 0, used: 0 };
            held.channels.insert(Arc::clone(name), channel);
        }
        Ok(())
    }

    /// Listens to `name` until the hold is dropped, and most probably for longer. The server has confirmed it when this
    /// returns: what is published from now on is heard.
    ///
    /// # Errors
    /// None of them has sent anything of a call.
    pub(super) async fn hold(self: &Arc<Self>, name: &str) -> Result<Hold, TransportError> {
        let (hold, confirmed, given_back) = self.take(name)?;
        if let Some(given_back) = given_back {
            self.give_back(given_back);
        }
        if !confirmed.initialized() {
            confirmed
                .get_or_try_init(|| async {
                    let _changing = self.changing.lock().await;
                    self.session.subscribe(&[name], &[]).await
                })
                .await
                .map_err(|refusal| match refusal {
                    Refusal::Lost => lost(Sent::No),
                    Refusal::Redis(error) => refused(&error, name).with_sent(Sent::No),
                })?;
        }
        Ok(hold)
    }

    #[expect(clippy::type_complexity, reason = "three things that are found under one lock")]
    fn take(self: &Arc<Self>, name: &str) -> Result<(Hold, Arc<OnceCell<()>>, Option<Arc<str>>), TransportError> {
        let mut held = self.held();
        held.uses += 1;
        let used = held.uses;
        let hold = |name: &Arc<str>| Hold { channels: Arc::clone(self), name: Arc::clone(name) };
        if let Some((known, _)) = held.channels.get_key_value(name) {
            let known = Arc::clone(known);
            if let Some(channel) = held.channels.get_mut(&known) {
                channel.users += 1;
                channel.used = used;
                return Ok((hold(&known), Arc::clone(&channel.confirmed), None));
            }
        }
        let mut given_back = None;
        if held.channels.len() >= self.limit {
            let unused = held.channels.iter().filter(|(_, channel)| channel.users == 0);
            let Some((longest, _)) = unused.min_by_key(|(_, channel)| channel.used) else {
                let text = format!("calls are under way on {} reply channels (`reply_channels`)", self.limit);
                return Err(TransportError::withheld(ErrorKind::Overloaded, text).with_sent(Sent::No));
            };
            let longest = Arc::clone(longest);
            held.channels.remove(&longest);
            given_back = Some(longest);
        }
        let (name, confirmed): (Arc<str>, _) = (name.into(), Arc::new(OnceCell::new()));
        held.channels.insert(Arc::clone(&name), Channel { confirmed: Arc::clone(&confirmed), users: 1, used });
        Ok((hold(&name), confirmed, given_back))
    }

    /// In a task of its own: a caller that is dropped half-way leaves no channel behind.
    fn give_back(self: &Arc<Self>, name: Arc<str>) {
        let channels = Arc::clone(self);
        tokio::spawn(async move {
            let _changing = channels.changing.lock().await;
            // Somebody may have wanted it again.
            if !channels.held().channels.contains_key(&name) {
                let _ = channels.session.unsubscribe(&[&name], &[]).await;
            }
        });
    }
}
