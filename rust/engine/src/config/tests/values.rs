//! The table, the grammars of values, and the suggestions.

use std::collections::BTreeSet;

use proptest::prelude::*;

use crate::config::number::{memory_bytes, strict_integer};
use crate::config::{
    Config, Flags, KeyspaceEvents, Share, Support, Value, all_options, find, nearest_name, options, read_arguments,
    split_words,
};

#[test]
fn every_row_is_sound() {
    let mut names = BTreeSet::new();
    let config = Config::default();
    for option in all_options() {
        for name in [Some(option.name), option.alias].into_iter().flatten() {
            assert!(names.insert(name), "{name} stands twice");
            assert_eq!(name, name.to_ascii_lowercase());
            assert_eq!(config.text(name.as_bytes()).as_deref(), Some(option.default.as_bytes()), "{name}");
        }
        let printed = option.kind.print(&option.default_value());
        assert_eq!(printed, option.default.as_bytes(), "{}", option.name);
    }
    assert!(config.ineffective().is_empty());
}

#[test]
fn what_the_table_promises_to_support() {
    let supported = |name: &str| find(name.as_bytes()).expect(name).option().support;
    for name in [
        "bind",
        "port",
        "requirepass",
        "maxclients",
        "io-threads",
        "logfile",
        "dir",
        "supervised",
        "appendonly",
        "tls-port",
    ] {
        assert_eq!(supported(name), Support::Supported, "{name}");
    }
    for name in ["cluster-enabled", "tls-replication", "replicaof"] {
        assert_eq!(supported(name), Support::NoEffectYet, "{name}");
    }
    for name in
        ["requirepass", "masterauth", "primaryauth", "masteruser", "tls-key-file-pass", "tls-client-key-file-pass"]
    {
        let flags = find(name.as_bytes()).expect(name).option().flags;
        assert!(flags.contains(Flags::SENSITIVE), "{name}");
    }
}

#[test]
fn handles_read_typed_values() {
    let mut config = Config::default();
    assert_eq!(config.get(options::MAXCLIENTS), 10_000);
    assert_eq!(config.get(options::PROTO_MAX_BULK_LEN), 512 << 20);
    assert_eq!(config.get(options::LOGLEVEL), "notice");
    assert_eq!(config.get(options::BIND).len(), 2);
    assert!(config.get(options::PROTECTED_MODE));
    assert_eq!(config.get(options::CLIENT_OUTPUT_BUFFER_LIMIT).pubsub.soft_seconds, 60);
    assert_eq!(config.get(options::SAVE).len(), 3);
    assert_eq!(options::PORT.option().name, "port");
    config.set(b"notify-keyspace-events", &["Ex"]).expect("valid");
    let events = config.get(options::NOTIFY_KEYSPACE_EVENTS);
    assert!(events.contains(KeyspaceEvents::KEYEVENT));
    assert!(!events.contains(KeyspaceEvents::KEYSPACE));
    config.set(b"maxmemory-clients", &["5%"]).expect("valid");
    let key = find(b"maxmemory-clients").expect("known");
    assert_eq!(config.value(key), &Value::Share(Share::Percent(5)));
}

#[test]
fn a_memory_value_beyond_64_bits_is_refused_where_redis_wraps_around() {
    assert_eq!(memory_bytes(b"18446744073709551615"), Some(u64::MAX));
    assert_eq!(memory_bytes(b"18446744073709551616"), None);
    assert_eq!(memory_bytes(b"18446744073709551615kb"), None);
    assert_eq!(memory_bytes(b"17179869183gb"), Some(17_179_869_183 << 30));
}

#[test]
fn options_of_newer_servers_check_their_text() {
    let reason = |name: &str, value: &str| {
        let outcome = Config::default().set(name.as_bytes(), &[value]);
        let error = outcome.map_err(|error| error.to_string());
        error.map_err(|error| error.split_once(" - ").map_or(String::new(), |(_, reason)| reason.into()))
    };
    let long = "1".repeat(46);
    for (name, value, expected) in [
        ("cluster-announce-ip", "::1", Ok(())),
        ("cluster-announce-ip", "a b", Err("cluster-announce-ip contains invalid character")),
        ("cluster-announce-ip", &long, Err("cluster-announce-ip is too long")),
        ("cluster-announce-ip", &long[1..], Ok(())),
        ("cluster-announce-client-ipv4", "1.2.3.4", Ok(())),
        ("cluster-announce-client-ipv4", "", Ok(())),
        ("cluster-announce-client-ipv4", "::1", Err("Invalid IPv4 address")),
        ("cluster-announce-client-ipv6", "::1", Ok(())),
        ("cluster-announce-client-ipv6", "1.2.3.4", Err("Invalid IPv6 address")),
        ("cluster-announce-human-nodename", "a.b-c_d/e:f", Ok(())),
        ("cluster-announce-human-nodename", "a=b", Err("Announced human node name contained invalid character")),
        ("slot-migration-max-failover-repl-bytes", "-1", Ok(())),
        ("slot-migration-max-failover-repl-bytes", "1kb", Ok(())),
        (
            "slot-migration-max-failover-repl-bytes",
            "-2",
            Err("argument must be between -1 and 9223372036854775807 inclusive"),
        ),
        ("slot-migration-max-failover-repl-bytes", "x", Err("argument must be a memory value")),
    ] {
        assert_eq!(reason(name, value), expected.map_err(str::to_owned), "{name} {value}");
    }
}

