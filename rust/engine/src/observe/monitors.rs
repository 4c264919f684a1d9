//! MONITOR: who wants to see every command.

use std::fmt::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::secret;
use crate::client::{Link, Message, Transport};

/// Clients that see every command.
#[derive(Debug, Default)]
pub struct Monitors(Mutex<Vec<Arc<Link>>>);

impl Monitors {
    fn links(&self) -> MutexGuard<'_, Vec<Arc<Link>>> {
        // The list is whole after every statement.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a client. False: it is there already.
    pub fn add(&self, link: &Arc<Link>) -> bool {
        let mut links = self.links();
        let is_new = links.iter().all(|other| other.id != link.id);
        if is_new {
            links.push(Arc::clone(link));
        }
        is_new
    }

    /// Takes a client out; whether none is left.
    pub fn remove(&self, id: u64) -> bool {
        let mut links = self.links();
        links.retain(|link| link.id != id);
        links.is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.links().len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Leaves a message about a command of a client with all, and gives those who must be woken.
    pub fn show(&self, link: &Link, db: usize, words: &[&[u8]], unix_us: i64) -> Vec<Arc<Link>> {
        let shown: Arc<[u8]> = line(link, db, words, unix_us).into_bytes().into();
        let links = self.links().clone();
        for monitor in &links {
            monitor.leave(Message::Push(Arc::clone(&shown)));
        }
        links
    }
}

fn line(link: &Link, db: usize, words: &[&[u8]], unix_us: i64) -> String {
    let mut text = String::new();
    let peer = &link.origin.peer;
    let from = match link.origin.transport {
        Transport::Unix => format!("unix:{}", peer.rsplit_once(':').map_or(peer.as_str(), |(path, _)| path)),
        _ => peer.clone(),
    };
    // A String takes whatever is written.
    let _ = write!(text, "+{}.{:06} [{db} {from}]", unix_us.div_euclid(1_000_000), unix_us.rem_euclid(1_000_000));
    for word in secret::redacted(words) {
        text.push_str(" \"");
        for byte in word {
            match byte {
                b'\\' | b'"' => text.extend(['\\', char::from(*byte)]),
                b'\n' => text.push_str("\\n"),
                b'\r' => text.push_str("\\r"),
                b'\t' => text.push_str("\\t"),
                7 => text.push_str("\\a"),
                8 => text.push_str("\\b"),
                b' '..=b'~' => text.push(char::from(*byte)),
                _ => drop(write!(text, "\\x{byte:02x}")),
            }
        }
        text.push('"');
    }
    text.push_str("\r\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::{NoWake, Origin};

    #[test]
    fn a_line_is_that_of_redis() {
        let mut origin = Origin::embedded();
        origin.peer = "127.0.0.1:60866".into();
        let link = Link::new(7, origin, 0, Arc::new(NoWake));
        let words: [&[u8]; 3] = [b"set", b"a\"b\\\r\n\x00\xff", b"v w"];
        assert_eq!(
            line(&link, 9, &words, 1_339_518_083_107_412),
            "+1339518083.107412 [9 127.0.0.1:60866] \"set\" \"a\\\"b\\\\\\r\\n\\x00\\xff\" \"v w\"\r\n"
        );
    }
}
