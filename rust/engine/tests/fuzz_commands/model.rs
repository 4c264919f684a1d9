//! A plain model of strings, expiry, databases and transactions: maps, and replies written down as RESP2.

use std::collections::BTreeMap;

pub type Words = Vec<Vec<u8>>;

pub const DATABASES: usize = 3;

#[derive(Clone, Debug, PartialEq)]
struct Entry {
    value: Vec<u8>,
    deadline_ms: Option<i64>,
}

#[derive(Default)]
struct Client {
    db: usize,
    queue: Option<Vec<Words>>,
    is_broken: bool,
    watched: Vec<(usize, Vec<u8>)>,
    is_dirty: bool,
}

/// Everything that is stored, and what two clients have begun.
pub struct Model {
    dbs: [BTreeMap<Vec<u8>, Entry>; DATABASES],
    clients: [Client; 2],
    now_ms: i64,
}

type Reply = Vec<u8>;
/// An error's text is the reply of a command that did nothing.
type Outcome = Result<Reply, &'static str>;

const NOT_AN_INTEGER: &str = "ERR value is not an integer or out of range";
const OVERFLOW: &str = "ERR increment or decrement would overflow";

fn ok() -> Reply {
    b"+OK\r\n".to_vec()
}

fn integer(number: i64) -> Reply {
    format!(":{number}\r\n").into_bytes()
}

fn bulk(value: Option<&[u8]>) -> Reply {
    match value {
        None => b"$-1\r\n".to_vec(),
        Some(value) => [format!("${}\r\n", value.len()).as_bytes(), value, b"\r\n"].concat(),
    }
}

fn array(items: &[Reply]) -> Reply {
    [format!("*{}\r\n", items.len()).into_bytes(), items.concat()].concat()
}

fn error(text: &str) -> Reply {
    format!("-{text}\r\n").into_bytes()
}

/// An integer in the one form that counts as such.
fn number(word: &[u8]) -> Result<i64, &'static str> {
    let text = std::str::from_utf8(word).map_err(|_| NOT_AN_INTEGER)?;
    let number: i64 = text.parse().map_err(|_| NOT_AN_INTEGER)?;
    if number.to_string() == text { Ok(number) } else { Err(NOT_AN_INTEGER) }
}

fn database(word: &[u8]) -> usize {
    usize::try_from(number(word).expect("the generator writes numbers")).expect("from 0")
}

impl Model {
    pub fn new(now_ms: i64) -> Self {
        Self { dbs: Default::default(), clients: Default::default(), now_ms }
    }

    /// Lets time pass; what expires is gone at once.
    pub fn advance_ms(&mut self, elapsed_ms: i64) {
        self.now_ms += elapsed_ms;
        for db in 0..DATABASES {
            let is_over = |entry: &Entry| entry.deadline_ms.is_some_and(|deadline_ms| deadline_ms <= self.now_ms);
            let expired: Vec<_> =
                self.dbs[db].iter().filter(|(_, entry)| is_over(entry)).map(|(key, _)| key.clone()).collect();
            for key in expired {
                self.remove(db, &key);
            }
        }
    }

    /// What a client reads as the reply to a command.
    pub fn run(&mut self, client: usize, words: &Words) -> Reply {
        let name = words[0].to_ascii_uppercase();
        let state = &mut self.clients[client];
        if let Some(queue) = &mut state.queue {
            match &*name {
                b"EXEC" | b"DISCARD" => {}
                b"MULTI" => return error("ERR MULTI calls can not be nested"),
                b"WATCH" => return error("ERR WATCH inside MULTI is not allowed"),
                b"NOSUCH" => {
                    state.is_broken = true;
                    return error("ERR unknown command 'NOSUCH', with args beginning with: ");
                }
                _ => {
                    queue.push(words.clone());
                    return b"+QUEUED\r\n".to_vec();
                }
            }
        }
        self.apply(client, &name, words).unwrap_or_else(error)
    }

