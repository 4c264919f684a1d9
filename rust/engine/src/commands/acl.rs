//! ACL: users, what each may do, and what was refused.

use std::io;
use std::path::Path;
use std::sync::Arc;

use crate::acl::{Denied, Rules, Selector, SetUserError, User};
use crate::client::{Kind, Link};
use crate::config::options;
use crate::error::{self, Error};
use crate::files;
use crate::handler::{Args, Context, Effect, Flags, Group, Outcome, Row, Store, permission, subcommand};
use crate::random;
use crate::resp::Reply;

const ANYBODY: Flags = Flags::NOSCRIPT.with(Flags::LOADING).with(Flags::STALE).with(Flags::LINEAR);
const ADMIN: Flags = ANYBODY.with(Flags::ADMIN);
const EVERYWHERE: &[&str] = &["request_policy:all_nodes", "response_policy:all_succeeded"];
/// A file of users is not longer than this.
const FILE_BYTES_MAX: u64 = 64 << 20;

pub(super) const ROWS: &[Row] = &[Row::container("ACL", Group::Server, SUBCOMMANDS)
    .since("6.0.0")
    .doc("Container of commands about users and what they may do.", "Depends on subcommand.")];

const SUBCOMMANDS: &[Row] = &[
    Row::new("CAT", -2, Group::Server, cat)
        .since("6.0.0")
        .doc("Lists the categories of commands, or the commands of one.", "O(1)")
        .flags(ANYBODY)
        .usage("[category:string]"),
    Row::new("DELUSER", -3, Group::Server, deluser)
        .since("6.0.0")
        .doc("Removes users and closes their connections.", "O(N) for N users")
        .flags(ADMIN)
        .tips(EVERYWHERE)
        .usage("username:string..."),
    Row::new("DRYRUN", -4, Group::Server, dryrun)
        .since("7.0.0")
        .doc("Tells whether a user may run a command, without running it.", "O(1)")
        .flags(ADMIN)
        .usage("username:string command:string [arg:string...]"),
    Row::new("GENPASS", -2, Group::Server, genpass)
        .since("6.0.0")
        .doc("Makes a password that nobody can guess.", "O(1)")
        .flags(ANYBODY)
        .usage("[bits:integer]"),
    Row::new("GETUSER", 3, Group::Server, getuser)
        .since("6.0.0")
        .doc("Describes a user.", "O(N) for N passwords, patterns and rules")
        .flags(ADMIN)
        .usage("username:string"),
    Row::new("HELP", 2, Group::Server, help)
        .since("6.0.0")
        .doc("Lists the subcommands of ACL.", "O(1)")
        .flags(Flags::LOADING.with(Flags::STALE)),
    Row::new("LIST", 2, Group::Server, list)
        .since("6.0.0")
        .doc("Lists all users with their rules, as a file holds them.", "O(N) for N users")
        .flags(ADMIN),
    Row::new("LOAD", 2, Group::Server, load)
        .since("6.0.0")
        .doc("Reads the file of users, whose users replace those of before.", "O(N) for N users")
        .flags(ADMIN),
    Row::new("LOG", -2, Group::Server, log)
        .since("6.0.0")
        .doc("Lists what was refused to users lately, or forgets it.", "O(N) for N entries")
        .flags(ADMIN)
        .usage("[operation:(count:integer | RESET)]"),
    Row::new("SAVE", 2, Group::Server, save)
        .since("6.0.0")
        .doc("Writes all users to the file of users.", "O(N) for N users")
        .flags(ADMIN)
        .tips(EVERYWHERE),
    Row::new("SETUSER", -3, Group::Server, setuser)
        .since("6.0.0")
        .doc("Makes a user, or changes what it may do.", "O(N) for N rules")
        .flags(ADMIN)
        .tips(EVERYWHERE)
        .usage("username:string [rule:string...]"),
    Row::new("USERS", 2, Group::Server, users)
        .since("6.0.0")
        .doc("Lists the names of all users.", "O(N) for N users")
        .flags(ADMIN),
    Row::new("WHOAMI", 2, Group::Server, whoami)
        .since("6.0.0")
        .doc("Tells which user this connection is.", "O(1)")
        .flags(ANYBODY),
];

