//! `execute_many`: many commands in one call, a window of them at a time.
//!
//! The words of a window are borrowed from their Python objects, its shards are locked once, and Python objects are made of
//! the replies when the locks are released.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyString, PyTuple};
use rkv_engine::dispatch::{Call, WINDOW_CALLS_MAX};
use rkv_engine::handler::{Args, Command};
use smallvec::SmallVec;

use crate::caller::State;
use crate::error;
use crate::keyspace::Keyspace;
use crate::words::{Word, borrowed};

/// The words of a window, one request behind the other.
#[derive(Default)]
struct Words<'a> {
    words: SmallVec<[&'a [u8]; 4 * WINDOW_CALLS_MAX]>,
    /// Where each request ends.
    ends: SmallVec<[usize; WINDOW_CALLS_MAX]>,
}

impl<'a> Words<'a> {
    /// The words of requests whose objects all hold the very bytes of a word; `None` if one does not.
    #[inline]
    fn borrow(requests: &'a [Bound<'_, PyTuple>]) -> Option<Self> {
        let mut this = Self::default();
        let mut last: Option<(&Bound<'_, PyAny>, &'a [u8])> = None;
        for request in requests {
            let (first, rest) = request.as_slice().split_first()?;
            // Batches name their command by one object.
            let name = match last {
                Some((object, name)) if object.is(first) => name,
                _ => borrowed(first)?,
            };
            last = Some((first, name));
            this.words.push(name);
            for object in rest {
                this.words.push(borrowed(object)?);
            }
            this.ends.push(this.words.len());
        }
        Some(this)
    }

    /// The words of requests; `made` are those that cannot be borrowed, in order.
    fn mix(requests: &'a [Bound<'_, PyTuple>], made: &'a [Word<'a>]) -> Self {
        let (mut this, mut made) = (Self::default(), made.iter());
        for request in requests {
            for object in request.as_slice() {
                let word = if is_text(object) { borrowed(object) } else { made.next().map(Word::bytes) };
                this.words.push(word.unwrap_or_default());
            }
            this.ends.push(this.words.len());
        }
        this
    }

    fn requests(&self) -> impl Iterator<Item = Args<'_>> {
        let mut begin = 0;
        self.ends.iter().map(move |&end| {
            let words = self.words.get(begin..end).unwrap_or_default();
            begin = end;
            Args::new(words)
        })
    }
}

fn is_text(object: &Bound<'_, PyAny>) -> bool {
    object.is_instance_of::<PyString>() || object.is_instance_of::<PyBytes>()
}

/// The words that cannot be borrowed, in order.
fn made<'a>(requests: &'a [Bound<'_, PyTuple>]) -> PyResult<Vec<Word<'a>>> {
    let mut words = Vec::new();
    for object in requests.iter().flat_map(PyTupleMethods::as_slice) {
        let word = Word::new(object)?;
        if !is_text(object) {
            words.push(word);
        }
    }
    Ok(words)
}

/// A request as a tuple that is not empty.
#[inline]
fn request(object: Bound<'_, PyAny>) -> PyResult<Bound<'_, PyTuple>> {
    match object.cast_into::<PyTuple>() {
        Ok(tuple) if !tuple.is_empty() => Ok(tuple),
        Ok(tuple) => odd_request(&tuple),
        Err(other) => odd_request(&other.into_inner()),
    }
}

#[cold]
fn odd_request<'py>(object: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyTuple>> {
    let words = object.try_iter()?.collect::<PyResult<Vec<_>>>()?;
    if words.is_empty() {
        return Err(PyValueError::new_err("a command needs at least its name"));
    }
    PyTuple::new(object.py(), words)
}

/// Runs commands in order and returns their replies; errors are in their places.
pub fn run<'py>(keyspace: &Keyspace, py: Python<'py>, commands: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyList>> {
    // All are read before the first one runs, as reading them may run Python.
    let mut requests = Vec::with_capacity(commands.len().unwrap_or(0));
    if let Ok(list) = commands.cast_exact::<PyList>() {
        for object in list {
            requests.push(request(object)?);
        }
    } else {
        for object in commands.try_iter()? {
            requests.push(request(object?)?);
        }
    }
    let mut replies = Vec::with_capacity(requests.len());
    keyspace.callers().with(py, |state| {
        requests.chunks(WINDOW_CALLS_MAX).try_for_each(|window| run_window(keyspace, py, state, window, &mut replies))
    })?;
    PyList::new(py, replies)
}

/// Runs the commands of a window; their replies, errors among them, are appended.
fn run_window<'py>(
    keyspace: &Keyspace,
    py: Python<'py>,
    state: &mut State,
    requests: &[Bound<'py, PyTuple>],
    replies: &mut Vec<Bound<'py, PyAny>>,
) -> PyResult<()> {
    if let Some(words) = Words::borrow(requests) {
        return run_words(keyspace, py, state, &words, replies);
    }
    let made = made(requests)?;
    run_words(keyspace, py, state, &Words::mix(requests, &made), replies)
}

fn run_words<'py>(
    keyspace: &Keyspace,
    py: Python<'py>,
    state: &mut State,
    words: &Words<'_>,
    replies: &mut Vec<Bound<'py, PyAny>>,
) -> PyResult<()> {
    state.tape.clear();
    if let Some(calls) = resolve(keyspace, words)
        && state.try_window(py, &calls)
    {
        let (mut values, text) = (state.tape.iter(), keyspace.strings());
        for _ in &calls {
            replies.push(text.next(py, &mut values)?);
        }
        return Ok(());
    }
    for args in words.requests() {
        state.tape.clear();
        match keyspace.run(py, state, args.words()) {
            Ok(()) => replies.push(keyspace.strings().next(py, &mut state.tape.iter())?),
            Err(raised) if raised.is_instance(py, &error::response_error(py)?) => {
                replies.push(raised.into_value(py).into_bound(py).into_any());
            }
            Err(raised) => return Err(raised),
        }
    }
    Ok(())
}

/// What the requests ask for; `None` if one asks for what is not there.
#[inline]
fn resolve<'a>(keyspace: &'a Keyspace, words: &'a Words<'_>) -> Option<SmallVec<[Call<'a>; WINDOW_CALLS_MAX]>> {
    let table = keyspace.table();
    let mut calls: SmallVec<[Call<'_>; WINDOW_CALLS_MAX]> = SmallVec::new();
    let mut last: Option<(&[u8], &Command)> = None;
    for args in words.requests() {
        let name = args.word(0);
        let command = match last {
            // The same bytes in the same place: batches name their command by one constant.
            Some((last_name, command)) if std::ptr::eq(last_name, name) => command,
            _ => {
                let command = table.resolve(args).ok()?;
                last = command.is_named(name).then_some((name, command));
                command
            }
        };
        calls.push(Call { command, args });
    }
    Some(calls)
}
