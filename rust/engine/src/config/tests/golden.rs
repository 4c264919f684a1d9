//! Against what redis-server 7.0.15 and Valkey 9.1 answered, see `testdata/make.py`. Each meant difference stands here with its reason.

use super::{Folder, glob};
use crate::config::{Config, SetError, load, options, read_arguments, split_words};

struct Server {
    name: &'static str,
    defaults: &'static str,
    set: &'static str,
    start: &'static str,
    arguments: &'static str,
}

macro_rules! server {
    ($name:literal) => {
        Server {
            name: $name,
            defaults: include_str!(concat!("../testdata/defaults-", $name, ".tsv")),
            set: include_str!(concat!("../testdata/set-", $name, ".tsv")),
            start: include_str!(concat!("../testdata/start-", $name, ".tsv")),
            arguments: include_str!(concat!("../testdata/arguments-", $name, ".tsv")),
        }
    };
}

const SERVERS: [Server; 2] = [server!("redis"), server!("valkey")];

/// (server, option, reason). `both` is both.
const DEFAULTS_DIFFER: &[(&str, &str, &str)] = &[
    ("both", "bind", "loopback unless the user says otherwise"),
    ("both", "syslog-ident", "the name of the program"),
    ("redis", "lazyfree-lazy-eviction", "Valkey's default"),
    ("redis", "lazyfree-lazy-expire", "Valkey's default"),
    ("redis", "lazyfree-lazy-server-del", "Valkey's default"),
    ("redis", "lazyfree-lazy-user-del", "Valkey's default"),
    ("redis", "lazyfree-lazy-user-flush", "Valkey's default"),
    ("redis", "replica-lazy-flush", "Valkey's default"),
    ("redis", "slave-lazy-flush", "Valkey's default"),
    ("redis", "repl-backlog-size", "Valkey's default"),
    ("redis", "aof-disable-auto-gc", "hidden from patterns since Redis 7.2; the value is the same"),
];

/// (server, words as the golden file has them, reason). In a row of `start` the words are option and value.
const REPLIES_DIFFER: &[(&str, &str, &str)] = &[
    ("redis", "\"shutdown-on-sigterm\" \" now\"", "the list of words is Valkey's"),
    ("redis", "io-threads \"-1\"", "0 is a value: streams are served by trio tasks"),
    ("valkey", "io-threads \"-1\"", "0 is a value: streams are served by trio tasks"),
    ("redis", "dbfilename \"\"", "Valkey refuses a name that cannot be a file"),
    ("valkey", "replicaof \"127.0.0.1 x\"", "the text is Redis's"),
    ("valkey", "replicaof \"127.0.0.1 65536\"", "the text is Redis's"),
    ("both", "save-x \"1\"", "names the unknown option and the nearest known one"),
];

fn is_meant(table: &[(&str, &str, &str)], server: &str, what: &str) -> bool {
    table.iter().any(|(of, meant, _)| (*of == server || *of == "both") && *meant == what)
}

fn words(text: &str) -> Vec<Vec<u8>> {
    split_words(text.as_bytes()).expect("golden files quote rightly")
}

fn shown(value: &[u8]) -> String {
    String::from_utf8_lossy(value).into_owned()
}

#[test]
fn config_get_of_a_new_configuration_prints_what_real_servers_print() {
    let config = Config::default();
    for server in &SERVERS {
        let mut differ = Vec::new();
        for row in server.defaults.lines() {
            let (name, value) = row.split_once('\t').expect("two columns");
            let ours = config.matching(&["*"], glob);
            let ours = ours.iter().find(|(ours, _)| ours == name.as_bytes());
            if ours.map(|(_, value)| value) != words(value).first() {
                differ.push(name);
            }
        }
        let is_meant = |name: &&str| is_meant(DEFAULTS_DIFFER, server.name, name);
        let (meant, surprising): (Vec<&str>, Vec<&str>) = differ.into_iter().partition(is_meant);
        assert!(surprising.is_empty(), "{}: {surprising:?}", server.name);
        let listed = DEFAULTS_DIFFER.iter().filter(|(of, ..)| *of == server.name || *of == "both");
        assert_eq!(meant.len(), listed.count(), "a listed difference is none: {meant:?}");
    }
}

/// Options that only rkv has.
const OWN: &[&str] = &["enable-migrate-command", "http-bind", "http-port"];

#[test]
fn every_name_of_a_pattern_is_known_to_a_real_server() {
    for (name, _) in Config::default().matching(&["*"], glob) {
        let name = shown(&name);
        if OWN.contains(&name.as_str()) {
            continue;
        }
        let known = SERVERS.iter().any(|server| {
            let mut rows = server.defaults.lines();
            rows.any(|row| row.split('\t').next() == Some(&name))
        });
        assert!(known, "{name}");
    }
}