fn bulks<T: AsRef<[u8]>>(texts: impl ExactSizeIterator<Item = T>, reply: &mut Reply<'_>) {
    reply.array(texts.len());
    texts.for_each(|text| reply.bulk(text.as_ref()));
}

fn cat(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let catalog = context.store.acl.catalog();
    match args.from(2) {
        [] => bulks(catalog.categories(), reply),
        [name] => {
            let unknown = || Error::text(format!("ERR Unknown category '{}'", String::from_utf8_lossy(name)));
            let category = catalog.category(name).ok_or_else(unknown)?;
            let known: Vec<_> = catalog.all().iter().filter(|known| known.categories & category != 0).collect();
            bulks(known.iter().map(|known| known.name.as_bytes()), reply);
        }
        _ => return Err(subcommand::unknown_or_arity(args)),
    }
    Ok(Effect::none())
}

/// Closes connections of users who are no more, or have lost what their connections depend on.
fn close(context: &mut Context<'_, '_>, is_meant: impl Fn(&Arc<Link>) -> bool) {
    for link in context.store.clients.all() {
        if !is_meant(&link) {
        } else if link.id == context.client.link.id {
            // Its reply is still sent.
            context.client.is_closing = true;
        } else {
            context.kill(link);
        }
    }
}

fn deluser(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let names = args.from(2);
    if names.contains(&crate::acl::DEFAULT_USER) {
        return Err(Error::fixed("ERR The 'default' user cannot be removed"));
    }
    let removed: Vec<Arc<User>> = names.iter().filter_map(|name| context.store.acl.remove(name)).collect();
    close(context, |link| removed.iter().any(|user| link.is_user(user)));
    reply.integer(removed.len() as i64);
    Ok(Effect::none())
}

fn dryrun(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let store = context.store;
    let shown = |word: usize| String::from_utf8_lossy(args.word(word)).into_owned();
    let user = store.acl.find(args.word(2)).ok_or_else(|| Error::text(format!("ERR User '{}' not found", shown(2))))?;
    let request = Args::new(args.from(3));
    let missing = || Error::text(format!("ERR Command '{}' not found", shown(3)));
    let command = store.table.resolve(request).map_err(|_| missing())?;
    if command.row.handler.is_none() {
        return Err(missing());
    }
    if !command.row.accepts(request.len()) {
        return Err(Error::arity(command.full_name()));
    }
    let denied = permission::permit(&user.rules(), command, request, context.db(), store.settings.databases());
    let Err(denied) = denied else {
        reply.ok();
        return Ok(Effect::none());
    };
    let what = match denied {
        Denied::Command => format!("run the '{}' command", command.full_name()),
        Denied::Database(word) => format!("access database {}", shown(3 + word.unwrap_or(0))),
        Denied::Key(word) => format!("access the '{}' key", shown(3 + word)),
        Denied::Channel(word) => format!("access the '{}' channel", shown(3 + word)),
    };
    reply.bulk(format!("User {} has no permissions to {what}", String::from_utf8_lossy(user.name())).as_bytes());
    Ok(Effect::none())
}

fn genpass(_: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    const BITS_MAX: i64 = 4096;
    let bits = match args.from(2) {
        [] => 256,
        [_] => args.integer(2)?,
        _ => return Err(subcommand::unknown_or_arity(args)),
    };
    if !(1..=BITS_MAX).contains(&bits) {
        return Err(Error::fixed(
            "ERR ACL GENPASS argument must be the number of bits for the output password, a positive number up to 4096",
        ));
    }
    let mut bytes = [0; BITS_MAX as usize / 8];
    random::secure_bytes(&mut bytes).map_err(|error| Error::text(format!("ERR {error}")))?;
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]).take((bits as usize).div_ceil(4));
    let password: String = digits.filter_map(|digit| char::from_digit(u32::from(digit), 16)).collect();
    reply.bulk(password.as_bytes());
    Ok(Effect::none())
}

