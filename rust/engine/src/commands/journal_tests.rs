//! What commands on lists and sorted sets leave in the journal, and the events that they tell of, in Redis's order.

use std::sync::{Arc, Mutex};

use crate::config::KeyspaceEvents;
use crate::dispatch::Mode;
use crate::engine::{Caller, Engine, EngineOptions};
use crate::observe::Observer;
use crate::resp::Tape;

type Events = Arc<Mutex<Vec<String>>>;

struct Recorder(Events);

impl Observer for Recorder {
    fn event(&self, _: usize, _: KeyspaceEvents, name: &'static str, key: &[u8]) {
        self.0.lock().unwrap().push(format!("{name}:{}", key.escape_ascii()));
    }
}

fn run(caller: &mut Caller, command: &str) {
    let words: Vec<&[u8]> = command.split(' ').map(str::as_bytes).collect();
    caller.execute(&words, Mode::Now, &mut Tape::new());
}

/// The commands in a journal, each on a line.
fn log(engine: &Engine) -> String {
    let mut bytes = Vec::new();
    engine.store().journal.read(0, usize::MAX, &mut bytes).unwrap();
    let text = String::from_utf8(bytes).unwrap();
    let lines = text.split("\r\n").filter(|line| !line.starts_with('$'));
    let joined = lines.map(|line| if line.starts_with('*') { "\n" } else { line }).collect::<Vec<_>>().join(" ");
    joined.trim().replace(" \n ", "\n")
}

/// Runs each command after the given ones, and compares its journal and its events.
fn check(before: &[&str], cases: &[(&str, &str, &str)]) {
    for (command, logged, told) in cases {
        let engine = Engine::new(EngineOptions::default()).unwrap();
        let mut caller = engine.caller();
        for command in before {
            run(&mut caller, command);
        }
        let events = Events::default();
        engine.store().set_observer(Box::new(Recorder(Arc::clone(&events))));
        engine.store().journal.turn_on(1 << 20);
        run(&mut caller, command);
        let lines = log(&engine);
        let lines: String = lines.lines().filter(|line| !line.starts_with("SELECT")).collect();
        assert_eq!(lines, *logged, "{command}");
        assert_eq!(events.lock().unwrap().join(" "), *told, "{command}");
    }
}

#[test]
fn pops_of_elements_are_logged_as_if_none_had_waited() {
    let cases = [
        ("RPUSH a 5 6", "RPUSH a 5 6", "rpush:a"),
        ("LPUSHX none 5", "", ""),
        ("LPOP a", "LPOP a", "lpop:a"),
        ("RPOP b", "RPOP b", "rpop:b del:b"),
        ("RPOP a 0", "", ""),
        ("LPOP a 9", "LPOP a 9", "lpop:a del:a"),
        ("LMPOP 2 none a RIGHT COUNT 2", "RPOP a 2", "rpop:a"),
        ("LMOVE a b LEFT RIGHT", "LMOVE a b LEFT RIGHT", "rpush:b lpop:a"),
        ("RPOPLPUSH b b", "RPOPLPUSH b b", "lpush:b rpop:b"),
        ("LSET a 0 5", "LSET a 0 5", "lset:a"),
        ("LINSERT a AFTER 2 5", "LINSERT a AFTER 2 5", "linsert:a"),
        ("LINSERT a AFTER 9 5", "", ""),
        ("LREM b 0 x", "LREM b 0 x", "lrem:b del:b"),
        ("LREM a 0 x", "", ""),
        ("LTRIM a 1 2", "LTRIM a 1 2", "ltrim:a"),
        ("LTRIM a 5 9", "LTRIM a 5 9", "ltrim:a del:a"),
        ("BLPOP none a 0", "LPOP a", "lpop:a"),
        ("BRPOP b a 0", "RPOP b", "rpop:b del:b"),
        ("BRPOP none 0", "", ""),
        ("BLMPOP 0 2 none a LEFT COUNT 9", "LPOP a 4", "lpop:a del:a"),
        ("BLMOVE a b RIGHT LEFT 0", "LMOVE a b RIGHT LEFT", "lpush:b rpop:a"),
        ("BRPOPLPUSH b a 0", "LMOVE b a RIGHT LEFT", "lpush:a rpop:b del:b"),
        ("LRANGE a 0 -1", "", ""),
        ("LPOS a 3", "", ""),
    ];
    check(&["RPUSH a 1 2 3 4", "RPUSH b x"], &cases);
}

#[test]
fn pops_of_members_are_logged_as_if_none_had_waited() {
    let cases = [
        ("ZPOPMIN a", "ZPOPMIN a", "zpopmin:a"),
        ("ZPOPMAX b 3", "ZPOPMAX b 3", "zpopmax:b del:b"),
        ("ZPOPMIN a 0", "", ""),
        ("ZMPOP 2 none a MAX COUNT 2", "ZPOPMAX a 2", "zpopmax:a"),
        ("ZMPOP 1 none MAX", "", ""),
        ("BZPOPMIN none a 0", "ZPOPMIN a", "zpopmin:a"),
        ("BZPOPMAX b a 0", "ZPOPMAX b", "zpopmax:b del:b"),
        ("BZPOPMAX none 0", "", ""),
        ("BZMPOP 0 2 none a MIN COUNT 9", "ZPOPMIN a 3", "zpopmin:a del:a"),
    ];
    check(&["ZADD a 1 x 2 y 3 z", "ZADD b 1 x"], &cases);
}