/// The printed value of the first name, or the error reply.
fn config_set(words: &[Vec<u8>]) -> String {
    let outcome = Config::default().changed(words, false);
    match outcome {
        Ok((config, _)) => format!("={}", shown(&config.text(&words[0]).expect("a known name"))),
        Err(error) => shown(&error.message()),
    }
}

#[test]
fn config_set_answers_as_real_servers_do() {
    for server in &SERVERS {
        let mut checked = 0;
        let mut surprising = Vec::new();
        for row in server.set.lines() {
            let (case, theirs) = row.split_once('\t').expect("two columns");
            let theirs = match theirs.strip_prefix('=') {
                Some(value) => format!("={}", shown(&words(value)[0])),
                None => theirs.to_owned(),
            };
            let ours = config_set(&words(case));
            if ours != theirs && !is_meant(REPLIES_DIFFER, server.name, case) {
                surprising.push(format!("{case}\n  {}: {theirs}\n  ours: {ours}", server.name));
            }
            checked += 1;
        }
        assert!(surprising.is_empty(), "{}", surprising.join("\n"));
        assert!(checked > 200, "the golden file is there");
    }
}

#[test]
fn the_command_line_refuses_values_as_real_servers_do() {
    for server in &SERVERS {
        let mut surprising = Vec::new();
        for row in server.start.lines() {
            let mut columns = row.splitn(3, '\t');
            let [name, value, theirs] = std::array::from_fn(|_| columns.next().expect("three columns"));
            let argument = &words(value)[0];
            let arguments = [format!("--{name}").into_bytes(), argument.clone()];
            let outcome = load(&read_arguments(&arguments), b"", &Folder::default());
            let ours = outcome.map_or_else(|error| error.reason, |_| "ok".into());
            let what = format!("{name} {value}");
            if ours != theirs && !is_meant(REPLIES_DIFFER, server.name, &what) {
                surprising.push(format!("{what}\n  {}: {theirs}\n  ours: {ours}", server.name));
            }
        }
        assert!(surprising.is_empty(), "{}", surprising.join("\n"));
    }
}

#[test]
fn command_lines_mean_what_they_mean_to_real_servers() {
    for server in &SERVERS {
        for row in server.arguments.lines() {
            let (case, theirs) = row.split_once('\t').expect("two columns");
            let arguments = read_arguments(&words(case));
            let ours = load(&arguments, b"", &Folder::default());
            let Ok(loaded) = ours else {
                assert_eq!(theirs, "refused", "{case}: {ours:?}");
                continue;
            };
            assert_ne!(theirs, "refused", "{case}");
            for shown_value in theirs.split('\t') {
                let (name, value) = shown_value.split_once('=').expect("name=value");
                let ours = loaded.config.text(name.as_bytes());
                assert_eq!(ours.as_ref(), words(value).first(), "{case}: {name}");
            }
        }
    }
}

#[test]
fn config_get_names_each_option_once_as_it_was_asked() {
    let config = Config::default();
    let names = |patterns: &[&str]| -> Vec<String> {
        let found = config.matching(patterns, glob);
        found.iter().map(|(name, _)| shown(name)).collect()
    };
    assert_eq!(names(&["PORT"]), ["PORT"]);
    assert_eq!(names(&["port", "PORT"]), ["port"]);
    assert_eq!(names(&["PORT*", "port"]), ["port"]);
    assert_eq!(names(&["p?rt", "bind", "port"]), ["bind", "port"]);
    assert_eq!(names(&["slave-r*", "replica-read-only"]), ["replica-read-only", "slave-read-only"]);
    assert_eq!(names(&["nosuch", "[x", ""]), Vec::<String>::new());
    // Hidden options answer to their name only.
    assert_eq!(names(&["watchdog*"]), Vec::<String>::new());
    assert_eq!(names(&["watchdog-period"]), ["watchdog-period"]);
}

#[test]
fn config_set_changes_all_or_nothing_and_says_what_changed() {
    let config = Config::default();
    let (next, changes) =
        config.changed(&["timeout", "5", "slave-read-only", "no", "port", "6379"], false).expect("all are valid");
    let names: Vec<&str> = changes.iter().map(|change| change.option.name).collect();
    assert_eq!(names, ["timeout", "replica-read-only"], "port has the value already");
    assert_eq!(next.get(options::TIMEOUT), 5);
    assert_eq!(config.get(options::TIMEOUT), 0, "the old one stays");
    assert!(config.changed(&["timeout", "5", "port", "x"], false).is_err());
}

#[test]
fn protected_options_can_be_set_by_those_who_may() {
    let config = Config::default();
    let (next, _) = config.changed(&["dbfilename", "x.rdb"], true).expect("allowed");
    assert_eq!(next.get(options::DBFILENAME), b"x.rdb");
}

#[test]
fn a_refusal_of_the_server_reads_like_one_of_the_table() {
    let error = SetError::failed("port", "Unable to listen on this port. Check server logs.");
    assert_eq!(
        error.to_string(),
        "ERR CONFIG SET failed (possibly related to argument 'port') - Unable to listen on this port. Check server logs."
    );
}
