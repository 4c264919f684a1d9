//! The configuration of a server: files and arguments read, orders refused that rkv cannot follow.

use std::ffi::OsString;
use std::fs;
use std::io::{self, Read};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use pyo3::exceptions::{PyException, PyKeyError, PyValueError};
use pyo3::prelude::*;
use rkv_engine::config::{self, Directive, DirectiveKind, Files, Loaded};
use rkv_engine::{EngineOptions, glob};

use crate::engine::Engine;

pyo3::create_exception!(
    _rkv,
    ConfigError,
    PyException,
    "A configuration that cannot be used; the message names file, line and reason."
);

/// Configuration files in the file system.
struct Disk;

impl Files for Disk {
    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        fs::read(path)
    }

    fn glob(&self, pattern: &str) -> io::Result<Vec<String>> {
        let start = if pattern.starts_with('/') { PathBuf::from("/") } else { PathBuf::new() };
        let mut found = vec![start];
        for part in pattern.split('/').filter(|part| !part.is_empty()) {
            found = expand(&found, part)?;
        }
        let mut paths: Vec<String> =
            found.into_iter().filter_map(|path| path.into_os_string().into_string().ok()).collect();
        paths.sort();
        Ok(paths)
    }
}

/// The entries of `folders` that a part of a pattern describes. A name that begins with a dot must be asked for.
fn expand(folders: &[PathBuf], part: &str) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for folder in folders {
        if !part.contains(['*', '?', '[']) {
            let path = folder.join(part);
            if path.exists() {
                found.push(path);
            }
            continue;
        }
        let listed = if folder.as_os_str().is_empty() { Path::new(".") } else { folder.as_path() };
        let entries = match fs::read_dir(listed) {
            Ok(entries) => entries,
            Err(error) if matches!(error.kind(), io::ErrorKind::NotADirectory | io::ErrorKind::NotFound) => continue,
            Err(error) => return Err(error),
        };
        for entry in entries {
            let name = entry?.file_name();
            let bytes = name.as_encoded_bytes();
            if bytes.starts_with(b".") == part.starts_with('.') && glob::matches(part.as_bytes(), bytes, false) {
                found.push(folder.join(name));
            }
        }
    }
    Ok(found)
}

/// What files and arguments said.
#[pyclass(module = "rkv._rkv")]
#[derive(Debug)]
pub struct Config {
    values: config::Config,
    ineffective: Vec<&'static str>,
    file: Option<OsString>,
    /// The same, whatever the working directory becomes.
    path: Option<PathBuf>,
    renames: Vec<(Vec<u8>, Vec<u8>)>,
    /// Of each its name and its rules.
    users: Vec<Vec<Vec<u8>>>,
}

#[pymethods]
impl Config {
    /// An option's value as `CONFIG GET` prints it; `KeyError` if no option has this name.
    fn text(&self, name: &str) -> PyResult<OsString> {
        let text = self.values.text(name.as_bytes());
        text.map(OsString::from_vec).ok_or_else(|| PyKeyError::new_err(name.to_owned()))
    }

    /// Names of the options that begin with `prefix`.
    #[staticmethod]
    fn names(prefix: &str) -> Vec<&'static str> {
        config::all_options().map(|option| option.name).filter(|name| name.starts_with(prefix)).collect()
    }

    /// Gives an option a value, whatever its flags say.
    fn set(&mut self, name: &str, value: &str) -> PyResult<()> {
        let words = [value];
        self.values.set(name.as_bytes(), &words).map_err(|error| PyValueError::new_err(error.to_string()))
    }

    /// Names of options that were given and have no effect yet.
    #[getter]
    fn ineffective(&self) -> Vec<&'static str> {
        self.ineffective.clone()
    }

    /// The configuration file that was named, if one was.
    #[getter]
    fn file(&self) -> Option<&OsString> {
        self.file.as_ref()
    }

    /// An engine with this configuration, whose files lie in `dir`. It is empty, and refuses most commands until `load`.
    fn build(&self, py: Python<'_>) -> PyResult<Engine> {
        let path = PathBuf::from(OsString::from_vec(self.values.text(b"dir").unwrap_or_default()));
        let acl_file = PathBuf::from(OsString::from_vec(self.values.text(b"aclfile").unwrap_or_default()));
        let acl_file = if acl_file.as_os_str().is_empty() {
            None
        } else {
            // In the directory, whatever that becomes later.
            Some(std::path::absolute(path.join(acl_file))?)
        };
        let options = EngineOptions {
            config: self.values.clone(),
            files: Some(crate::files::open(py, &path)?),
            config_file: self.path.clone(),
            renames: self.renames.clone(),
            users: self.users.clone(),
            acl_file,
            ..EngineOptions::default()
        };
        Engine::build(py, options)
    }
}

/// Reads what `argv` (the arguments behind the program's name) says, like redis-server. Raises `ConfigError`.
#[pyfunction]
#[expect(clippy::needless_pass_by_value, reason = "arguments from Python are values")]
fn load_config(argv: Vec<Vec<u8>>) -> PyResult<Config> {
    let arguments = config::read_arguments(&argv);
    let mut stdin = Vec::new();
    if arguments.reads_stdin {
        io::stdin().lock().read_to_end(&mut stdin)?;
    }
    let refuse = |error: config::ConfigError| ConfigError::new_err(error.to_string());
    let loaded = config::load(&arguments, &stdin, &Disk).map_err(refuse)?;
    refuse_openness(&loaded)?;
    let Loaded { config, ineffective, directives } = loaded;
    let file = arguments.file.map(OsString::from_vec);
    let path = file.as_ref().map(std::path::absolute).transpose()?;
    let (users, others): (Vec<_>, Vec<_>) =
        directives.into_iter().partition(|directive| directive.kind == DirectiveKind::User);
    let users = users.into_iter().map(|directive| directive.words).collect();
    let renames = others.into_iter().filter(|directive| directive.kind == DirectiveKind::RenameCommand);
    let renames = renames.filter_map(|directive| <[Vec<u8>; 2]>::try_from(directive.words).ok());
    let renames = renames.map(|[name, new]| (name, new)).collect();
    Ok(Config { values: config, ineffective, file, path, renames, users })
}

/// Refuses what cannot be followed.
fn refuse_openness(loaded: &Loaded) -> PyResult<()> {
    let refused = loaded.directives.iter().find_map(|directive| Some((directive, reason(directive)?)));
    if let Some((directive, reason)) = refused {
        return Err(ConfigError::new_err(directive.refuse(reason).to_string()));
    }
    Ok(())
}

/// Why a directive cannot be followed; `None`: it can.
const fn reason(directive: &Directive) -> Option<&'static str> {
    match directive.kind {
        DirectiveKind::LoadModule => Some("rkv loads no modules"),
        DirectiveKind::RenameCommand | DirectiveKind::User => None,
    }
}

/// Adds what this file defines.
pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("ConfigError", module.py().get_type::<ConfigError>())?;
    module.add_class::<Config>()?;
    module.add_function(wrap_pyfunction!(load_config, module)?)
}
