//! A disk that is looked at before every operation, and a store that writes its log there.

use std::any::Any;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use crate::chance::Random;
use rkv_engine::clock::ManualClock;
use rkv_engine::config::Config;
use rkv_engine::dispatch::Mode;
use rkv_engine::files::{File, Files, SimulatedFiles};
use rkv_engine::resp::{Tape, Value};
use rkv_engine::{Caller, Engine, EngineOptions, OpenError};

/// Called with the disk before every operation.
pub type Look = Arc<dyn Fn(&SimulatedFiles) + Send + Sync>;

/// A disk that is looked at before every operation.
#[derive(Clone)]
pub struct Watched {
    pub disk: SimulatedFiles,
    pub look: Look,
}

impl std::fmt::Debug for Watched {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Watched")
    }
}

impl Watched {
    fn file(&self, opened: io::Result<Box<dyn File>>) -> io::Result<Box<dyn File>> {
        Ok(Box::new(WatchedFile { file: opened?, watched: self.clone() }))
    }

    fn look(&self) -> &SimulatedFiles {
        (self.look)(&self.disk);
        &self.disk
    }
}

impl Files for Watched {
    fn open(&self, name: &str) -> io::Result<Box<dyn File>> {
        self.file(self.disk.open(name))
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn File>> {
        self.file(self.look().create(name))
    }

    fn append(&self, name: &str) -> io::Result<Box<dyn File>> {
        self.file(self.look().append(name))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.look().rename(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.look().remove(name)
    }

    fn link(&self, from: &str, to: &str) -> io::Result<()> {
        self.look().link(from, to)
    }

    fn create_dir(&self, name: &str) -> io::Result<()> {
        self.look().create_dir(name)
    }

    fn remove_dir(&self, name: &str) -> io::Result<()> {
        self.look().remove_dir(name)
    }

    fn list(&self, dir: &str) -> io::Result<Vec<String>> {
        self.disk.list(dir)
    }

    fn sync_dir(&self, dir: &str) -> io::Result<()> {
        self.look().sync_dir(dir)
    }

    fn lock(&self) -> io::Result<Box<dyn Any + Send>> {
        self.disk.lock()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.disk.path(name)
    }
}

#[derive(Debug)]
struct WatchedFile {
    file: Box<dyn File>,
    watched: Watched,
}

impl File for WatchedFile {
    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        self.file.read_at(offset, into)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.watched.look();
        self.file.write(bytes)
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.watched.look();
        self.file.write_at(offset, bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.watched.look();
        self.file.sync()
    }

    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn set_len(&mut self, len: u64) -> io::Result<()> {
        self.watched.look();
        self.file.set_len(len)
    }

    fn allocate(&mut self, bytes_ahead: u64) -> io::Result<()> {
        self.file.allocate(bytes_ahead)
    }
}

/// Opens a store with a log on a disk. Its clock is moved by hand, so that it has no threads.
pub fn open(
    files: Arc<dyn Files>,
    clock: &Arc<ManualClock>,
    directives: &[(&str, &str)],
) -> Result<Arc<Engine>, OpenError> {
    let mut config = Config::default();
    let always = [("appendonly", "yes"), ("enable-debug-command", "yes"), ("save", "")];
    for (name, value) in always.iter().chain(directives) {
        config.set(name.as_bytes(), &[value]).unwrap();
    }
    let clock = Arc::clone(clock);
    Engine::open(EngineOptions { config, shard_bits: 2, clock, files: Some(files), ..EngineOptions::default() })
}

/// Runs a command; its reply, printed.
pub fn run(caller: &mut Caller, words: &[&str]) -> String {
    let words: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
    let mut tape = Tape::new();
    caller.execute(&words, Mode::Now, &mut tape);
    match tape.iter().next() {
        Some(Value::Error(error)) => error.as_str().to_owned(),
        Some(Value::Simple(text)) => String::from_utf8_lossy(text.as_ref()).into_owned(),
        other => format!("{other:?}"),
    }
}

/// What is stored, as one number.
pub fn digest(engine: &Engine) -> String {
    run(&mut engine.caller(), &["DEBUG", "DIGEST"])
}

/// One random change, of any type; sometimes a transaction.
pub fn change(caller: &mut Caller, random: &mut Random) -> bool {
    let transaction = random.below(5) == 0;
    if transaction {
        if run(caller, &["MULTI"]) != "OK" {
            return false;
        }
        for _ in 0..2 + random.below(3) {
            run(caller, &words(random).iter().map(String::as_str).collect::<Vec<_>>());
        }
        return !is_failure(&run(caller, &["EXEC"]));
    }
    !is_failure(&run(caller, &words(random).iter().map(String::as_str).collect::<Vec<_>>()))
}

fn is_failure(reply: &str) -> bool {
    let is_failure =
        ["MISCONF", "EXECABORT", "ERR"].iter().any(|code| reply.starts_with(code)) && reply != "ERR no such key";
    if is_failure {
        println!("{reply}");
    }
    is_failure
}

fn words(random: &mut Random) -> Vec<String> {
    let key = |random: &mut Random| format!("key:{}", random.below(12));
    let text = |random: &mut Random| "v".repeat(1 + random.below(30) as usize) + &random.below(1000).to_string();
    let (name, other, value) = (key(random), key(random), text(random));
    let number = random.below(50).to_string();
    let words: &[&str] = match random.below(14) {
        0 => &["DEL", &name],
        1 => &["SET", &name, &value, "PX", "100000"],
        2 => &["APPEND", "text", &value],
        3 => &["INCRBYFLOAT", "float", "0.5"],
        4 => &["RPUSH", "list", &value, &number],
        5 => &["LPOP", "list"],
        6 => &["SADD", "set", &value, &number],
        7 => &["SPOP", "set"],
        8 => &["ZADD", "zset", &number, &value],
        9 => &["HSET", "hash", &number, &value],
        10 => &["RENAME", &name, &other],
        11 => &["MSET", &name, &value, &other, &number],
        12 => &["LMPOP", "1", "list", "LEFT", "COUNT", "2"],
        _ => &["SET", &name, &value],
    };
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// What was put down for later, by anybody.
pub fn shared<T>() -> Arc<Mutex<Vec<T>>> {
    Arc::new(Mutex::new(Vec::new()))
}
