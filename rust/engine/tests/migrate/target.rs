//! A network within this process: its only host is another engine, and it does what a test tells it to.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use rkv_engine::client::{NoWake, Origin, Transport, Wake};
use rkv_engine::outbound::{Network, Patience, Wire};
use rkv_engine::session::Session;
use rkv_engine::{Engine, EngineOptions};

/// How long anything may take before it counts as lost.
const LOST: Duration = Duration::from_secs(30);

/// What is called with the number of a RESTORE, from 1, when it was carried out and not answered yet.
pub type Hook = Box<dyn FnMut(usize) + Send>;

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Nothing.
    None,
    /// Connections are refused.
    Refuses,
    /// Connections end behind so many answers.
    EndsBehind(usize),
    /// Nothing is answered.
    Silent,
}

struct Shared {
    engine: Arc<Engine>,
    hook: Mutex<Option<Hook>>,
    trouble: Mutex<Trouble>,
    restored: AtomicUsize,
    connections: AtomicUsize,
    /// Every connection made before this one is dead, although nobody has heard of it.
    alive_from: AtomicUsize,
}

/// The network, and the host in it.
#[derive(Clone)]
pub struct Target(Arc<Shared>);

impl fmt::Debug for Target {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Target")
    }
}

impl Target {
    /// A network with this host.
    pub fn new(engine: &Arc<Engine>) -> Self {
        Self(Arc::new(Shared {
            engine: Arc::clone(engine),
            hook: Mutex::new(None),
            trouble: Mutex::new(Trouble::None),
            restored: AtomicUsize::new(0),
            connections: AtomicUsize::new(0),
            alive_from: AtomicUsize::new(0),
        }))
    }

    /// An engine that reaches the host by this network.
    pub fn source(&self, options: EngineOptions) -> Arc<Engine> {
        Engine::new(EngineOptions { network: Some(Arc::new(self.clone())), ..options }).unwrap()
    }

    /// Sets what is called for each RESTORE.
    pub fn on_restore(&self, hook: impl FnMut(usize) + Send + 'static) {
        *self.0.hook.lock().unwrap() = Some(Box::new(hook));
    }

    /// Lets something go wrong.
    pub fn trouble(&self, trouble: Trouble) {
        *self.0.trouble.lock().unwrap() = trouble;
    }

    /// How many RESTOREs were carried out.
    pub fn restored(&self) -> usize {
        self.0.restored.load(Ordering::SeqCst)
    }

    /// How many connections were made.
    pub fn connections(&self) -> usize {
        self.0.connections.load(Ordering::SeqCst)
    }

    /// Ends all connections that were made so far.
    pub fn restart(&self) {
        self.0.alive_from.store(self.connections() + 1, Ordering::SeqCst);
    }
}

impl Network for Target {
    fn connect(&self, _: &str, _: u16, _: Patience<'_>) -> io::Result<Box<dyn Wire>> {
        if *self.0.trouble.lock().unwrap() == Trouble::Refuses {
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        let number = self.0.connections.fetch_add(1, Ordering::SeqCst) + 1;
        let session = self.0.engine.session(origin(), Arc::new(NoWake));
        Ok(Box::new(Connection { number, shared: self.clone(), session, answers: VecDeque::new(), answered: 0 }))
    }
}

/// A client of a test.
pub fn origin() -> Origin {
    Origin { peer: "127.0.0.1:1".into(), local: "127.0.0.1:2".into(), transport: Transport::Tcp, fd: -1 }
}

struct Connection {
    number: usize,
    shared: Target,
    session: Session,
    answers: VecDeque<u8>,
    answered: usize,
}

impl Wire for Connection {
    fn send(&mut self, bytes: &[u8], _: Patience<'_>) -> io::Result<()> {
        // Byte by byte, so that each command is answered alone.
        for byte in bytes {
            self.session.receive(std::slice::from_ref(byte));
            let output = self.session.output().to_vec();
            self.session.advance(output.len());
            self.answers.extend(&output);
            if !output.is_empty() {
                self.tell();
            }
        }
        Ok(())
    }

    fn receive(&mut self, room: &mut [u8], patience: Patience<'_>) -> io::Result<usize> {
        let is_dead = self.number < self.shared.0.alive_from.load(Ordering::SeqCst);
        let trouble = *self.shared.0.trouble.lock().unwrap();
        match trouble {
            _ if is_dead => return Ok(0),
            Trouble::EndsBehind(answers) if self.answered >= answers => return Ok(0),
            Trouble::Silent => {
                let begun = Instant::now();
                loop {
                    std::thread::sleep(patience.nap(begun.elapsed())?);
                }
            }
            _ => {}
        }
        let end = self.answers.iter().position(|byte| *byte == b'\n').ok_or(io::ErrorKind::TimedOut)?;
        let line: Vec<u8> = self.answers.drain(..=end).collect();
        room[..line.len()].copy_from_slice(&line);
        self.answered += 1;
        Ok(line.len())
    }
}

impl Connection {
    /// A command was carried out; if it brought a key, the test hears of it.
    fn tell(&self) {
        let store = self.shared.0.engine.store();
        let link = store.clients.all().into_iter().find(|link| link.id == self.session.id());
        let last = link.map(|link| link.last_command.load(Ordering::SeqCst));
        let last = last.and_then(|last| store.table.all().get(last as usize - 1)).map(|command| command.row.name);
        if last == Some("RESTORE") {
            let number = self.shared.0.restored.fetch_add(1, Ordering::SeqCst) + 1;
            if let Some(hook) = &mut *self.shared.0.hook.lock().unwrap() {
                hook(number);
            }
        }
    }
}

#[derive(Default)]
struct Bell {
    rung: Mutex<bool>,
    ring: Condvar,
}

impl Wake for Bell {
    fn wake(&self) {
        *self.rung.lock().unwrap() = true;
        self.ring.notify_all();
    }
}

/// A connection to an engine, whose replies are text as it came.
pub struct Client {
    pub session: Session,
    bell: Arc<Bell>,
}

impl Client {
    pub fn new(engine: &Engine) -> Self {
        let bell = Arc::new(Bell::default());
        Self { session: engine.session(origin(), bell.clone()), bell }
    }

    /// Sends a command and does not wait for what it replies.
    pub fn send(&mut self, line: &str) {
        let words: Vec<&[u8]> = line.split(' ').map(|word| if word == "''" { "" } else { word }.as_bytes()).collect();
        let mut request = Vec::new();
        rkv_engine::outbound::write_command(&words, &mut request);
        self.session.receive(&request);
    }

    /// The reply, when it comes.
    pub fn reply(&mut self) -> String {
        let end = Instant::now() + LOST;
        while self.session.output().is_empty() {
            let rung = self.bell.rung.lock().unwrap();
            let left = end.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "no reply came");
            let (mut rung, _) = self.bell.ring.wait_timeout_while(rung, left, |rung| !*rung).unwrap();
            *rung = false;
            drop(rung);
            self.session.poll();
        }
        let output = String::from_utf8_lossy(self.session.output()).into_owned();
        self.session.advance(output.len());
        output.trim_end().to_owned()
    }

    /// Sends a command; its reply.
    pub fn call(&mut self, line: &str) -> String {
        self.send(line);
        self.reply()
    }
}
