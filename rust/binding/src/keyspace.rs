//! One database as Python calls it: the hot commands, `execute` and `execute_many`. The rest of redis-py's methods stands in
//! `rkv/commands` and ends in `execute`.

use std::sync::Arc;

use pyo3::exceptions::{PyKeyError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyByteArray, PyBytes, PyDict, PyFloat, PyInt, PyList, PyMemoryView, PyString, PyTuple};
use rkv_engine::error::Error;
use rkv_engine::handler::{Args, Command, CommandTable, Flags};
use rkv_engine::resp::{Tape, Value};
use smallvec::SmallVec;

use crate::batch;
use crate::caller::{Callers, State};
use crate::engine::{Engine, Handle};
use crate::error;
use crate::value::{Text, integer};
use crate::words::{Refs, Word, bytes, with_words};

/// A command that was looked up once.
#[derive(Clone, Copy)]
struct Known {
    name: &'static str,
    id: Option<u16>,
}

impl Known {
    fn new(table: &CommandTable, name: &'static str) -> Self {
        Self { name, id: table.command_named(name.as_bytes()).map(|command| command.id) }
    }
}

/// The commands behind the methods below.
struct Hot {
    get: Known,
    set: Known,
    incrby: Known,
    decrby: Known,
    mget: Known,
    mset: Known,
    exists: Known,
    del: Known,
    dbsize: Known,
    hset: Known,
    hget: Known,
    lpush: Known,
    rpush: Known,
    lpop: Known,
    rpop: Known,
    sadd: Known,
    sismember: Known,
    zadd: Known,
    zscore: Known,
}

/// One database of a store, for any number of threads.
#[pyclass(frozen, subclass, generic, module = "rkv._rkv")]
pub struct Keyspace {
    callers: Callers,
    text: Text,
    hot: Hot,
    db: usize,
}

impl Keyspace {
    /// The store.
    pub(crate) fn share(&self) -> Arc<Handle> {
        self.callers.share()
    }

    /// Every command.
    pub(crate) fn table(&self) -> &CommandTable {
        &self.callers.handle().core().store().table
    }

    /// Runs a known command and reads the reply from the tape.
    #[inline]
    fn call<R>(
        &self,
        py: Python<'_>,
        known: Known,
        words: &[&[u8]],
        read: impl FnOnce(&Tape) -> PyResult<R>,
    ) -> PyResult<R> {
        self.callers.with(py, |state| {
            match known.id.and_then(|id| self.table().all().get(usize::from(id))) {
                Some(command) => state.call(py, command, words)?,
                None => state.execute(py, words)?,
            }
            read(&state.tape)
        })
    }

