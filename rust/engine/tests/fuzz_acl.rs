//! Rules of users: words of every kind never panic, what a user is described by makes the same user, and what it may do is
//! what a model of the documented meaning of the rules says.
//!
//! `RKV_FUZZ_SECONDS` says for how long (default 2), `RKV_FUZZ_SEED` repeats a run.

#[path = "../../collections/tests/support/chance.rs"]
mod chance;

use std::collections::BTreeSet;

use chance::{Random, fuzz_shared};
use rkv_engine::acl::{Acl, Catalog, Denied, Request, Rules, WantedChannel, WantedDb, WantedKey};
use rkv_engine::commands::FAMILIES;
use rkv_engine::glob;
use rkv_engine::handler::CommandTable;

fn pick<'a, T: ?Sized>(random: &mut Random, all: &[&'a T]) -> &'a T {
    all[random.below(all.len())]
}

const PLAIN: &[&str] = &[
    "on",
    "off",
    "nopass",
    "resetpass",
    ">pw",
    "<pw",
    ">other",
    "allkeys",
    "~*",
    "resetkeys",
    "allchannels",
    "resetchannels",
    "&*",
    "&a",
    "&b*",
    "&",
    "+@all",
    "-@all",
    "alldbs",
    "resetdbs",
    "db=0",
    "db=1,2",
    "db=x",
    "db=-1",
    "~a",
    "%R~b*",
    "%W~b*",
    "%RW~c?",
    "%R~*",
    "%W~*",
    "%X~a",
    "~",
    "clearselectors",
    "()",
    "(+get ~a)",
    "(~* &* +@all)",
    "(%R~b* +@read db=1)",
    "(",
    ")",
    "(+nosuch)",
    "+select|0",
    "+select|1",
    "+get|x",
    "+client",
    "-client",
    "-client|id",
    "+client|id",
    "+client|nosuch",
    "+client|id|x",
    "+nosuch",
    "-nosuch",
    "+",
    "-",
    "+@",
    "",
    "nosuch",
    "#bad",
    "!bad",
    "reset",
];

const ODD: &[u8] = b"+-~%&()|@#!<>=RWdb, \0\n\xffax\"\\";

/// A word that may be a rule.
fn word(random: &mut Random, catalog: &Catalog) -> Vec<u8> {
    match random.below(10) {
        0..5 => pick(random, PLAIN).as_bytes().to_vec(),
        5..8 => {
            let command = &catalog.all()[random.below(catalog.len())].name;
            format!("{}{command}", pick(random, &["+", "-"])).into_bytes()
        }
        8 => {
            let names: Vec<&str> = catalog.categories().collect();
            format!("{}@{}", pick(random, &["+", "-"]), pick(random, &names)).into_bytes()
        }
        _ => (0..random.below(12)).map(|_| ODD[random.below(ODD.len())]).collect(),
    }
}

/// What one set of permissions allows, by the meaning of the rules and with the simplest means.
#[derive(Clone, Debug, Default)]
struct Model {
    commands: BTreeSet<u16>,
    firsts: BTreeSet<(u16, Vec<u8>)>,
    keys: Vec<(bool, bool, Vec<u8>)>,
    channels: Vec<Vec<u8>>,
    dbs: Option<BTreeSet<usize>>,
}