fn getuser(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let Some(user) = context.store.acl.find(args.word(2)) else {
        reply.null();
        return Ok(Effect::none());
    };
    let rules: Arc<Rules> = user.rules();
    reply.map(7);
    reply.bulk(b"flags");
    let flags: Vec<_> = rules.flags().collect();
    reply.set(flags.len());
    for flag in flags {
        reply.bulk(flag.as_bytes());
    }
    reply.bulk(b"passwords");
    bulks(rules.hashes(), reply);
    describe(rules.root(), reply);
    reply.bulk(b"selectors");
    reply.array(rules.further().len());
    for selector in rules.further() {
        reply.map(4);
        describe(selector, reply);
    }
    Ok(Effect::none())
}

fn describe(selector: &Selector, reply: &mut Reply<'_>) {
    for (name, text) in [
        ("commands", selector.describe_commands()),
        ("keys", selector.describe_keys()),
        ("channels", selector.describe_channels()),
        ("databases", selector.describe_dbs()),
    ] {
        reply.bulk(name.as_bytes());
        reply.bulk(&text);
    }
}

fn help(_: &mut Context<'_, '_>, _: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let lines = [
        "CAT [<category>]",
        "    List the categories of commands, or the commands of one.",
        "DELUSER <username> [<username> ...]",
        "    Remove users and close their connections.",
        "DRYRUN <username> <command> [<arg> ...]",
        "    Tell whether a user may run a command, without running it.",
        "GETUSER <username>",
        "    Describe a user.",
        "GENPASS [<bits>]",
        "    Make a password of 256 bits, or of another number of them.",
        "LIST",
        "    List all users with their rules, as a file holds them.",
        "LOAD",
        "    Read the file of users, whose users replace those of before.",
        "LOG [<count> | RESET]",
        "    List what was refused to users lately, or forget it.",
        "SAVE",
        "    Write all users to the file of users.",
        "SETUSER <username> <rule> [<rule> ...]",
        "    Make a user, or change what it may do.",
        "USERS",
        "    List the names of all users.",
        "WHOAMI",
        "    Tell which user this connection is.",
    ];
    subcommand::help("ACL", &lines, reply);
    Ok(Effect::none())
}

fn list(context: &mut Context<'_, '_>, _: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    bulks(context.store.acl.lines().iter(), reply);
    Ok(Effect::none())
}

/// The file of users, whose place was fixed at start.
fn file(store: &Store) -> Result<&Path, Error> {
    store.acl_file().ok_or(error::NO_ACL_FILE)
}

fn load(context: &mut Context<'_, '_>, _: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let store = context.store;
    let path = file(store)?;
    let removed = load_file(store, path).map_err(|errors| Error::text(format!("ERR {errors}")))?;
    close(context, |link| removed.iter().any(|user| link.is_user(user)));
    reply.ok();
    Ok(Effect::none())
}

/// Reads the file of users; who was removed.
pub(crate) fn load_file(store: &Store, path: &Path) -> Result<Vec<Arc<User>>, String> {
    let name = String::from_utf8_lossy(store.config().get(options::ACLFILE)).into_owned();
    let text = files::read_whole(path, FILE_BYTES_MAX);
    let text = text.map_err(|error| format!("Error loading ACLs, opening file '{name}': {}", reason(&error)))?;
    store.acl.load(&text, &name)
}

/// What the system says, in the words of the C library.
fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_owned()
}