    /// INCRBY and DECRBY.
    #[inline]
    fn add<'py>(
        &self,
        py: Python<'py>,
        known: Known,
        name: &Bound<'py, PyAny>,
        amount: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let mut made = [None, None];
        let [made_name, made_amount] = &mut made;
        let name = bytes(name, made_name)?;
        let amount = match amount {
            Some(amount) => bytes(amount, made_amount)?,
            None => b"1",
        };
        self.call(py, known, &[known.name.as_bytes(), name, amount], |tape| read_integer(py, tape))
    }

    /// A known command with two words behind its name.
    #[inline]
    fn call_two<R>(
        &self,
        py: Python<'_>,
        known: Known,
        name: &Bound<'_, PyAny>,
        second: &Bound<'_, PyAny>,
        read: impl FnOnce(&Tape) -> PyResult<R>,
    ) -> PyResult<R> {
        let mut made = [None, None];
        let [made_name, made_second] = &mut made;
        let (name, second) = (bytes(name, made_name)?, bytes(second, made_second)?);
        self.call(py, known, &[known.name.as_bytes(), name, second], read)
    }

    /// LPUSH, RPUSH and SADD.
    #[inline]
    fn push<'py>(
        &self,
        py: Python<'py>,
        known: Known,
        name: &Bound<'py, PyAny>,
        values: &Bound<'py, PyTuple>,
    ) -> PyResult<Bound<'py, PyAny>> {
        if let [value] = values.as_slice() {
            return self.call_two(py, known, name, value, |tape| read_integer(py, tape));
        }
        let mut made = None;
        let head = [known.name.as_bytes(), bytes(name, &mut made)?];
        with_words(&head, values.as_slice(), |words| self.call(py, known, words, |tape| read_integer(py, tape)))?
    }

    /// LPOP and RPOP.
    #[inline]
    fn pop<'py>(
        &self,
        py: Python<'py>,
        known: Known,
        name: &Bound<'py, PyAny>,
        count: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let read = |tape: &Tape| self.text.reply(py, tape);
        if let Some(count) = count {
            return self.call_two(py, known, name, count, read);
        }
        let mut made = None;
        self.call(py, known, &[known.name.as_bytes(), bytes(name, &mut made)?], read)
    }

    fn call_objects<R>(
        &self,
        py: Python<'_>,
        known: Known,
        objects: &[Bound<'_, PyAny>],
        read: impl FnOnce(&Tape) -> PyResult<R>,
    ) -> PyResult<R> {
        with_words(&[known.name.as_bytes()], objects, |words| self.call(py, known, words, read))?
    }

    /// The callers of this database.
    pub(crate) const fn callers(&self) -> &Callers {
        &self.callers
    }

    /// How strings come back.
    pub(crate) const fn strings(&self) -> Text {
        self.text
    }

    /// The number of the database.
    pub(crate) const fn database(&self) -> usize {
        self.db
    }

    /// Refuses what would change the state of a connection where there is none.
    ///
    /// # Errors
    /// It does.
    pub(crate) fn check(&self, py: Python<'_>, words: &[&[u8]]) -> PyResult<()> {
        self.table().resolve(Args::new(words)).map_or(Ok(()), |command| self.check_stateless(py, command))
    }

    /// Runs a request of any name.
    pub(crate) fn run(&self, py: Python<'_>, state: &mut State, words: &[&[u8]]) -> PyResult<()> {
        match self.table().resolve(Args::new(words)) {
            Ok(command) => {
                self.check_stateless(py, command)?;
                state.call(py, command, words)
            }
            // The door has the words for it.
            Err(_) => state.execute(py, words),
        }
    }

    /// What would change the state of a connection is refused where there is none.
    fn check_stateless(&self, py: Python<'_>, command: &Command) -> PyResult<()> {
        if self.callers.is_connection() || !command.row.flags.has(Flags::SESSION) {
            return Ok(());
        }
        let name = command.full_name().to_ascii_uppercase();
        let text = format!(
            "ERR {name} changes the state of a connection, which a keyspace does not have: \
             use pipeline(), or another keyspace of the same store"
        );
        Err(error::reply(py, &Error::text(text)))
    }
}

/// The options of SET that most calls use.
#[expect(clippy::struct_excessive_bools, reason = "each is a word of the command")]
struct SetOptions {
    ex: Option<i64>,
    px: Option<i64>,
    nx: bool,
    xx: bool,
    keepttl: bool,
    get: bool,
}

impl SetOptions {
    /// `None`: an option of another type, or options that exclude each other. Python has the words for these.
    fn read(options: &[Option<&Bound<'_, PyAny>>; 12]) -> Option<Self> {
        let number = |option: Option<&Bound<'_, PyAny>>| match option {
            Some(value) => value.cast_exact::<PyInt>().ok()?.extract().ok().map(Some),
            None => Some(None),
        };
        let flag = |option: Option<&Bound<'_, PyAny>>| option.map_or(Some(false), |value| value.is_truthy().ok());
        let &[ex, px, nx, xx, keepttl, get, ..] = options;
        let (ex, px, keepttl) = (number(ex)?, number(px)?, flag(keepttl)?);
        let (nx, xx, get) = (flag(nx)?, flag(xx)?, flag(get)?);
        let times = u8::from(ex.is_some()) + u8::from(px.is_some()) + u8::from(keepttl);
        (times <= 1 && !(nx && xx)).then_some(Self { ex, px, nx, xx, keepttl, get })
    }