    fn apply(&mut self, client: usize, name: &[u8], words: &Words) -> Outcome {
        let (db, args) = (self.clients[client].db, &words[1..]);
        match name {
            b"NOSUCH" => Err("ERR unknown command 'NOSUCH', with args beginning with: "),
            b"MULTI" | b"EXEC" | b"DISCARD" | b"WATCH" | b"UNWATCH" => self.transaction(client, name, args),
            b"SELECT" => {
                self.clients[client].db = database(&args[0]);
                Ok(ok())
            }
            b"FLUSHDB" | b"SWAPDB" | b"DBSIZE" => Ok(self.whole(db, name, args)),
            b"SET" => self.set(db, args),
            b"GET" | b"STRLEN" | b"GETRANGE" | b"EXISTS" | b"MGET" | b"PTTL" | b"TYPE" => self.read(db, name, args),
            b"DEL" | b"GETDEL" | b"RENAME" | b"RENAMENX" | b"COPY" | b"MOVE" => self.move_keys(db, name, args),
            b"PEXPIRE" | b"PEXPIREAT" | b"PERSIST" | b"GETEX" => self.expire(db, name, args),
            _ => self.write(db, name, args),
        }
    }

    fn touch(&mut self, db: usize, key: &[u8]) {
        for client in &mut self.clients {
            client.is_dirty |= client.watched.iter().any(|(at, watched)| *at == db && watched == key);
        }
    }

    fn remove(&mut self, db: usize, key: &[u8]) -> Option<Entry> {
        let entry = self.dbs[db].remove(key)?;
        self.touch(db, key);
        Some(entry)
    }

    fn put(&mut self, db: usize, key: &[u8], value: &[u8], deadline_ms: Option<i64>) {
        self.dbs[db].insert(key.to_vec(), Entry { value: value.to_vec(), deadline_ms });
        self.touch(db, key);
    }

    fn value(&self, db: usize, key: &[u8]) -> Option<&[u8]> {
        self.dbs[db].get(key).map(|entry| &*entry.value)
    }

    fn deadline_ms(&self, db: usize, key: &[u8]) -> Option<i64> {
        self.dbs[db].get(key).and_then(|entry| entry.deadline_ms)
    }

    fn transaction(&mut self, client: usize, name: &[u8], args: &[Vec<u8>]) -> Outcome {
        let state = &mut self.clients[client];
        match name {
            b"MULTI" => state.queue = Some(Vec::new()),
            b"WATCH" => state.watched.extend(args.iter().map(|key| (state.db, key.clone()))),
            b"UNWATCH" => (state.watched, state.is_dirty) = (Vec::new(), false),
            _ => {
                let is_exec = name == b"EXEC";
                let Some(queue) = state.queue.take() else {
                    return Err(if is_exec { "ERR EXEC without MULTI" } else { "ERR DISCARD without MULTI" });
                };
                let (is_broken, is_dirty) = (state.is_broken, state.is_dirty);
                (state.watched, state.is_dirty, state.is_broken) = (Vec::new(), false, false);
                if !is_exec {
                    return Ok(ok());
                }
                if is_broken {
                    return Err("EXECABORT Transaction discarded because of previous errors.");
                }
                if is_dirty {
                    return Ok(b"*-1\r\n".to_vec());
                }
                let replies: Vec<_> = queue.iter().map(|words| self.run(client, words)).collect();
                return Ok(array(&replies));
            }
        }
        Ok(ok())
    }

    fn whole(&mut self, db: usize, name: &[u8], args: &[Vec<u8>]) -> Reply {
        match name {
            b"DBSIZE" => return integer(self.dbs[db].len() as i64),
            b"FLUSHDB" => {
                for key in std::mem::take(&mut self.dbs[db]).into_keys() {
                    self.touch(db, &key);
                }
            }
            _ => {
                let (one, other) = (database(&args[0]), database(&args[1]));
                self.dbs.swap(one, other);
                if one != other {
                    let keys: Vec<_> = self.dbs[one].keys().chain(self.dbs[other].keys()).cloned().collect();
                    for key in keys {
                        self.touch(one, &key);
                        self.touch(other, &key);
                    }
                }
            }
        }
        ok()
    }

