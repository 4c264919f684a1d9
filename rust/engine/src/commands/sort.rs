//! SORT: lists, sets and sorted sets in another order, by what is in them or by what other keys hold.

use std::cmp::Ordering;

use crate::config::KeyspaceEvents;
use crate::error::{self, Error};
use crate::handler::{
    Args, Begin, Categories, Context, Effect, Find, Flags, Group, KeyAt, KeyFlags, KeySpec, Keys, KeysFound, Log,
    Outcome, Row, Words, permission,
};
use crate::keyspace::Key;
use crate::number;
use crate::resp::Reply;
use crate::values::list::Side;
use crate::values::string::StringRef;
use crate::values::{Collection, Hash, Kind, List, Reading, ValueRef};

const SOURCE: KeySpec = KeySpec::one(1, KeyFlags::RO.with(KeyFlags::ACCESS));
const PATTERNS: KeySpec =
    KeySpec { begin: Begin::Unknown, find: Find::Unknown, flags: KeyFlags::RO.with(KeyFlags::ACCESS) };
const TARGET: KeySpec =
    KeySpec { begin: Begin::Unknown, find: Find::Unknown, flags: KeyFlags::OW.with(KeyFlags::UPDATE) };
const TYPES: Categories =
    Categories::SET.with(Categories::SORTEDSET).with(Categories::LIST).with(Categories::DANGEROUS);
const COMPLEXITY: &str = "O(N+M*log(M)) for N elements of which M are returned, O(N) if they are not sorted";

pub(super) const ROWS: &[Row] = &[
    Row::new("SORT", -2, Group::Generic, sort)
        .doc("Sorts the elements of a list, a set or a sorted set; may store them.", COMPLEXITY)
        .keys(Keys::Computed(&[SOURCE, PATTERNS, TARGET], find_keys))
        .flags(Flags::WRITE.with(Flags::DENYOOM).with(Flags::LINEAR))
        .categories(TYPES)
        .usage(
            "key:key [BY by-pattern/pattern:pattern#1] [LIMIT limit:(offset:integer count:integer)] \
             [GET get-pattern/pattern:pattern#1]... [order:(ASC | DESC)] [sorting=ALPHA] [STORE destination:key]",
        ),
    Row::new("SORT_RO", -2, Group::Generic, sort_ro)
        .since("7.0.0")
        .doc("Sorts the elements of a list, a set or a sorted set.", COMPLEXITY)
        .keys(Keys::Computed(&[SOURCE, PATTERNS], find_keys_ro))
        .flags(Flags::READONLY.with(Flags::LINEAR))
        .categories(TYPES)
        .usage(
            "key:key [BY by-pattern/pattern:pattern#1] [LIMIT limit:(offset:integer count:integer)] \
             [GET get-pattern/pattern:pattern#1]... [order:(ASC | DESC)] [sorting=ALPHA]",
        ),
];

fn find_keys(args: Args<'_>) -> KeysFound {
    found(args, true)
}

fn find_keys_ro(args: Args<'_>) -> KeysFound {
    found(args, false)
}

/// The source, the target if there is one, and every key there is if a pattern names some.
fn found(args: Args<'_>, may_store: bool) -> KeysFound {
    let mut keys = KeysFound::default();
    keys.positions.push(KeyAt { index: 1, flags: SOURCE.flags });
    let Ok(options) = Options::read(args, may_store) else { return keys };
    keys.positions.extend(options.target.map(|index| KeyAt { index, flags: TARGET.flags }));
    keys.is_all = options.uses_patterns();
    keys
}

/// What was asked for.
#[derive(Debug, Default)]
struct Options<'a> {
    by: Option<&'a [u8]>,
    get: Vec<&'a [u8]>,
    /// First element and how many; negative for all.
    limit: Option<(i64, i64)>,
    descends: bool,
    is_alpha: bool,
    /// The word that names the target.
    target: Option<usize>,
}

impl<'a> Options<'a> {
    fn read(args: Args<'a>, may_store: bool) -> Result<Self, Error> {
        let mut options = Self::default();
        let mut words = args.cursor(2);
        while !words.is_done() {
            if words.keyword("ASC") {
                options.descends = false;
            } else if words.keyword("DESC") {
                options.descends = true;
            } else if words.keyword("ALPHA") {
                options.is_alpha = true;
            } else if words.left() > 2 && words.keyword("LIMIT") {
                options.limit = Some((words.integer()?, words.integer()?));
            } else if may_store && words.left() > 1 && words.keyword("STORE") {
                options.target = Some(args.len() - words.left());
                words.expect_word()?;
            } else if words.left() > 1 && words.keyword("BY") {
                options.by = Some(words.expect_word()?);
            } else if words.left() > 1 && words.keyword("GET") {
                options.get.push(words.expect_word()?);
            } else {
                return Err(error::SYNTAX);
            }
        }
        Ok(options)
    }