    fn push(&self, words: &mut SmallVec<[Word<'_>; 8]>) {
        let flags = [(self.nx, "NX"), (self.xx, "XX"), (self.get, "GET"), (self.keepttl, "KEEPTTL")];
        words.extend(flags.into_iter().filter(|(is_set, _)| *is_set).map(|(_, word)| Word::Borrowed(word.as_bytes())));
        for (name, number) in [("EX", self.ex), ("PX", self.px)] {
            if let Some(number) = number {
                words.extend([Word::Borrowed(name.as_bytes()), Word::integer(number)]);
            }
        }
    }
}

fn set_with_options<'py>(
    slf: &Bound<'py, Keyspace>,
    name: &Bound<'py, PyAny>,
    value: &Bound<'py, PyAny>,
    options: &[Option<&Bound<'py, PyAny>>; 12],
) -> PyResult<Bound<'py, PyAny>> {
    let (py, this) = (slf.py(), slf.get());
    let is_rare = options[6..].iter().any(Option::is_some);
    let Some(plain) = SetOptions::read(options).filter(|_| !is_rare) else {
        let given = [name, value].into_iter().map(Some).chain(options.iter().copied());
        let given = given.map(|option| option.map_or_else(|| py.None(), |option| option.clone().unbind()));
        return slf.call_method1("_set", PyTuple::new(py, given.collect::<Vec<_>>())?);
    };
    let mut words: SmallVec<[Word<'_>; 8]> = SmallVec::new();
    words.push(Word::new(name)?);
    words.push(Word::new(value)?);
    plain.push(&mut words);
    let refs: Refs<'_> = std::iter::once(b"SET".as_slice()).chain(words.iter().map(Word::bytes)).collect();
    this.call(py, this.hot.set, &refs, |tape| if plain.get { this.text.reply(py, tape) } else { read_set(py, tape) })
}

/// What SET without GET returns: True, or None if a condition forbade it.
#[inline]
fn read_set<'py>(py: Python<'py>, tape: &Tape) -> PyResult<Bound<'py, PyAny>> {
    Ok(match read_done(py, tape)? {
        Some(_) => PyBool::new(py, true).to_owned().into_any(),
        None => py.None().into_bound(py),
    })
}

/// Whether an option is left out, or as good as.
#[inline]
fn is_off(option: Option<&Bound<'_, PyAny>>) -> bool {
    option.is_none_or(|value| value.is(PyBool::new(value.py(), false)))
}

/// ZADD of a dict without options.
#[inline]
fn zadd_dict<'py>(
    this: &Keyspace,
    name: &Bound<'py, PyAny>,
    mapping: &Bound<'py, PyDict>,
) -> PyResult<Bound<'py, PyAny>> {
    let py = name.py();
    let mut made = [None, None];
    let [made_name, made_member] = &mut made;
    let name = bytes(name, made_name)?;
    let mut pairs = mapping.iter();
    if let (Some((member, score)), 0) = (pairs.next(), pairs.len()) {
        let score = Word::score(&score)?;
        let words = [b"ZADD", name, score.bytes(), bytes(&member, made_member)?];
        return this.call(py, this.hot.zadd, &words, |tape| read_integer(py, tape));
    }
    let pairs: SmallVec<[_; 4]> = mapping.iter().collect();
    let mut words: SmallVec<[Word<'_>; 8]> = SmallVec::new();
    for (member, score) in &pairs {
        words.push(Word::score(score)?);
        words.push(Word::new(member)?);
    }
    let head = [b"ZADD".as_slice(), name];
    let refs: Refs<'_> = head.into_iter().chain(words.iter().map(Word::bytes)).collect();
    this.call(py, this.hot.zadd, &refs, |tape| read_integer(py, tape))
}

/// Whether redis-py takes it for one key rather than for many.
fn is_one_key(object: &Bound<'_, PyAny>) -> bool {
    object.is_instance_of::<PyString>()
        || object.is_instance_of::<PyBytes>()
        || object.is_instance_of::<PyInt>()
        || object.is_instance_of::<PyFloat>()
        || object.is_instance_of::<PyByteArray>()
        || object.is_instance_of::<PyMemoryView>()
}