impl Model {
    /// Applies a rule that is known to be right.
    fn apply(&mut self, rule: &[u8], catalog: &Catalog) {
        let text = String::from_utf8_lossy(rule).to_ascii_lowercase();
        let with_subcommands = |id: u16| std::iter::once(id).chain(catalog.get(id).unwrap().subcommands.clone());
        let all = || 0..catalog.len() as u16;
        match text.as_str() {
            "allkeys" | "~*" => self.keys = vec![(true, true, b"*".to_vec())],
            "resetkeys" => self.keys.clear(),
            "allchannels" | "&*" => self.channels = vec![b"*".to_vec()],
            "resetchannels" => self.channels.clear(),
            "alldbs" => self.dbs = None,
            "resetdbs" => self.dbs = Some(BTreeSet::new()),
            "+@all" => (self.commands, self.firsts) = (all().collect(), BTreeSet::new()),
            "-@all" => (self.commands, self.firsts) = (BTreeSet::new(), BTreeSet::new()),
            _ if text.starts_with("db=") => {
                self.dbs = Some(text[3..].split(',').map(|number| number.parse().unwrap()).collect());
            }
            _ if text.starts_with(['~', '%']) => {
                let (flags, pattern) = rule.split_at(rule.iter().position(|byte| *byte == b'~').unwrap());
                let flags = String::from_utf8_lossy(flags).to_ascii_uppercase();
                let (reads, writes) =
                    (flags.is_empty() || flags.contains('R'), flags.is_empty() || flags.contains('W'));
                let pattern = pattern[1..].to_vec();
                match self.keys.iter_mut().find(|(.., known)| *known == pattern) {
                    Some(known) => (known.0, known.1) = (known.0 || reads, known.1 || writes),
                    None => self.keys.push((reads, writes, pattern)),
                }
            }
            _ if text.starts_with('&') => self.channels.push(rule[1..].to_vec()),
            _ => {
                let (is_allowed, name) = (text.starts_with('+'), &text[1..]);
                let ids: Vec<u16> = if let Some(name) = name.strip_prefix('@') {
                    let category = catalog.category(name.as_bytes()).unwrap();
                    let has = |id: &u16| catalog.get(*id).unwrap().categories & category != 0;
                    all().filter(has).flat_map(with_subcommands).collect()
                } else if let Some(id) = catalog.find(name.as_bytes()) {
                    with_subcommands(id).collect()
                } else {
                    let (command, first) = name.rsplit_once('|').unwrap();
                    self.firsts.insert((catalog.find(command.as_bytes()).unwrap(), first.as_bytes().to_vec()));
                    return;
                };
                for id in ids {
                    self.firsts.retain(|(other, _)| *other != id);
                    if is_allowed {
                        self.commands.insert(id);
                    } else {
                        self.commands.remove(&id);
                    }
                }
            }
        }
    }

    fn permits(&self, request: &Request<'_>) -> bool {
        let first = request.first_argument.map(<[u8]>::to_ascii_lowercase).unwrap_or_default();
        let has_command = request.is_open
            || self.commands.contains(&request.command)
            || self.firsts.contains(&(request.command, first));
        let has_key = |wanted: &WantedKey<'_>| {
            self.keys.iter().any(|(reads, writes, pattern)| {
                (*reads || !wanted.access.reads)
                    && (*writes || !wanted.access.writes)
                    && glob::matches(pattern, wanted.key, false)
            })
        };
        let has_channel = |wanted: &WantedChannel<'_>| {
            self.channels.iter().any(|known| {
                known == b"*"
                    || if wanted.is_pattern { known == wanted.name } else { glob::matches(known, wanted.name, false) }
            })
        };
        let has_db =
            |wanted: &WantedDb| self.dbs.as_ref().is_none_or(|dbs| wanted.db.is_some_and(|db| dbs.contains(&db)));
        has_command
            && request.dbs.iter().all(has_db)
            && request.keys.iter().all(has_key)
            && request.channels.iter().all(has_channel)
    }
}

fn models(rules: &Rules, words: &[Vec<u8>], catalog: &Catalog) -> Vec<Model> {
    let mut models = vec![Model::default()];
    for word in words {
        match word.as_slice() {
            b"reset" => models = vec![Model::default()],
            b"clearselectors" => models.truncate(1),
            b"" | b"on" | b"off" | b"nopass" | b"resetpass" | [b'>' | b'<' | b'#' | b'!', ..] => {}
            [b'(', inner @ .., b')'] => {
                let mut model = Model::default();
                inner
                    .split(u8::is_ascii_whitespace)
                    .filter(|word| !word.is_empty())
                    .for_each(|word| model.apply(word, catalog));
                models.push(model);
            }
            word => models[0].apply(word, catalog),
        }
    }
    assert_eq!(rules.selectors().count(), models.len());
    models
}

