//! The engine behind a reactor without Python: for profilers. Usage: `serve PORT [THREADS [DIR [NAME VALUE]...]]`; with a
//! directory it loads and saves there. It accepts
//! anybody who reaches the loopback address.
#![forbid(unsafe_code)]

use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use rkv_engine::client::{Origin, Transport};
use rkv_engine::files::RealFiles;
use rkv_engine::{Engine, EngineOptions};
use rkv_reactor::{Clock, Hooks, Reactor};

fn main() -> io::Result<()> {
    let mut words = std::env::args().skip(1);
    let port: u16 = words.next().and_then(|word| word.parse().ok()).unwrap_or(6379);
    let threads = words.next().and_then(|word| word.parse().ok()).unwrap_or(1);
    let mut options = EngineOptions::default();
    options.config.set(b"enable-debug-command", &["yes"]).map_err(|error| io::Error::other(format!("{error:?}")))?;
    let set = |options: &mut EngineOptions, name: &str, value: &str| {
        let words: Vec<&str> = value.split(' ').collect();
        options.config.set(name.as_bytes(), &words).map_err(|error| io::Error::other(format!("{error:?}")))
    };
    set(&mut options, "save", "")?;
    if let Some(dir) = words.next() {
        options.files = Some(Arc::new(RealFiles::open(dir)?));
    }
    while let (Some(name), Some(value)) = (words.next(), words.next()) {
        set(&mut options, &name, &value)?;
    }
    let began = Instant::now();
    let engine = Engine::open(options).map_err(|error| io::Error::other(error.to_string()))?;
    eprintln!("ready after {:.3} s", began.elapsed().as_secs_f64());
    let clock = Arc::clone(&engine.store().clock);
    let clock: Clock = Arc::new(move || clock.monotonic_us());
    let store = Arc::clone(engine.store());
    let hooks = Hooks { round: Arc::new(move || store.end_round()), ..Hooks::default() };
    let reactor = Reactor::start(threads, "rkv-io", &clock, &hooks)?;
    let stopped = Arc::clone(&engine);
    engine.store().on_shutdown(Some(Arc::new(move || {
        let engine = Arc::clone(&stopped);
        std::thread::spawn(move || {
            engine.close();
            let code = if engine.store().is_poisoned() { engine.store().exit_code.load(Ordering::Acquire) } else { 0 };
            std::process::exit(i32::from(code));
        });
    })));
    let listener = TcpListener::bind(("127.0.0.1", port))?;
    loop {
        let (socket, peer) = listener.accept()?;
        socket.set_nodelay(true)?;
        let origin = Origin {
            peer: peer.to_string(),
            local: socket.local_addr()?.to_string(),
            transport: Transport::Tcp,
            fd: -1,
        };
        let engine = Arc::clone(&engine);
        reactor.adopt(socket, move |wake| engine.session(origin, wake))?;
    }
}