/// An integer reply.
#[inline]
fn read_integer<'py>(py: Python<'py>, tape: &Tape) -> PyResult<Bound<'py, PyAny>> {
    match tape.first() {
        Some(Value::Integer(number)) => Ok(integer(py, number)),
        _ => Text(false).reply(py, tape),
    }
}

/// Whether the reply is anything but nothing.
#[inline]
fn read_done(py: Python<'_>, tape: &Tape) -> PyResult<Option<bool>> {
    match tape.first() {
        Some(Value::Null | Value::NullArray) | None => Ok(None),
        Some(Value::Error(error)) => Err(error::reply(py, error)),
        Some(_) => Ok(Some(true)),
    }
}

fn read_count(py: Python<'_>, tape: &Tape) -> PyResult<i64> {
    match tape.first() {
        Some(Value::Integer(number)) => Ok(number),
        Some(Value::Error(error)) => Err(error::reply(py, error)),
        _ => Ok(0),
    }
}

#[pymethods]
impl Keyspace {
    #[new]
    #[pyo3(signature = (engine, db, text=false, connection=false))]
    fn new(engine: &Bound<'_, Engine>, db: usize, text: bool, connection: bool) -> PyResult<Self> {
        let handle = engine.get().handle();
        handle.check(engine.py())?;
        let databases = handle.core().store().settings.databases();
        if db >= databases {
            return Err(PyValueError::new_err(format!("database {db} of {databases}")));
        }
        let table = &handle.core().store().table;
        let hot = Hot {
            get: Known::new(table, "GET"),
            set: Known::new(table, "SET"),
            incrby: Known::new(table, "INCRBY"),
            decrby: Known::new(table, "DECRBY"),
            mget: Known::new(table, "MGET"),
            mset: Known::new(table, "MSET"),
            exists: Known::new(table, "EXISTS"),
            del: Known::new(table, "DEL"),
            dbsize: Known::new(table, "DBSIZE"),
            hset: Known::new(table, "HSET"),
            hget: Known::new(table, "HGET"),
            lpush: Known::new(table, "LPUSH"),
            rpush: Known::new(table, "RPUSH"),
            lpop: Known::new(table, "LPOP"),
            rpop: Known::new(table, "RPOP"),
            sadd: Known::new(table, "SADD"),
            sismember: Known::new(table, "SISMEMBER"),
            zadd: Known::new(table, "ZADD"),
            zscore: Known::new(table, "ZSCORE"),
        };
        let callers = Callers::new(handle.clone(), db, connection);
        Ok(Self { callers, text: Text(text), hot, db })
    }

    /// Number of the database.
    #[getter]
    fn number(&self) -> usize {
        self.db
    }

