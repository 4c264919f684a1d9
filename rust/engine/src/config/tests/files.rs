//! Files, includes and the errors that name a line.

use std::io;

use super::Folder;
use crate::config::{
    Arguments, ConfigError, DirectiveKind, Files, INCLUDE_DEPTH_MAX, Loaded, load, options, read_arguments,
};

fn load_file(folder: &Folder) -> Result<Loaded, ConfigError> {
    load(&read_arguments(&["main.conf"]), b"", folder)
}

fn load_text(text: &str) -> Result<Loaded, ConfigError> {
    load_file(&Folder::default().with("main.conf", text))
}

fn refused(text: &str) -> ConfigError {
    load_text(text).expect_err(text)
}

#[test]
fn file_standard_input_and_arguments_follow_one_another() {
    let folder = Folder::default().with("main.conf", "port 1\ntimeout 1\nhz 1\nsave 60 1\n");
    let arguments = read_arguments(&["main.conf", "--port", "3", "--save", "10 3", "-"]);
    let loaded = load(&arguments, b"port 2\r\ntimeout 2\r\nsave 20 2", &folder).expect("valid");
    assert_eq!(loaded.config.get(options::PORT), 3);
    assert_eq!(loaded.config.get(options::TIMEOUT), 2);
    assert_eq!(loaded.config.get(options::HZ), 1);
    assert_eq!(loaded.config.text(b"save").as_deref(), Some(b"60 1 20 2 10 3".as_slice()));
}

#[test]
fn includes_stand_where_they_are_written() {
    let folder = Folder::default()
        .with("main.conf", "port 1\ninclude a.conf\ntimeout 9\ninclude \"conf.d/*.conf\"\ninclude none/*.conf\n")
        .with("a.conf", "port 2\ntimeout 2\nsave 60 1")
        .with("conf.d/1.conf", "save 30 1")
        .with("conf.d/2.conf", "hz 42");
    let loaded = load_file(&folder).expect("valid");
    assert_eq!(loaded.config.get(options::PORT), 2);
    assert_eq!(loaded.config.get(options::TIMEOUT), 9);
    assert_eq!(loaded.config.get(options::HZ), 42);
    assert_eq!(loaded.config.text(b"save").as_deref(), Some(b"60 1 30 1".as_slice()));
}

#[test]
fn a_missing_file_is_an_error_that_says_who_asked() {
    let error = refused("port 1\n include  none.conf");
    assert_eq!((error.file.as_str(), error.line), ("main.conf", 2));
    assert!(error.reason.starts_with("can't open config file 'none.conf': "), "{error}");
    let error = load(&read_arguments(&["none.conf"]), b"", &Folder::default()).expect_err("no file");
    assert_eq!((error.file.as_str(), error.line), ("none.conf", 0));
    assert!(error.to_string().starts_with("none.conf: can't open config file"), "{error}");
}

#[test]
fn includes_end() {
    let error = refused("include main.conf");
    assert_eq!(error.reason, format!("include nests deeper than {INCLUDE_DEPTH_MAX} files"));
    let chain = |len: usize| {
        let names = |n: usize| {
            if n == 0 { "main.conf".to_owned() } else { format!("{n}.conf") }
        };
        (0..len).fold(Folder::default(), |folder, n| folder.with(&names(n), &format!("include {}", names(n + 1))))
    };
    let deepest = format!("{INCLUDE_DEPTH_MAX}.conf");
    assert!(load_file(&chain(INCLUDE_DEPTH_MAX).with(&deepest, "port 1")).is_ok());
    assert!(load_file(&chain(INCLUDE_DEPTH_MAX + 1)).is_err());
}

#[test]
fn errors_carry_file_line_text_and_reason() {
    let folder = Folder::default()
        .with("main.conf", "# a comment\n\ninclude a.conf\n")
        .with("a.conf", "port 1\n\t maxmemory  lots \n");
    let error = load_file(&folder).expect_err("not a memory value");
    let expected = ConfigError {
        file: "a.conf".into(),
        line: 2,
        text: "maxmemory  lots".into(),
        reason: "argument must be a memory value".into(),
    };
    assert_eq!(error, expected);
    assert_eq!(error.to_string(), "a.conf, line 2\n>>> 'maxmemory  lots'\nargument must be a memory value");
    assert_eq!(refused("port \"1").reason, "Unbalanced quotes in configuration line");
    assert_eq!(refused("port").reason, "wrong number of arguments");
    assert_eq!(refused("port 1 2").reason, "wrong number of arguments");
    assert_eq!(refused("include").reason, "wrong number of arguments");
    assert_eq!(refused("rename-command get").reason, "wrong number of arguments");
    assert_eq!(refused("shutdown-on-sigint '\"now'").reason, "Unbalanced quotes in configuration line");
    assert_eq!(refused("sentinel monitor a b 1 2").reason, "sentinel directive while not in sentinel mode");
    let arguments = read_arguments(&["--port", "x"]);
    let error = load(&arguments, b"", &Folder::default()).expect_err("no number");
    assert_eq!((error.file.as_str(), error.line), ("command line", 1));
}

