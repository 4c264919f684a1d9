//! What is known of members: GEODIST, GEOHASH and GEOPOS.

use super::options::unit;
use crate::error::{self, Error};
use crate::handler::{Args, Context, Effect, Outcome};
use crate::number::format_f64_4;
use crate::resp::Reply;
use crate::values::Zset;
use crate::values::geo::Point;

pub fn geodist(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    if args.len() > 5 {
        return Err(error::SYNTAX);
    }
    let metres = args.get(4).map_or(Ok(1.0), unit)?;
    let distance = context.read_as::<Zset>(context.key(0))?.and_then(|zset| {
        let view = zset.view();
        let (one, other) = (view.score(args.word(2))?, view.score(args.word(3))?);
        Some(Point::from_score(one).distance(Point::from_score(other)))
    });
    match distance {
        Some(distance) => reply.bulk(&format_f64_4(distance / metres)),
        None => reply.null(),
    }
    Ok(Effect::none())
}

pub fn geohash(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    each_member(context, args, reply, |point, reply| match point {
        Some(point) => reply.bulk(&point.hash_text()),
        None => reply.null(),
    })
}

pub fn geopos(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    each_member(context, args, reply, |point, reply| match point {
        Some(point) => write_point(point, reply),
        None => reply.null_array(),
    })
}

/// Writes an array with something about each member.
fn each_member(
    context: &mut Context<'_, '_>,
    args: Args<'_>,
    reply: &mut Reply<'_>,
    write: impl Fn(Option<Point>, &mut Reply<'_>),
) -> Result<Effect, Error> {
    let zset = context.read_as::<Zset>(context.key(0))?;
    let members = args.from(2);
    reply.array(members.len());
    for member in members {
        let score = zset.as_ref().and_then(|zset| zset.view().score(member));
        write(score.map(Point::from_score), reply);
    }
    Ok(Effect::none())
}

/// Writes longitude and latitude.
pub fn write_point(point: Point, reply: &mut Reply<'_>) {
    reply.array(2);
    reply.double_plain(point.longitude);
    reply.double_plain(point.latitude);
}