fn compare(rules: &Rules, models: &[Model], catalog: &Catalog, random: &mut Random) {
    use rkv_engine::acl::Access;
    for _ in 0..40 {
        let key = |random: &mut Random| WantedKey {
            word: 1,
            key: pick(random, &[b"a".as_slice(), b"b", b"bb", b"c1", b"zz"]),
            access: Access { reads: random.below(2) == 0, writes: random.below(2) == 0 },
        };
        let keys: Vec<_> = (0..random.below(3)).map(|_| key(random)).collect();
        let channel = WantedChannel {
            word: 1,
            name: pick(random, &[b"a".as_slice(), b"b*", b"bb", b"", b"*"]),
            is_pattern: random.below(2) == 0,
        };
        let channels = vec![channel; random.below(2)];
        let dbs =
            vec![WantedDb { word: None, db: pick(random, &[&Some(0), &Some(1), &None]).to_owned() }; random.below(2)];
        let names: Vec<&[u8]> = vec![b"0", b"1", b"X", b"id"];
        let command = if random.below(3) == 0 {
            catalog.find(pick(random, &[b"select".as_slice(), b"get", b"client|id", b"client"])).unwrap()
        } else {
            random.below(catalog.len()) as u16
        };
        let request = Request {
            command,
            is_open: random.below(20) == 0,
            first_argument: Some(pick(random, &names)),
            dbs: &dbs,
            keys: &keys,
            channels: &channels,
        };
        let outcome = rules.permit(&request);
        let expected = models.iter().any(|model| model.permits(&request));
        assert_eq!(
            outcome.is_ok(),
            expected,
            "{request:?} {} {:?} {models:?}",
            catalog.get(command).unwrap().name,
            String::from_utf8_lossy(&rules.describe())
        );
        assert!(outcome.is_ok() || !rules.is_unrestricted(), "{request:?}");
        assert!(outcome != Err(Denied::Channel(1)) || !channels.is_empty());
    }
}

#[test]
fn random_rules_mean_what_the_model_says_and_describe_themselves() {
    let catalog = CommandTable::new(FAMILIES).catalog();
    let (mut applied, mut refused) = (0, 0);
    fuzz_shared("rules", 2, |random| {
        let mut rules = Rules::new(false);
        let mut words: Vec<Vec<u8>> = Vec::new();
        for _ in 0..=random.below(12) {
            let word = word(random, &catalog);
            let mut next = rules.clone();
            match next.apply(&word, &catalog, false) {
                Ok(()) => {
                    words.push(word);
                    rules = next;
                    applied += 1;
                }
                Err(_) => refused += 1,
            }
        }
        let models = models(&rules, &words, &catalog);
        compare(&rules, &models, &catalog, random);
        // Split at its spaces, as a request, a configuration and a file of users give it.
        let text = rules.describe();
        let acl = Acl::new(CommandTable::new(FAMILIES).catalog());
        let parts: Vec<&[u8]> = text.split(|byte| *byte == b' ').collect();
        let changed = acl.set_user(b"again", &parts);
        let again = changed.unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&text))).user.rules();
        assert_eq!(String::from_utf8_lossy(&again.describe()), String::from_utf8_lossy(&text));
        compare(&again, &models, &catalog, random);
        let line = [b"user again ", text.as_slice()].concat();
        assert_eq!(acl.load(&line, "users.acl").map(|removed| removed.len()), Ok(1));
        assert_eq!(acl.find(b"again").unwrap().rules().describe(), text);
    });
    assert!(applied > 0, "{applied} {refused}");
}

#[test]
fn random_files_are_read_or_refused_as_a_whole() {
    let acl = Acl::new(CommandTable::new(FAMILIES).catalog());
    let mut outcomes = [0_u64, 0];
    fuzz_shared("files of users", 2, |random| {
        let mut text = Vec::new();
        for number in 0..random.below(5) {
            text.extend_from_slice(format!("user {number}").as_bytes());
            for _ in 0..random.below(4) {
                text.push(b' ');
                text.extend(word(random, acl.catalog()));
            }
            text.push(b'\n');
        }
        let before = acl.lines();
        let outcome = acl.load(&text, "users.acl");
        outcomes[usize::from(outcome.is_ok())] += 1;
        if let Err(errors) = outcome {
            assert!(errors.contains("no change"), "{errors}");
            assert_eq!(acl.lines(), before);
        } else {
            let written = acl.lines().join(&b'\n');
            assert!(acl.load(&written, "users.acl").is_ok(), "{}", String::from_utf8_lossy(&written));
        }
    });
    assert!(outcomes.iter().sum::<u64>() > 0, "{outcomes:?}");
}