    /// The same database over a connection of its own, whose state (WATCH, MULTI, names) stays from call to call.
    fn connection<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let this = slf.get();
        let engine = Engine::of(this.callers.share());
        slf.get_type().call1((engine, this.db, this.text.0, true))
    }

    /// Whether strings come back as `str`.
    #[getter]
    fn text(&self) -> bool {
        self.text.0
    }

    /// The value of a string key, or None.
    fn get<'py>(&self, py: Python<'py>, name: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let mut made = None;
        let name = bytes(name, &mut made)?;
        self.call(py, self.hot.get, &[b"GET", name], |tape| self.text.reply(py, tape))
    }

    /// Sets a key; see `_rkv.pyi` for the options.
    #[expect(clippy::too_many_arguments, clippy::similar_names, reason = "redis-py's signature is what it is")]
    #[pyo3(
        signature = (name, value, ex=None, px=None, nx=None, xx=None, keepttl=None, get=None, exat=None, pxat=None,
                     ifeq=None, ifne=None, ifdeq=None, ifdne=None),
        text_signature = "($self, name, value, ex=None, px=None, nx=False, xx=False, keepttl=False, get=False, exat=None, \
                          pxat=None, ifeq=None, ifne=None, ifdeq=None, ifdne=None)"
    )]
    fn set<'py>(
        slf: &Bound<'py, Self>,
        name: &Bound<'py, PyAny>,
        value: &Bound<'py, PyAny>,
        ex: Option<&Bound<'py, PyAny>>,
        px: Option<&Bound<'py, PyAny>>,
        nx: Option<&Bound<'py, PyAny>>,
        xx: Option<&Bound<'py, PyAny>>,
        keepttl: Option<&Bound<'py, PyAny>>,
        get: Option<&Bound<'py, PyAny>>,
        exat: Option<&Bound<'py, PyAny>>,
        pxat: Option<&Bound<'py, PyAny>>,
        ifeq: Option<&Bound<'py, PyAny>>,
        ifne: Option<&Bound<'py, PyAny>>,
        ifdeq: Option<&Bound<'py, PyAny>>,
        ifdne: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        let options = [ex, px, nx, xx, keepttl, get, exat, pxat, ifeq, ifne, ifdeq, ifdne];
        if options.iter().any(Option::is_some) {
            return set_with_options(slf, name, value, &options);
        }
        let this = slf.get();
        let mut made = [None, None];
        let [made_name, made_value] = &mut made;
        let (name, value) = (bytes(name, made_name)?, bytes(value, made_value)?);
        this.call(py, this.hot.set, &[b"SET", name, value], |tape| read_set(py, tape))
    }

    /// Adds `amount` to the integer in a key and returns the sum.
    #[pyo3(signature = (name, amount=None), text_signature = "($self, name, amount=1)")]
    fn incr<'py>(
        &self,
        py: Python<'py>,
        name: &Bound<'py, PyAny>,
        amount: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.add(py, self.hot.incrby, name, amount)
    }

    /// Adds `amount` to the integer in a key and returns the sum.
    #[pyo3(signature = (name, amount=None), text_signature = "($self, name, amount=1)")]
    fn incrby<'py>(
        &self,
        py: Python<'py>,
        name: &Bound<'py, PyAny>,
        amount: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.incr(py, name, amount)
    }

    /// Subtracts `amount` from the integer in a key and returns the difference.
    #[pyo3(signature = (name, amount=None), text_signature = "($self, name, amount=1)")]
    fn decr<'py>(
        &self,
        py: Python<'py>,
        name: &Bound<'py, PyAny>,
        amount: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.add(py, self.hot.decrby, name, amount)
    }

    /// Subtracts `amount` from the integer in a key and returns the difference.
    #[pyo3(signature = (name, amount=None), text_signature = "($self, name, amount=1)")]
    fn decrby<'py>(
        &self,
        py: Python<'py>,
        name: &Bound<'py, PyAny>,
        amount: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.decr(py, name, amount)
    }

    /// The values of many keys, None where there is no string.
    #[pyo3(signature = (keys, *args))]
    fn mget<'py>(
        &self,
        py: Python<'py>,
        keys: &Bound<'py, PyAny>,
        args: &Bound<'py, PyTuple>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let mut objects: SmallVec<[Bound<'py, PyAny>; 16]> = SmallVec::new();
        if is_one_key(keys) {
            objects.push(keys.clone());
        } else {
            for key in keys.try_iter()? {
                objects.push(key?);
            }
        }
        objects.extend(args.iter());
        if objects.is_empty() {
            return Ok(PyList::empty(py).into_any());
        }
        self.call_objects(py, self.hot.mget, &objects, |tape| self.text.reply(py, tape))
    }

    /// Sets many keys at once.
    fn mset<'py>(&self, py: Python<'py>, mapping: &Bound<'py, PyAny>) -> PyResult<Option<bool>> {
        let mut objects: SmallVec<[Bound<'py, PyAny>; 16]> = SmallVec::new();
        if let Ok(dict) = mapping.cast_exact::<PyDict>() {
            for (key, value) in dict {
                objects.extend([key, value]);
            }
        } else {
            for pair in mapping.call_method0("items")?.try_iter()? {
                let (key, value) = pair?.extract::<(Bound<'py, PyAny>, Bound<'py, PyAny>)>()?;
                objects.extend([key, value]);
            }
        }
        self.call_objects(py, self.hot.mset, &objects, |tape| read_done(py, tape))
    }

    /// How many of the keys exist; a key named twice counts twice.
    #[pyo3(signature = (*names))]
    fn exists<'py>(&self, py: Python<'py>, names: &Bound<'py, PyTuple>) -> PyResult<Bound<'py, PyAny>> {
        self.call_objects(py, self.hot.exists, names.as_slice(), |tape| read_integer(py, tape))
    }

    /// Deletes keys and returns how many there were.
    #[pyo3(signature = (*names))]
    fn delete<'py>(&self, py: Python<'py>, names: &Bound<'py, PyTuple>) -> PyResult<Bound<'py, PyAny>> {
        self.call_objects(py, self.hot.del, names.as_slice(), |tape| read_integer(py, tape))
    }

    /// Pushes to the left of a list and returns its new length.
    #[pyo3(signature = (name, *values))]
    fn lpush<'py>(
        &self,
        py: Python<'py>,
        name: &Bound<'py, PyAny>,
        values: &Bound<'py, PyTuple>,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.push(py, self.hot.lpush, name, values)
    }

    /// Pushes to the right of a list and returns its new length.
    #[pyo3(signature = (name, *values))]
    fn rpush<'py>(
        &self,
        py: Python<'py>,
        name: &Bound<'py, PyAny>,
        values: &Bound<'py, PyTuple>,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.push(py, self.hot.rpush, name, values)
    }

    /// Pops from the left of a list.
    #[pyo3(signature = (name, count=None))]
    fn lpop<'py>(
        &self,
        py: Python<'py>,
        name: &Bound<'py, PyAny>,
        count: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.pop(py, self.hot.lpop, name, count)
    }

    /// Pops from the right of a list.
    #[pyo3(signature = (name, count=None))]
    fn rpop<'py>(
        &self,
        py: Python<'py>,
        name: &Bound<'py, PyAny>,
        count: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.pop(py, self.hot.rpop, name, count)
    }

    /// Sets fields of a hash and returns how many are new.
    #[pyo3(signature = (name, key=None, value=None, mapping=None, items=None))]
    fn hset<'py>(
        slf: &Bound<'py, Self>,
        name: &Bound<'py, PyAny>,
        key: Option<&Bound<'py, PyAny>>,
        value: Option<&Bound<'py, PyAny>>,
        mapping: Option<&Bound<'py, PyAny>>,
        items: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (Some(key), Some(value), None, None) = (key, value, mapping, items) else {
            return slf.call_method1("_hset", (name, key, value, mapping, items));
        };
        let (py, this) = (slf.py(), slf.get());
        let mut made = [None, None, None];
        let [made_name, made_key, made_value] = &mut made;
        let words = [b"HSET", bytes(name, made_name)?, bytes(key, made_key)?, bytes(value, made_value)?];
        this.call(py, this.hot.hset, &words, |tape| read_integer(py, tape))
    }

    /// The value of a field, or None.
    fn hget<'py>(
        &self,
        py: Python<'py>,
        name: &Bound<'py, PyAny>,
        key: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.call_two(py, self.hot.hget, name, key, |tape| self.text.reply(py, tape))
    }

    /// Adds members to a set and returns how many are new.
    #[pyo3(signature = (name, *values))]
    fn sadd<'py>(
        &self,
        py: Python<'py>,
        name: &Bound<'py, PyAny>,
        values: &Bound<'py, PyTuple>,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.push(py, self.hot.sadd, name, values)
    }

    /// 1 if the value is a member of a set, else 0.
    fn sismember<'py>(
        &self,
        py: Python<'py>,
        name: &Bound<'py, PyAny>,
        value: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.call_two(py, self.hot.sismember, name, value, |tape| read_integer(py, tape))
    }

    /// Gives members of a sorted set their scores; see `_rkv.pyi` for the options.
    #[expect(clippy::too_many_arguments, reason = "redis-py's signature is what it is")]
    #[pyo3(
        signature = (name, mapping, nx=None, xx=None, ch=None, incr=None, gt=None, lt=None),
        text_signature = "($self, name, mapping, nx=False, xx=False, ch=False, incr=False, gt=False, lt=False)"
    )]
    fn zadd<'py>(
        slf: &Bound<'py, Self>,
        name: &Bound<'py, PyAny>,
        mapping: &Bound<'py, PyAny>,
        nx: Option<&Bound<'py, PyAny>>,
        xx: Option<&Bound<'py, PyAny>>,
        ch: Option<&Bound<'py, PyAny>>,
        incr: Option<&Bound<'py, PyAny>>,
        gt: Option<&Bound<'py, PyAny>>,
        lt: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let flags = [nx, xx, ch, incr, gt, lt];
        if let Ok(dict) = mapping.cast_exact::<PyDict>()
            && !dict.is_empty()
            && flags.iter().copied().all(is_off)
        {
            return zadd_dict(slf.get(), name, dict);
        }
        slf.call_method1("_zadd", (name, mapping, nx, xx, ch, incr, gt, lt))
    }

    /// The score of a member of a sorted set, or None.
    fn zscore<'py>(
        &self,
        py: Python<'py>,
        name: &Bound<'py, PyAny>,
        value: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.call_two(py, self.hot.zscore, name, value, |tape| match tape.first() {
            Some(Value::Double(score)) => Ok(PyFloat::new(py, score).into_any()),
            _ => self.text.reply(py, tape),
        })
    }

    fn __getitem__<'py>(&self, py: Python<'py>, name: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let value = self.get(py, name)?;
        if value.is_none() { Err(PyKeyError::new_err((name.clone().unbind(),))) } else { Ok(value) }
    }

    fn __setitem__<'py>(slf: &Bound<'py, Self>, name: &Bound<'py, PyAny>, value: &Bound<'py, PyAny>) -> PyResult<()> {
        Self::set(slf, name, value, None, None, None, None, None, None, None, None, None, None, None, None).map(drop)
    }

    fn __delitem__<'py>(&self, py: Python<'py>, name: &Bound<'py, PyAny>) -> PyResult<()> {
        let mut made = None;
        let word = bytes(name, &mut made)?;
        match self.call(py, self.hot.del, &[b"DEL", word], |tape| read_count(py, tape))? {
            0 => Err(PyKeyError::new_err((name.clone().unbind(),))),
            _ => Ok(()),
        }
    }

    fn __contains__<'py>(&self, py: Python<'py>, name: &Bound<'py, PyAny>) -> PyResult<bool> {
        let mut made = None;
        let name = bytes(name, &mut made)?;
        let count = self.call(py, self.hot.exists, &[b"EXISTS", name], |tape| read_count(py, tape))?;
        Ok(count > 0)
    }

    fn __len__(&self, py: Python<'_>) -> PyResult<usize> {
        let count = self.call(py, self.hot.dbsize, &[b"DBSIZE"], |tape| read_count(py, tape))?;
        Ok(usize::try_from(count).unwrap_or_default())
    }

    /// An empty keyspace is a keyspace nevertheless.
    #[expect(clippy::unused_self, reason = "Python calls it on an instance")]
    const fn __bool__(&self) -> bool {
        true
    }

    /// Runs any command and returns its reply as it is.
    #[pyo3(signature = (*args))]
    fn execute<'py>(&self, py: Python<'py>, args: &Bound<'py, PyTuple>) -> PyResult<Bound<'py, PyAny>> {
        if args.is_empty() {
            return Err(pyo3::exceptions::PyTypeError::new_err("execute() needs at least the name of a command"));
        }
        let words = args.as_slice().iter().map(Word::new).collect::<PyResult<SmallVec<[Word<'_>; 8]>>>()?;
        // redis-py spells subcommands in one word: "CONFIG GET".
        let name = words[0].bytes().split(|&byte| byte == b' ');
        let refs: SmallVec<[&[u8]; 8]> = name.chain(words[1..].iter().map(Word::bytes)).collect();
        self.callers.with(py, |state| {
            self.run(py, state, &refs)?;
            self.text.reply(py, &state.tape)
        })
    }

    /// Runs commands in order, each a tuple of words, and returns their replies; errors are in their places.
    fn execute_many<'py>(&self, py: Python<'py>, commands: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyList>> {
        batch::run(self, py, commands)
    }
}