#[test]
fn an_unknown_option_is_refused_with_the_nearest_name() {
    assert_eq!(
        refused("maxmemmory 1gb").reason,
        "Bad directive or wrong number of arguments: unknown option 'maxmemmory'; did you mean 'maxmemory'?"
    );
    assert_eq!(
        refused("Inclde a").reason,
        "Bad directive or wrong number of arguments: unknown option 'Inclde'; did you mean 'include'?"
    );
    assert_eq!(
        refused("completely-different 1").reason,
        "Bad directive or wrong number of arguments: unknown option 'completely-different'"
    );
}

#[test]
fn errors_do_not_show_secrets() {
    for line in
        ["requirepass s3cret more", "\"masterauth\" s3cret more", "requirepass \"s3cret", "REQUIREPASS\ts3cret more"]
    {
        let error = refused(line);
        assert!(!error.to_string().contains("s3cret"), "{error}");
        assert!(error.text.ends_with("(redacted)"), "{error}");
    }
    let loaded = load_text("user alice >s3cret").expect("kept for the server to judge");
    assert!(!loaded.directives[0].refuse("not yet").to_string().contains("s3cret"));
}

#[test]
fn directives_are_kept_in_order_with_their_place() {
    use DirectiveKind::{LoadModule, RenameCommand, User};

    let loaded =
        load_text("loadmodule /m.so a b\nuser alice on\nrename-command FLUSHALL \"\"\nUSER bob").expect("valid");
    let kinds: Vec<DirectiveKind> = loaded.directives.iter().map(|directive| directive.kind).collect();
    assert_eq!(kinds, [LoadModule, User, RenameCommand, User]);
    assert_eq!(loaded.directives[2].words, [b"FLUSHALL".to_vec(), Vec::new()]);
    let error = loaded.directives[2].refuse("not supported");
    assert_eq!((error.line, error.reason.as_str()), (3, "not supported"));
}

#[test]
fn options_without_effect_are_named_only_if_they_differ() {
    let loaded = load_text("appendonly yes\nappendfsync everysec\nport 1\nslave-priority 7\nsave ''").expect("valid");
    assert_eq!(loaded.ineffective, ["replica-priority"]);
}

#[test]
fn every_directive_of_valkey_and_every_form_of_a_line_is_read() {
    let text = include_str!("../testdata/every-directive.conf");
    let folder = Folder::default().with("main.conf", text).with("conf.d/empty.conf", "");
    let loaded = load_file(&folder).unwrap_or_else(|error| panic!("{error}"));
    let golden = include_str!("../testdata/defaults-valkey.tsv");
    let lines = || text.lines().map(|line| line.trim().to_ascii_lowercase());
    for row in golden.lines() {
        let name = row.split('\t').next().expect("a name");
        let named = lines().any(|line| {
            let first = line.split_ascii_whitespace().next().unwrap_or_default();
            first.trim_matches(['"', '\'']) == name
        });
        assert!(named, "{name} is missing in the file");
    }
    for (name, value) in [
        ("requirepass", "a \"quoted\" secret\u{1}"),
        ("bind", "127.0.0.1 -::1"),
        ("save", "3600 1 300 100 60 10000"),
        ("maxmemory", "1073741824"),
        ("client-output-buffer-limit", "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60"),
        ("proc-title-template", "{title} {listen-addr} {server-mode}"),
    ] {
        assert_eq!(loaded.config.text(name.as_bytes()).as_deref(), Some(value.as_bytes()), "{name}");
    }
    assert_eq!(loaded.directives.len(), 4);
}

/// The files of this machine.
struct Disk;

impl Files for Disk {
    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        std::fs::read(path)
    }

    fn glob(&self, _pattern: &str) -> io::Result<Vec<String>> {
        Ok(Vec::new())
    }
}

#[test]
fn the_file_of_debian_starts_the_server() {
    const PATH: &str = "/etc/redis/redis.conf";
    if let Err(error) = Disk.read(PATH) {
        assert!(std::env::var_os("CI").is_none(), "CI installs redis-server: {PATH}: {error}");
        println!("skipped: {PATH}: {error}");
        return;
    }
    let arguments = Arguments { file: Some(PATH.into()), ..Arguments::default() };
    let loaded = load(&arguments, b"", &Disk).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(loaded.config.text(b"bind").as_deref(), Some(b"127.0.0.1 -::1".as_slice()));
    assert_eq!(loaded.config.get(options::SUPERVISED), "no");
    assert_eq!(loaded.config.get(options::DIR), b"/var/lib/redis");
    assert!(loaded.ineffective.contains(&"daemonize"), "{:?}", loaded.ineffective);
    assert!(loaded.directives.is_empty());
}
