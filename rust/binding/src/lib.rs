//! The Python extension `rkv._rkv`.
//!
//! The only place that knows both Python and the engine. Lock rule: nobody takes or drops the GIL while holding a shard, and
//! Python objects are made from a reply only when every shard is released.

mod backup;
mod batch;
mod caller;
mod check;
mod config;
mod engine;
mod error;
mod files;
mod front;
mod keyspace;
mod log;
mod own;
mod pending;
mod rdb;
mod reactor;
mod session;
mod subscriber;
mod value;
mod wake;
mod words;

use pyo3::prelude::*;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The engine of rkv.
#[pymodule(gil_used = false)]
fn _rkv(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<engine::Engine>()?;
    module.add_class::<engine::ManualClock>()?;
    module.add_class::<keyspace::Keyspace>()?;
    module.add_class::<subscriber::Subscriber>()?;
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add_function(wrap_pyfunction!(engine::note_fork, module)?)?;
    module.add_function(wrap_pyfunction!(own::own_methods, module)?)?;
    backup::register(module)?;
    check::register(module)?;
    config::register(module)?;
    rdb::register(module)?;
    front::register(module)?;
    log::register(module)?;
    pending::register(module)?;
    reactor::register(module)?;
    session::register(module)?;
    wake::register(module)
}
