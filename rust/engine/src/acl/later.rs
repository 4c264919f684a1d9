//! Commands that Redis 7 and Valkey 9 have and that do not exist here yet.
//!
//! Files of users name them: `-cluster`, `+eval`, `+replicaof`. Such a file must load, and so these names are taken in rules and
//! told back. They allow and forbid nothing, as there is nothing to call; a server that has the command reads the rule anew.

/// Commands without subcommands.
const COMMANDS: &[&str] = &[
    "asking",
    "clusterscan",
    "eval",
    "eval_ro",
    "evalsha",
    "evalsha_ro",
    "failover",
    "fcall",
    "fcall_ro",
    "psync",
    "readonly",
    "readwrite",
    "replconf",
    "replicaof",
    "restore-asking",
    "slaveof",
    "sync",
];

/// Subcommands, by the command that they belong to.
const SUBCOMMANDS: &[(&str, &[&str])] = &[
    (
        "cluster",
        &[
            "addslots",
            "addslotsrange",
            "bumpepoch",
            "cancelslotmigrations",
            "count-failure-reports",
            "countkeysinslot",
            "delslots",
            "delslotsrange",
            "failover",
            "flushslot",
            "flushslots",
            "forget",
            "getkeysinslot",
            "getslotmigrations",
            "help",
            "info",
            "keyslot",
            "links",
            "meet",
            "migrateslots",
            "myid",
            "myshardid",
            "nodes",
            "replicas",
            "replicate",
            "reset",
            "saveconfig",
            "set-config-epoch",
            "setslot",
            "shards",
            "slaves",
            "slot-stats",
            "slots",
            "syncslots",
        ],
    ),
    ("function", &["delete", "dump", "kill", "load", "restore", "stats"]),
    ("script", &["debug", "exists", "flush", "help", "kill", "load", "show"]),
];

/// Whether a name in lower case, `name` or `container|subcommand`, is that of a command that is known elsewhere.
pub fn is_known(name: &[u8]) -> bool {
    let is = |known: &str| known.as_bytes() == name;
    if COMMANDS.iter().any(|known| is(known)) || SUBCOMMANDS.iter().any(|(known, _)| is(known)) {
        return true;
    }
    let Some(at) = name.iter().position(|byte| *byte == b'|') else { return false };
    let (container, rest) = (name.get(..at).unwrap_or_default(), name.get(at + 1..).unwrap_or_default());
    let of = SUBCOMMANDS.iter().filter(|(known, _)| known.as_bytes() == container);
    of.flat_map(|(_, subcommands)| *subcommands).any(|known| known.as_bytes() == rest)
}

/// All of these names.
#[cfg(test)]
pub fn names() -> Vec<String> {
    let commands = COMMANDS.iter().map(|name| (*name).to_owned());
    let below = SUBCOMMANDS.iter().flat_map(|(name, list)| list.iter().map(move |sub| format!("{name}|{sub}")));
    commands.chain(below).collect()
}