fn log(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    const SHOWN: usize = 10;
    let log = &context.store.acl.log;
    let count = match args.from(2) {
        [] => SHOWN,
        [word] if word.eq_ignore_ascii_case(b"reset") => {
            log.reset();
            reply.ok();
            return Ok(Effect::none());
        }
        [_] => usize::try_from(args.integer(2)?).unwrap_or(0),
        _ => return Err(subcommand::unknown_or_arity(args)),
    };
    let now_ms = context.store.clock.unix_ms();
    let entries = log.latest(count);
    reply.array(entries.len());
    for entry in &entries {
        reply.map(10);
        reply.bulk(b"count");
        reply.integer(entry.count.cast_signed());
        for (name, value) in [
            ("reason", entry.reason.name().as_bytes()),
            ("context", entry.context.as_bytes()),
            ("object", &entry.object),
            ("username", &entry.user),
        ] {
            reply.bulk(name.as_bytes());
            reply.bulk(value);
        }
        reply.bulk(b"age-seconds");
        reply.double(now_ms.saturating_sub(entry.updated_ms) as f64 / 1000.0);
        reply.bulk(b"client-info");
        reply.bulk(entry.client.trim_end().as_bytes());
        for (name, value) in [
            ("entry-id", entry.id.cast_signed()),
            ("timestamp-created", entry.created_ms),
            ("timestamp-last-updated", entry.updated_ms),
        ] {
            reply.bulk(name.as_bytes());
            reply.integer(value);
        }
    }
    Ok(Effect::none())
}

fn save(context: &mut Context<'_, '_>, _: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let store = context.store;
    let path = file(store)?;
    let mut text = store.acl.lines().join(&b'\n');
    text.push(b'\n');
    if let Err(error) = files::replace_whole(path, &store.run_id, &text) {
        log::warn!("ACL SAVE failed: {}: {error}", path.display());
        return Err(Error::fixed(
            "ERR There was an error trying to save the ACLs. Please check the server logs for more information",
        ));
    }
    reply.ok();
    Ok(Effect::none())
}

fn setuser(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let changed = context.store.acl.set_user(args.word(2), args.from(3)).map_err(|fault| set_error(&fault))?;
    if let Some(before) = &changed.before {
        let (store, now) = (context.store, changed.user.rules());
        if loses_channels(before, &now) {
            close(context, |link| link.is_user(&changed.user) && listens_to_more(store, link, &now));
        }
    }
    reply.ok();
    Ok(Effect::none())
}

fn set_error(fault: &SetUserError) -> Error {
    match fault {
        SetUserError::Name => Error::fixed("ERR Usernames can't contain spaces or null characters"),
        SetUserError::Parenthesis(word) => {
            let word = String::from_utf8_lossy(word);
            Error::text(format!("ERR Unmatched parenthesis in acl selector starting at '{word}'."))
        }
        SetUserError::Rule(rule, error) => {
            let rule = match rule.first() {
                // What was meant as a password stays secret, although it is the client's own; some write one where a hash is meant.
                Some(sign @ (b'>' | b'<' | b'#' | b'!')) => format!("{}(redacted)", char::from(*sign)),
                _ => String::from_utf8_lossy(rule).into_owned(),
            };
            Error::text(format!("ERR Error in ACL SETUSER modifier '{rule}': {error}"))
        }
    }
}

/// Whether a channel that was allowed may not be now; patterns are compared as they are written.
fn loses_channels(before: &Rules, now: &Rules) -> bool {
    if now.selectors().any(Selector::has_all_channels) {
        return false;
    }
    let kept = |pattern: &[u8]| now.selectors().any(|selector| selector.has_channel(pattern, true));
    before
        .selectors()
        .any(|selector| selector.has_all_channels() || selector.channel_patterns().iter().any(|pattern| !kept(pattern)))
}

/// Whether a client listens to what these rules do not allow.
fn listens_to_more(store: &Store, link: &Link, rules: &Rules) -> bool {
    [Kind::Channel, Kind::Pattern, Kind::Shard].into_iter().any(|kind| {
        let is_pattern = kind == Kind::Pattern;
        let allowed = |name: &[u8]| rules.selectors().any(|selector| selector.has_channel(name, is_pattern));
        store.pubsub.heard_by(link, kind).iter().any(|name| !allowed(name))
    })
}

fn users(context: &mut Context<'_, '_>, _: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    bulks(context.store.acl.all().iter().map(|user| user.name()), reply);
    Ok(Effect::none())
}

fn whoami(context: &mut Context<'_, '_>, _: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    match &context.client.user {
        Some(user) => reply.bulk(user.name()),
        // Whoever calls from this process may do what the default user may do by default.
        None => reply.bulk(crate::acl::DEFAULT_USER),
    }
    Ok(Effect::none())
}