    /// Whether the elements stay in the order in which they are: a pattern without a star names no key.
    fn is_unsorted(&self) -> bool {
        self.by.is_some_and(|pattern| !pattern.contains(&b'*'))
    }

    /// Whether other keys than those named are looked at.
    fn uses_patterns(&self) -> bool {
        self.by.iter().chain(&self.get).any(|pattern| pattern.contains(&b'*'))
    }

    /// The range of `len` elements that is wanted.
    fn range(&self, len: usize) -> std::ops::Range<usize> {
        let (offset, count) = self.limit.unwrap_or((0, -1));
        let start = usize::try_from(offset).unwrap_or(0).min(len);
        let count = usize::try_from(count).unwrap_or(len);
        start..start.saturating_add(count).min(len)
    }
}

/// An element and what it is sorted by.
struct Item {
    element: Box<[u8]>,
    number: f64,
    /// What another key holds; `None` if there is no such key.
    text: Option<Box<[u8]>>,
}

fn sort(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let options = Options::read(args, true)?;
    permitted(context, args, &options)?;
    let items = sorted(context, &options)?;
    let Some(_) = options.target else { return tell(context, &options, &items, reply) };
    let mut list = List::default();
    for item in &items {
        let rules = context.rules();
        if options.get.is_empty() {
            list.push(Side::Right, &[&item.element], rules);
        }
        for pattern in &options.get {
            let value = look_up(context, pattern, &item.element)?;
            list.push(Side::Right, &[value.as_deref().unwrap_or_default()], rules);
        }
    }
    let (target, len) = (context.key(1), list.view().len());
    let log = if context.is_logged() && options.uses_patterns() { stored(target, &list) } else { Log::AsReceived };
    let was_there = context.open(target).is_some();
    let is_there = context.put_collection(target, list);
    reply.integer(len as i64);
    let effect = Effect { log, ..Effect::none() };
    Ok(match (is_there, was_there) {
        (true, _) => effect.event(KeyspaceEvents::LIST, "sortstore", 1),
        (false, true) => effect.event(KeyspaceEvents::GENERIC, "del", 1),
        (false, false) => Effect::none(),
    })
}

/// A sorted list as it goes to the journal if patterns made it: what they found may be gone, because its time was over,
/// where the journal is read.
fn stored(target: Key<'_>, list: &List) -> Log {
    /// Few enough for one command.
    const TOGETHER: usize = 1024;
    let mut elements: Vec<Box<[u8]>> = Vec::new();
    List::each(list.view(), &mut |element| elements.push(element.name.into()));
    let mut commands: Vec<Words> = vec![vec![Box::from(b"DEL".as_slice()), target.bytes().into()]];
    for some in elements.chunks(TOGETHER) {
        let head = [b"RPUSH".as_slice(), target.bytes()].map(Box::from);
        commands.push(head.into_iter().chain(some.iter().cloned()).collect());
    }
    Log::Instead(commands)
}

fn sort_ro(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let options = Options::read(args, false)?;
    permitted(context, args, &options)?;
    let items = sorted(context, &options)?;
    tell(context, &options, &items, reply)
}

/// Patterns may name any key, so only who may read all of them may use patterns.
fn permitted(context: &Context<'_, '_>, args: Args<'_>, options: &Options<'_>) -> Result<(), Error> {
    let user = context.client.user.as_ref().filter(|user| !user.is_unrestricted());
    let (Some(user), Ok(command)) = (user, context.store.table.resolve(args)) else { return Ok(()) };
    let dbs = context.store.settings.databases();
    let by = options.by.is_some_and(|pattern| pattern.contains(&b'*'));
    if !by && options.get.is_empty() || permission::reads_all_keys(&user.rules(), command, args, context.db(), dbs) {
        return Ok(());
    }
    Err(if by { error::SORT_BY_DENIED } else { error::SORT_GET_DENIED })
}

fn tell(context: &Context<'_, '_>, options: &Options<'_>, items: &[Item], reply: &mut Reply<'_>) -> Outcome {
    let mut values = Vec::new();
    for item in items {
        for pattern in &options.get {
            values.push(look_up(context, pattern, &item.element)?);
        }
    }
    if options.get.is_empty() {
        reply.array(items.len());
        for item in items {
            reply.bulk(&item.element);
        }
    } else {
        reply.array(values.len());
        for value in &values {
            match value {
                Some(value) => reply.bulk(value),
                None => reply.null(),
            }
        }
    }
    Ok(Effect::none())
}

