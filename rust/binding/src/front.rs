//! What a front end asks an engine: settings of admission, idle clients, whether to stop.

use std::collections::HashMap;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use pyo3::exceptions::PyKeyError;
use pyo3::prelude::*;
use rkv_engine::client::{Link, Transport};
use rkv_engine::config::{Change, Config, SetError, all_options, options};
use rkv_engine::handler::Store;

use crate::engine::Engine;
use crate::wake::WakeQueue;

/// What a front end asks its engine.
#[pyclass(frozen, module = "rkv._rkv")]
#[derive(Debug)]
pub struct Front {
    engine: Arc<rkv_engine::Engine>,
    /// Clients without commands that may still be taking a long reply: bytes sent, and when that was last more than before.
    taking: Mutex<HashMap<u64, (u64, i64)>>,
}

impl Front {
    fn store(&self) -> &Store {
        self.engine.store()
    }
}

/// Listeners stay where they were opened: a new address that nobody listens on would be a lie of `CONFIG GET`.
fn refuse_moving(changes: &[Change]) -> Result<(), SetError> {
    match changes.iter().map(|change| change.option.name).find(|name| ["port", "bind", "tls-port"].contains(name)) {
        Some(name) => Err(SetError::failed(name, "listeners are opened at the start; restart with another address")),
        None => Ok(()),
    }
}

/// Whether an option is about TLS.
fn is_tls(name: &str) -> bool {
    name.starts_with("tls-")
}

/// Asks Python to make use of other certificates and rules, because TLS is spoken there. This is the one place where a
/// thread that runs commands takes the GIL: it holds no shard, since CONFIG SET visits them one by one, and a thread with
/// the GIL never waits for one that holds a shard.
fn follow_tls(apply: &Py<PyAny>, next: &Config, changes: &[Change]) -> Result<(), SetError> {
    let Some(change) = changes.iter().find(|change| is_tls(change.option.name)) else { return Ok(()) };
    let names = all_options().map(|option| option.name).filter(|name| is_tls(name));
    let settings: HashMap<&str, OsString> =
        names.map(|name| (name, OsString::from_vec(next.text(name.as_bytes()).unwrap_or_default()))).collect();
    let is_applied = Python::attach(|py| {
        let told = apply.call1(py, (settings,)).and_then(|told| told.is_truthy(py));
        told.unwrap_or_else(|error| {
            error.write_unraisable(py, None);
            false
        })
    });
    let reason = "Unable to update TLS configuration. Check server logs.";
    if is_applied { Ok(()) } else { Err(SetError::failed(change.option.name, reason)) }
}

/// Whether the peer still takes the reply of its last command: some of it has left since `oldest_ms`.
fn is_taking(link: &Link, taking: &mut HashMap<u64, (u64, i64)>, now_ms: i64, oldest_ms: i64) -> bool {
    if link.output_bytes.load(Ordering::Relaxed) == 0 {
        return false;
    }
    let sent_bytes = link.sent_bytes.load(Ordering::Relaxed);
    let (seen_bytes, seen_ms) = taking.entry(link.id).or_insert((sent_bytes, now_ms));
    if *seen_bytes != sent_bytes {
        (*seen_bytes, *seen_ms) = (sent_bytes, now_ms);
    }
    *seen_ms >= oldest_ms
}

/// Whether `timeout` may close this client: it came over a socket, and does not wait for a key.
fn may_time_out(link: &Link) -> bool {
    matches!(link.origin.transport, Transport::Tcp | Transport::Unix | Transport::Stream) && link.blocking.is_idle()
}

#[pymethods]
impl Front {
    #[new]
    fn new(engine: &Engine) -> Self {
        Self { engine: Arc::clone(engine.inner()), taking: Mutex::default() }
    }

    /// From now on CONFIG SET refuses what a server cannot follow. `apply_tls` is called with the values that all options
    /// of TLS shall have when one of them changes, from any thread; unless it returns a true value, nothing changes.
    #[pyo3(signature = (apply_tls=None))]
    fn follow_config(&self, apply_tls: Option<Py<PyAny>>) {
        self.store().on_config(Some(Arc::new(move |next, changes| {
            refuse_moving(changes)?;
            apply_tls.as_ref().map_or(Ok(()), |apply| follow_tls(apply, next, changes))
        })));
    }

    /// An option's value now, as `CONFIG GET` prints it; `KeyError` if no option has this name.
    fn setting(&self, name: &str) -> PyResult<OsString> {
        let text = self.store().config().text(name.as_bytes());
        text.map(OsString::from_vec).ok_or_else(|| PyKeyError::new_err(name.to_owned()))
    }

    /// For each new connection: `maxclients`, whether only this machine is answered, seconds of `tcp-keepalive`.
    fn admission(&self) -> (i64, bool, i64) {
        let config = self.store().config();
        let is_protected = config.get(options::PROTECTED_MODE) && self.store().acl.default_user().rules().no_password;
        (config.get(options::MAXCLIENTS), is_protected, config.get(options::TCP_KEEPALIVE))
    }

    /// Counts a connection that was refused.
    fn count_rejected(&self) {
        self.store().counters.rejected.fetch_add(1, Ordering::Relaxed);
    }

    /// Closes clients that have neither sent a command nor taken a part of a reply for longer than `timeout`; returns how
    /// many. To be called about once per second.
    fn close_idle(&self, py: Python<'_>) -> usize {
        py.detach(|| {
            let store = self.store();
            let timeout_ms = store.config().get(options::TIMEOUT).saturating_mul(1000);
            let mut taking = self.taking.lock().unwrap_or_else(PoisonError::into_inner);
            if timeout_ms == 0 {
                taking.clear();
                return 0;
            }
            let oldest_ms = store.clock.unix_ms().saturating_sub(timeout_ms);
            let mut links = store.clients.all();
            links.retain(|link| may_time_out(link) && link.active_ms.load(Ordering::Relaxed) < oldest_ms);
            taking.retain(|id, _| links.iter().any(|link| link.id == *id));
            links.retain(|link| !is_taking(link, &mut taking, store.clock.unix_ms(), oldest_ms));
            for link in &links {
                link.kill();
            }
            links.len()
        })
    }

    /// From now on `queue` says `number` when a client asks to stop, or a bug has poisoned the store.
    fn listen(&self, queue: &WakeQueue, number: u64) {
        let wake = queue.handle(number);
        self.store().on_shutdown(Some(Arc::new(move || wake.wake())));
    }

    /// Nobody listens any more: SHUTDOWN is refused.
    fn unlisten(&self) {
        self.store().on_shutdown(None);
    }

    /// What a client asked for: (now, force, whether to save if it said so); `None` if nobody asked.
    fn shutdown(&self) -> Option<(bool, bool, Option<bool>)> {
        self.store().shutdown().map(|shutdown| (shutdown.now, shutdown.force, shutdown.save))
    }

    /// Whether a bug has stopped the store.
    #[getter]
    fn is_poisoned(&self) -> bool {
        self.store().is_poisoned()
    }

    /// With what a server ends whose store was stopped: 70 for a bug, 74 if what `appendfsync always` promises cannot be
    /// kept.
    #[getter]
    fn exit_code(&self) -> u8 {
        self.store().exit_code.load(Ordering::Acquire)
    }
}

/// Adds what this file defines.
pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<Front>()
}