    fn set(&mut self, db: usize, args: &[Vec<u8>]) -> Outcome {
        let (key, value) = (&args[0], &args[1]);
        let (mut deadline_ms, mut allowed, mut gets) = (None, true, false);
        let old = self.value(db, key).map(<[u8]>::to_vec);
        let mut options = args[2..].iter();
        while let Some(option) = options.next() {
            match &**option {
                b"NX" => allowed = old.is_none(),
                b"XX" => allowed = old.is_some(),
                b"GET" => gets = true,
                b"KEEPTTL" => deadline_ms = self.deadline_ms(db, key),
                b"IFEQ" => allowed = old.as_ref() == options.next(),
                unit => {
                    let time = number(options.next().expect("the generator writes it"))?;
                    if time <= 0 {
                        return Err("ERR invalid expire time in 'set' command");
                    }
                    deadline_ms = Some(match unit {
                        b"EX" => self.now_ms + time * 1000,
                        b"PX" => self.now_ms + time,
                        _ => time,
                    });
                }
            }
        }
        if allowed {
            self.put(db, key, value, deadline_ms);
        }
        Ok(match (gets, allowed) {
            (true, _) => bulk(old.as_deref()),
            (_, true) => ok(),
            (_, false) => bulk(None),
        })
    }

    fn read(&mut self, db: usize, name: &[u8], args: &[Vec<u8>]) -> Outcome {
        let value = self.value(db, &args[0]);
        Ok(match name {
            b"GET" => bulk(value),
            b"STRLEN" => integer(value.map_or(0, <[u8]>::len) as i64),
            b"TYPE" => if value.is_some() { b"+string\r\n" } else { b"+none\r\n".as_slice() }.to_vec(),
            b"EXISTS" => integer(args.iter().filter(|key| self.dbs[db].contains_key(*key)).count() as i64),
            b"MGET" => array(&args.iter().map(|key| bulk(self.value(db, key))).collect::<Vec<_>>()),
            b"PTTL" => integer(match self.dbs[db].get(&args[0]) {
                None => -2,
                Some(entry) => entry.deadline_ms.map_or(-1, |deadline_ms| deadline_ms - self.now_ms),
            }),
            _ => {
                let (start, end) = (i128::from(number(&args[1])?), i128::from(number(&args[2])?));
                let value = value.unwrap_or_default();
                let len = value.len() as i128;
                let from_end = |at: i128| if at < 0 { (at + len).max(0) } else { at };
                let is_empty = (start < 0 && end < 0 && start > end) || len == 0;
                let (start, end) = (from_end(start), from_end(end).min(len - 1));
                let part = if is_empty || start > end { &[] } else { &value[start as usize..=end as usize] };
                bulk(Some(part))
            }
        })
    }

    fn move_keys(&mut self, db: usize, name: &[u8], args: &[Vec<u8>]) -> Outcome {
        let from = &args[0];
        match name {
            b"DEL" => return Ok(integer(args.iter().filter(|key| self.remove(db, key).is_some()).count() as i64)),
            b"GETDEL" => return Ok(bulk(self.remove(db, from).as_ref().map(|entry| &*entry.value))),
            _ => {}
        }
        let (to_db, to) = match name {
            b"MOVE" => (database(&args[1]), from),
            b"COPY" if args.len() > 3 => (database(&args[3]), &args[1]),
            _ => (db, &args[1]),
        };
        let is_same = (to_db, to) == (db, from);
        if is_same && matches!(name, b"COPY" | b"MOVE") {
            return Err("ERR source and destination objects are the same");
        }
        let Some(entry) = self.dbs[db].get(from).cloned() else {
            return if name.starts_with(b"RENAME") { Err("ERR no such key") } else { Ok(integer(0)) };
        };
        let replaces = name == b"RENAME" || args.last().is_some_and(|word| word == b"REPLACE");
        if self.dbs[to_db].contains_key(to) && !replaces {
            return Ok(integer(0));
        }
        if !is_same {
            if name != b"COPY" {
                self.remove(db, from);
            }
            self.put(to_db, to, &entry.value, entry.deadline_ms);
        }
        Ok(if name == b"RENAME" { ok() } else { integer(1) })
    }