/// The wanted elements in the wanted order.
fn sorted(context: &mut Context<'_, '_>, options: &Options<'_>) -> Result<Vec<Item>, Error> {
    let mut elements: Vec<Box<[u8]>> = Vec::new();
    let mut kind = Kind::List;
    if let Some(entry) = context.read(context.key(0)) {
        let value = entry.value();
        kind = value.kind();
        if !matches!(kind, Kind::List | Kind::Set | Kind::Zset) {
            return Err(error::WRONG_TYPE);
        }
        value.each(&mut |element| elements.push(element.name.into()));
    }
    // A set has no order of its own, so what is stored of it is sorted all the same.
    let forces_order = options.is_unsorted() && kind == Kind::Set && options.target.is_some();
    let (is_alpha, by) = if forces_order { (true, None) } else { (options.is_alpha, options.by) };
    if options.is_unsorted() && !forces_order {
        if options.descends && kind != Kind::Set {
            elements.reverse();
        }
        let range = options.range(elements.len());
        let wanted = elements.into_iter().skip(range.start).take(range.len());
        return Ok(wanted.map(|element| Item { element, number: 0.0, text: None }).collect());
    }
    let mut items = Vec::with_capacity(elements.len());
    for element in elements {
        items.push(item(context, element, by, is_alpha)?);
    }
    let range = options.range(items.len());
    let order = |one: &Item, other: &Item| {
        let order = compare(one, other, is_alpha, by.is_some());
        if options.descends { order.reverse() } else { order }
    };
    if range.end < items.len() && range.end > 0 {
        items.select_nth_unstable_by(range.end - 1, order);
        items.truncate(range.end);
    }
    items.sort_by(order);
    items.truncate(range.end);
    items.drain(..range.start.min(items.len()));
    Ok(items)
}

fn item(context: &Context<'_, '_>, element: Box<[u8]>, by: Option<&[u8]>, is_alpha: bool) -> Result<Item, Error> {
    let text = match by {
        Some(pattern) => look_up(context, pattern, &element)?,
        None => None,
    };
    let mut number = 0.0;
    if !is_alpha {
        let shown = if by.is_some() { text.as_deref() } else { Some(&*element) };
        if let Some(shown) = shown {
            number = sort_number(shown).ok_or(error::SORT_NOT_A_NUMBER)?;
        }
    }
    Ok(Item { element, number, text })
}

/// A number as C's `strtod` reads it from a C string: behind spaces, up to a zero byte, and nothing at all is 0.
fn sort_number(text: &[u8]) -> Option<f64> {
    let text = text.split(|byte| *byte == 0).next().unwrap_or_default();
    if text.is_empty() {
        return Some(0.0);
    }
    number::parse_f64(text.trim_ascii_start())
}

fn compare(one: &Item, other: &Item, is_alpha: bool, has_by: bool) -> Ordering {
    if !is_alpha {
        // Equal numbers: by the bytes, so that the order is the same everywhere.
        let order = one.number.partial_cmp(&other.number).unwrap_or(Ordering::Equal);
        return order.then_with(|| one.element.cmp(&other.element));
    }
    if has_by { one.text.cmp(&other.text) } else { one.element.cmp(&other.element) }
}

/// What a pattern means for an element: `#` the element, `prefix*suffix` a string, `prefix*suffix->field` a field of a hash.
fn look_up(context: &Context<'_, '_>, pattern: &[u8], element: &[u8]) -> Result<Option<Box<[u8]>>, Error> {
    if pattern == b"#" {
        return Ok(Some(element.into()));
    }
    let Some(star) = pattern.iter().position(|byte| *byte == b'*') else { return Ok(None) };
    let (prefix, rest) = pattern.split_at(star);
    let rest = rest.get(1..).unwrap_or_default();
    let arrow = rest.windows(2).position(|pair| pair == b"->").filter(|at| at + 2 < rest.len());
    let (suffix, field) = match arrow {
        Some(at) => (rest.get(..at).unwrap_or_default(), rest.get(at + 2..)),
        None => (rest, None),
    };
    let key = [prefix, element, suffix].concat();
    let Some(entry) = context.peek(context.undeclared(&key)?) else { return Ok(None) };
    Ok(match field {
        Some(field) => field_of(entry.value(), field, context.now_ms()),
        None => StringRef::of(entry.value()).ok().map(|string| (*string.text()).into()),
    })
}

fn field_of(value: ValueRef<'_>, field: &[u8], now_ms: i64) -> Option<Box<[u8]>> {
    let hash = Reading::<Hash>::of(value).ok()?;
    let entry = hash.view().get(field, now_ms)?;
    Some(entry.to_vec().into())
}