#[test]
fn words_are_split_as_redis_splits_them() {
    let split = |line: &str| split_words(line.as_bytes());
    let some = |words: &[&[u8]]| Some(words.iter().map(|word| word.to_vec()).collect::<Vec<_>>());
    assert_eq!(split(""), some(&[]));
    assert_eq!(split("  a\tb "), some(&[b"a", b"b"]));
    assert_eq!(split(r#""a b" 'c d' """#), some(&[b"a b", b"c d", b""]));
    assert_eq!(split(r#"a"b c""#), some(&[b"ab c"]));
    assert_eq!(split(r#""\x41\n\r\t\b\a\"\\\q\xzz""#), some(&[b"A\n\r\t\x08\x07\"\\qxzz"]));
    assert_eq!(split(r"'it\'s \n'"), some(&[br"it's \n"]));
    for wrong in [r#""a"#, "'a", r#""a"b"#, "'a'b", r#""a\"#, r#""""a"#] {
        assert_eq!(split(wrong), None, "{wrong}");
    }
}

#[test]
fn the_nearest_name_is_suggested_if_it_is_near() {
    let candidates = || all_options().map(|option| option.name);
    assert_eq!(nearest_name(b"prot", candidates()), Some("port"));
    assert_eq!(nearest_name(b"MaxMemmory", candidates()), Some("maxmemory"));
    assert_eq!(nearest_name(b"max-clients", candidates()), Some("maxclients"));
    assert_eq!(nearest_name(b"something-else-entirely", candidates()), None);
    assert_eq!(nearest_name(b"", candidates()), None);
    assert_eq!(nearest_name(&vec![b'a'; 1 << 20], candidates()), None);
}

proptest! {
    #[test]
    fn any_word_survives_the_command_line(value in proptest::collection::vec(any::<u8>(), 0..40)) {
        // Something follows, because a lone `-` at the end asks for standard input.
        let words = [b"--requirepass", value.as_slice(), b"--timeout", b"5"];
        let arguments = read_arguments(&words);
        let words = split_words(&arguments.lines[0]).expect("quoted by us");
        prop_assert_eq!(&words[1], &value);
    }

    #[test]
    fn no_line_panics_and_words_hold_no_more_than_the_line(line in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Some(words) = split_words(&line) {
            prop_assert!(words.iter().map(Vec::len).sum::<usize>() <= line.len());
        }
    }

    #[test]
    fn no_value_panics_and_what_is_printed_reads_back(
        index in any::<prop::sample::Index>(),
        value in "[ -~]{0,24}|[0-9]{1,20}[kKmMgG]?[bB]?|(60|1|normal|pubsub|now|no|yes)( [0-9a-z]{1,8}){0,8}",
    ) {
        let all: Vec<_> = all_options().collect();
        let name = index.get(&all).name;
        let mut config = Config::default();
        let words: Vec<&str> = value.split(' ').collect();
        let many = all_options().find(|option| option.name == name).is_some_and(|option| option.kind.takes_many());
        let words = if many { words } else { vec![value.as_str()] };
        if config.set(name.as_bytes(), &words).is_ok() && name != "notify-keyspace-events" && name != "replicaof" {
            let printed = config.text(name.as_bytes()).expect("known");
            let mut again = Config::default();
            let spaces: Vec<Vec<u8>> = if many {
                printed.split(|byte| *byte == b' ').map(<[u8]>::to_vec).collect()
            } else {
                vec![printed.clone()]
            };
            prop_assert!(again.set(name.as_bytes(), &spaces).is_ok(), "{}", name);
            prop_assert_eq!(again.text(name.as_bytes()), Some(printed));
        }
    }

    #[test]
    fn strict_integers_are_those_that_print_as_they_were_written(text in "[-+ 0-9]{0,22}") {
        let printed_back = text.parse::<i64>().ok().filter(|number| number.to_string() == text);
        prop_assert_eq!(strict_integer(text.as_bytes()), printed_back);
    }
}