    fn expire(&mut self, db: usize, name: &[u8], args: &[Vec<u8>]) -> Outcome {
        let key = &args[0];
        let Some(entry) = self.dbs[db].get(key).cloned() else {
            return Ok(if name == b"GETEX" { bulk(None) } else { integer(0) });
        };
        let persists = name == b"PERSIST" || args.get(1).is_some_and(|word| word == b"PERSIST");
        let deadline_ms = match name {
            _ if persists => None,
            b"PEXPIRE" => Some(self.now_ms + number(&args[1])?),
            b"PEXPIREAT" => Some(number(&args[1])?),
            _ if args.len() > 1 => Some(self.now_ms + number(&args[2])?),
            _ => return Ok(bulk(Some(&entry.value))),
        };
        if deadline_ms.is_some_and(|deadline_ms| deadline_ms <= self.now_ms) {
            self.remove(db, key);
        } else if !persists || entry.deadline_ms.is_some() {
            self.put(db, key, &entry.value, deadline_ms);
        }
        Ok(match name {
            b"GETEX" => bulk(Some(&entry.value)),
            b"PERSIST" => integer(i64::from(entry.deadline_ms.is_some())),
            _ => integer(1),
        })
    }

    fn write(&mut self, db: usize, name: &[u8], args: &[Vec<u8>]) -> Outcome {
        let key = &args[0];
        let deadline_ms = self.deadline_ms(db, key);
        let old = self.value(db, key).map(<[u8]>::to_vec);
        match name {
            b"APPEND" => {
                let value = [old.unwrap_or_default(), args[1].clone()].concat();
                self.put(db, key, &value, deadline_ms);
                Ok(integer(value.len() as i64))
            }
            b"SETRANGE" => {
                let at = number(&args[1])? as usize;
                let mut value = old.unwrap_or_default();
                if !args[2].is_empty() {
                    value.resize(value.len().max(at + args[2].len()), 0);
                    value[at..at + args[2].len()].copy_from_slice(&args[2]);
                    self.put(db, key, &value, deadline_ms);
                }
                Ok(integer(value.len() as i64))
            }
            b"GETSET" => {
                self.put(db, key, &args[1], None);
                Ok(bulk(old.as_deref()))
            }
            b"MSET" | b"MSETNX" => {
                let pairs = args.chunks(2);
                if name == b"MSETNX" && pairs.clone().any(|pair| self.dbs[db].contains_key(&pair[0])) {
                    return Ok(integer(0));
                }
                pairs.for_each(|pair| self.put(db, &pair[0], &pair[1], None));
                Ok(if name == b"MSET" { ok() } else { integer(1) })
            }
            _ => {
                let by = match name {
                    b"INCR" => 1,
                    b"DECR" => -1,
                    b"INCRBY" => number(&args[1])?,
                    b"DECRBY" => number(&args[1])?.checked_neg().ok_or("ERR decrement would overflow")?,
                    _ => panic!("the model does not know {}", name.escape_ascii()),
                };
                let sum = number(&old.unwrap_or(b"0".to_vec()))?.checked_add(by).ok_or(OVERFLOW)?;
                self.put(db, key, sum.to_string().as_bytes(), deadline_ms);
                Ok(integer(sum))
            }
        }
    }
}
