//! A client in this process that listens to channels, and does nothing else.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use smallvec::SmallVec;

use crate::client::{Client, Frame, Kind, Message, Origin, Wake};
use crate::handler::Store;

/// Listens to channels and hands over their messages. Whoever drops it listens no more.
#[derive(Debug)]
pub struct Subscriber {
    store: Arc<Store>,
    client: Client,
}

/// It did not take its messages, and so many waited that all were dropped: `client-output-buffer-limit` of class `pubsub`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flooded;

impl Subscriber {
    /// A listener that is told through `wake` that there are messages.
    pub fn new(store: Arc<Store>, wake: Arc<dyn Wake>) -> Self {
        let link = store.clients.add(Origin::embedded(), store.clock.unix_ms(), wake);
        Self { store, client: Client::new(link, None, true) }
    }

    /// Listens to a name, too. How many names there are now, as SUBSCRIBE tells it.
    pub fn subscribe(&mut self, kind: Kind, name: &[u8]) -> usize {
        let client = &mut self.client;
        let subscriptions = client.subscriptions.get_or_insert_default();
        if subscriptions.add(&client.link, kind, name) {
            self.store.pubsub.subscribe(&client.link, kind, name);
        }
        subscriptions.count(kind)
    }

    /// Listens to a name no more. How many names there are now, as UNSUBSCRIBE tells it.
    pub fn unsubscribe(&mut self, kind: Kind, name: &[u8]) -> usize {
        let client = &mut self.client;
        let subscriptions = client.subscriptions.get_or_insert_default();
        if subscriptions.remove(&client.link, kind, name) {
            self.store.pubsub.unsubscribe(&client.link, kind, name);
        }
        subscriptions.count(kind)
    }

    /// To what it listens.
    pub fn names(&self, kind: Kind) -> Vec<Box<[u8]>> {
        self.client.subscriptions.iter().flat_map(|all| all.names(kind)).map(Box::from).collect()
    }

    /// The messages since the last call, in order.
    ///
    /// # Errors
    /// [`Flooded`]; it listens to nothing any more.
    pub fn take(&mut self) -> Result<SmallVec<[Arc<Frame>; 1]>, Flooded> {
        if self.client.link.flags.is_flooded.load(Ordering::Acquire) {
            self.store.leave_pubsub(&mut self.client);
            return Err(Flooded);
        }
        if !self.client.link.has_mail() {
            return Ok(SmallVec::new());
        }
        let frames = self.client.link.take_mail().into_iter().filter_map(|message| match message {
            Message::Frame(frame) => Some(frame),
            _ => None,
        });
        Ok(frames.collect())
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        self.store.leave_pubsub(&mut self.client);
    }
}
