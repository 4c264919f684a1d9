//! What the set commands tell the journal and those who listen to keys; their replies are compared with real servers
//! elsewhere.

use std::sync::{Arc, Mutex};

use crate::config::KeyspaceEvents;
use crate::dispatch::Mode;
use crate::engine::{Caller, Engine, EngineOptions};
use crate::observe::Observer;
use crate::resp::{Tape, Value};

type Events = Arc<Mutex<Vec<String>>>;

struct Recorder(Events);

impl Observer for Recorder {
    fn event(&self, _: usize, _: KeyspaceEvents, name: &'static str, key: &[u8]) {
        self.0.lock().unwrap().push(format!("{name}:{}", key.escape_ascii()));
    }
}

fn run(caller: &mut Caller, command: &str) -> Tape {
    let words: Vec<&[u8]> = command.split(' ').map(str::as_bytes).collect();
    let mut tape = Tape::default();
    caller.execute(&words, Mode::Now, &mut tape);
    tape
}

/// The journal as text, and the events.
fn traces(prepare: &str, command: &str) -> (String, String) {
    let engine = Engine::new(EngineOptions::default()).unwrap();
    let mut caller = engine.caller();
    prepare.split(';').filter(|prepare| !prepare.is_empty()).for_each(|prepare| _ = run(&mut caller, prepare));
    let heard = Events::default();
    engine.store().set_observer(Box::new(Recorder(heard.clone())));
    engine.store().journal.turn_on(1 << 20);
    run(&mut caller, command);
    let events = heard.lock().unwrap().join(" ");
    (journal(&engine), events)
}

/// The commands of the journal, one by one, without their lengths and the database.
fn journal(engine: &Engine) -> String {
    let mut bytes = Vec::new();
    engine.store().journal.read(0, usize::MAX, &mut bytes).unwrap();
    let text = String::from_utf8(bytes).unwrap();
    let commands = text.split('*').skip(1).map(|command| {
        let words: Vec<_> = command.split("\r\n").skip(2).step_by(2).collect();
        words.join(" ")
    });
    commands.filter(|command| command != "SELECT 0").collect::<Vec<_>>().join(";")
}

#[test]
fn journal_and_events_tell_what_was_done() {
    let cases = [
        ("", "SADD s a b", "SADD s a b", "sadd:s"),
        ("SADD s a b", "SADD s a b", "", ""),
        ("SADD s a", "SREM s a x", "SREM s a x", "srem:s del:s"),
        ("SADD s a b", "SREM s a", "SREM s a", "srem:s"),
        ("SADD s a", "SREM s x", "", ""),
        ("SADD s a", "SPOP s", "SREM s a", "spop:s del:s"),
        ("SADD s a a", "SPOP s 1", "DEL s", "spop:s del:s"),
        ("SADD s a b", "SPOP s 9", "DEL s", "spop:s del:s"),
        ("SADD s a b", "SPOP s 0", "", ""),
        ("", "SPOP s", "", ""),
        ("SADD s a b", "SMOVE s t a", "SMOVE s t a", "srem:s sadd:t"),
        ("SADD s a;SADD t a", "SMOVE s t a", "SMOVE s t a", "srem:s del:s"),
        ("SADD s a", "SMOVE s s a", "", ""),
        ("SADD s a", "SMOVE s t b", "", ""),
        ("SADD s a", "SUNIONSTORE d s", "SUNIONSTORE d s", "sunionstore:d"),
        ("SADD s a", "SINTERSTORE s s none", "SINTERSTORE s s none", "del:s"),
        ("", "SDIFFSTORE d none", "", ""),
        ("SADD s a", "SRANDMEMBER s -3", "", ""),
    ];
    for (prepare, command, log, events) in cases {
        assert_eq!(traces(prepare, command), (log.to_owned(), events.to_owned()), "{prepare} | {command}");
    }
}

/// So many words, a space before each.
fn members(count: usize) -> String {
    (0..count).fold(String::new(), |words, number| words + " m" + &number.to_string())
}

/// What is popped by chance is removed by name, so that whoever follows the journal has the same set.
#[test]
fn who_follows_the_journal_pops_the_same() {
    for (size, count) in [(5, 2), (100, 40), (5000, 3000), (5000, 10)] {
        let (engine, follower) = [(); 2].map(|()| Engine::new(EngineOptions::default()).unwrap()).into();
        let (mut caller, mut behind) = (engine.caller(), follower.caller());
        engine.store().journal.turn_on(1 << 24);
        let members = members(size);
        run(&mut caller, &format!("SADD s{members}"));
        run(&mut caller, &format!("SPOP s {count}"));
        run(&mut caller, "SPOP s");
        for command in journal(&engine).split(';') {
            run(&mut behind, command);
        }
        let mut sets = [&mut caller, &mut behind].map(|caller| {
            let tape = run(caller, "SMEMBERS s");
            let bulk = |value| if let Value::Bulk(bytes) = value { Some(Vec::from(bytes)) } else { None };
            tape.iter().filter_map(bulk).collect::<Vec<Vec<u8>>>()
        });
        for set in &mut sets {
            set.sort();
        }
        assert_eq!(sets[0], sets[1]);
        assert_eq!(sets[0].len(), size - count - 1);
    }
}

/// Keys are read where they are: a set with itself, and a target that is a source.
#[test]
fn one_set_may_stand_in_several_places() {
    let engine = Engine::new(EngineOptions::default()).unwrap();
    let mut caller = engine.caller();
    let members = members(1000);
    run(&mut caller, &format!("SADD s{members}"));
    for (command, expected) in [
        ("SINTERCARD 3 s s s", 1000),
        ("SINTERCARD 2 s s LIMIT 7", 7),
        ("SUNIONSTORE s s s", 1000),
        ("SINTERSTORE s s s", 1000),
        ("SDIFFSTORE d s s", 0),
        ("SDIFFSTORE s s none", 1000),
        ("SDIFFSTORE s s s s s", 0),
        ("EXISTS s", 0),
    ] {
        let tape = run(&mut caller, command);
        assert!(matches!(tape.iter().next(), Some(Value::Integer(number)) if number == expected), "{command}");
    }
}
