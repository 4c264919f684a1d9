//! Searches, whose result is told or stored: GEOSEARCH, GEORADIUS and their kin.

use super::options::{Dialect, Options, Order};
use super::tell::write_point;
use crate::config::KeyspaceEvents;
use crate::handler::{Args, Context, Effect, Outcome};
use crate::number::format_f64_4;
use crate::resp::Reply;
use crate::values::elements::Elements;
use crate::values::geo::{Found, Names, Search, Shape};
use crate::values::zset::ZsetView;
use crate::values::{Reading, Rules, Zset};

pub fn georadius(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    search(context, args, reply, Dialect::Radius)
}

pub fn georadiusbymember(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    search(context, args, reply, Dialect::RadiusByMember)
}

pub fn georadiusbymember_ro(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    search(context, args, reply, Dialect::RadiusByMemberReadOnly)
}

pub fn georadius_ro(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    search(context, args, reply, Dialect::RadiusReadOnly)
}

pub fn geosearch(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    search(context, args, reply, Dialect::Search)
}

pub fn geosearchstore(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    search(context, args, reply, Dialect::SearchStore)
}

fn search(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>, dialect: Dialect) -> Outcome {
    let (source, target) = if dialect == Dialect::SearchStore { (1, 0) } else { (0, 1) };
    // The key is looked up first: its type is the first thing that Redis complains of.
    let zset = context.read_as::<Zset>(context.key(source))?;
    let options = Options::read(args, dialect, zset.as_ref().map(Reading::view))?;
    let found = zset.and_then(|zset| Some(Members::find(zset.view(), &options, options.shape.clone()?)));
    let found = found.unwrap_or_default();
    if !options.is_stored {
        found.write(&options, reply);
        return Ok(Effect::none());
    }
    let count = found.told.len();
    let zset = found.to_zset(&options, context.rules());
    let key = context.key(target);
    reply.integer(count as i64);
    if count > 0 {
        context.put_collection(key, zset);
        let event = if dialect.is_search() { "geosearchstore" } else { "georadiusstore" };
        return Ok(Effect::changed().event(KeyspaceEvents::ZSET, event, target));
    }
    if context.remove(key) {
        return Ok(Effect::changed().event(KeyspaceEvents::GENERIC, "del", target));
    }
    Ok(Effect::none())
}

/// What a search found.
#[derive(Default)]
struct Members {
    names: Names,
    /// In the order in which they are told, and no more than are told.
    told: Vec<Found>,
}

impl Members {
    fn find(view: ZsetView<'_>, options: &Options, shape: Shape) -> Self {
        let limit = usize::try_from(options.count).unwrap_or(usize::MAX);
        let (mut told, names) = Search::new(shape, options.center).run(view, if options.any { limit } else { 0 });
        // Who asks for some of them means the nearest.
        let order =
            if limit > 0 && options.order == Order::Any && !options.any { Order::NearestFirst } else { options.order };
        match order {
            Order::Any => {}
            Order::NearestFirst => told.sort_by(|one, other| one.distance.total_cmp(&other.distance)),
            Order::FarthestFirst => told.sort_by(|one, other| other.distance.total_cmp(&one.distance)),
        }
        if limit > 0 {
            told.truncate(limit);
        }
        Self { names, told }
    }

    fn write(&self, options: &Options, reply: &mut Reply<'_>) {
        let parts = [options.with_distance, options.with_hash, options.with_place];
        let parts = parts.into_iter().filter(|wanted| *wanted).count();
        reply.array(self.told.len());
        for found in &self.told {
            if parts > 0 {
                reply.array(1 + parts);
            }
            reply.bulk(self.names.of(found));
            if options.with_distance {
                reply.bulk(&format_f64_4(found.distance / options.metres));
            }
            if options.with_hash {
                reply.integer(found.score as i64);
            }
            if options.with_place {
                write_point(found.point, reply);
            }
        }
    }

    fn to_zset(&self, options: &Options, rules: &Rules) -> Zset {
        let mut members = Elements::new(rules.keyed);
        for found in &self.told {
            let score = if options.stores_distance { found.distance / options.metres } else { found.score };
            let name = self.names.of(found);
            members.find_or_add(name.into(), &score.to_le_bytes());
        }
        Zset::of(members, rules)
    }
}
