//! LATENCY: what took long, and how the times of commands are spread.

use std::fmt::Write;

use crate::error::Error;
use crate::handler::{Args, Command, Context, Effect, Flags, Group, Outcome, Row, subcommand};
use crate::observe::Series;
use crate::resp::Reply;

const STALE: Flags = Flags::LOADING.with(Flags::STALE);
const BASE: Flags = Flags::ADMIN.with(Flags::NOSCRIPT).with(STALE);
const TIPS: &[&str] = &["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"];

pub(super) const ROWS: &[Row] = &[Row::container("LATENCY", Group::Server, SUBCOMMANDS)
    .since("2.8.13")
    .doc("Container of commands about slow events.", "Depends on subcommand.")];

const SUBCOMMANDS: &[Row] = &[
    Row::new("DOCTOR", 2, Group::Server, doctor)
        .since("2.8.13")
        .doc("Reports on slow events in words.", "O(1)")
        .flags(BASE)
        .tips(TIPS),
    Row::new("GRAPH", 3, Group::Server, graph)
        .since("2.8.13")
        .doc("Draws the samples of an event.", "O(1)")
        .flags(BASE)
        .tips(TIPS)
        .usage("event:string"),
    Row::new("HELP", 2, Group::Server, help)
        .since("2.8.13")
        .doc("Lists the subcommands of LATENCY.", "O(1)")
        .flags(STALE),
    Row::new("HISTOGRAM", -2, Group::Server, histogram)
        .since("7.0.0")
        .doc(
            "Tells how the times of some or all commands are spread.",
            "O(N) where N is the number of commands with latency information being retrieved.",
        )
        .flags(BASE)
        .tips(TIPS)
        .usage("[command:string...]"),
    Row::new("HISTORY", 3, Group::Server, history)
        .since("2.8.13")
        .doc("Tells the samples of an event.", "O(1)")
        .flags(BASE)
        .tips(TIPS)
        .usage("event:string"),
    Row::new("LATEST", 2, Group::Server, latest)
        .since("2.8.13")
        .doc("Tells the latest samples of all events.", "O(1)")
        .flags(BASE)
        .tips(TIPS),
    Row::new("RESET", -2, Group::Server, reset)
        .since("2.8.13")
        .doc("Forgets the samples of events.", "O(1)")
        .flags(BASE)
        .tips(&["request_policy:all_nodes", "response_policy:agg_sum"])
        .usage("[event:string...]"),
];

fn doctor(context: &mut Context<'_, '_>, _: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let latency = &context.store.observed.latency;
    let all = latency.all();
    let text = if !all.is_empty() {
        report(&all, context.now_ms().div_euclid(1000))
    } else if latency.threshold_ms() == 0 {
        "Latency monitoring is disabled in this rkv instance. \
         \"CONFIG SET latency-monitor-threshold <milliseconds>\" enables it.\n"
            .into()
    } else {
        "No latency spike was observed during the lifetime of this rkv instance.\n".into()
    };
    reply.verbatim("txt", text.as_bytes());
    Ok(Effect::none())
}

/// What the samples say, and what to look at.
fn report(all: &[(&'static str, Series)], now_s: i64) -> String {
    let mut text = String::from("Latency spikes are observed in this rkv instance.\n\n");
    for (number, (event, series)) in all.iter().enumerate() {
        let count = series.samples.len().max(1) as u64;
        let average = series.samples.iter().map(|sample| sample.took_ms).sum::<u64>() / count;
        let deviation = series.samples.iter().map(|sample| sample.took_ms.abs_diff(average)).sum::<u64>() / count;
        let span_s = series.samples.front().map_or(0, |first| now_s.saturating_sub(first.at_s).max(1));
        // A String takes whatever is written.
        let _ = writeln!(
            text,
            "{}. {event}: {count} latency spikes (average {average}ms, mean deviation {deviation}ms, period {:.2} sec). \
             Worst all time event {}ms.",
            number + 1,
            span_s as f64 / count as f64,
            series.longest_ms,
        );
    }
    text.push_str("\nWhat to look at:\n\n");
    for (event, advice) in [
        ("command", "- SLOWLOG GET names commands that take long. Many of them walk through large keys.\n"),
        ("fast-command", "- Quick commands waited: other programs may take the processor, or the machine swaps.\n"),
        ("eviction-cycle", "- Memory is full: raise maxmemory, or store fewer or smaller values.\n"),
    ] {
        if all.iter().any(|(name, _)| *name == event) {
            text.push_str(advice);
        }
    }
    text
}

fn series(context: &Context<'_, '_>, event: &[u8]) -> Option<Series> {
    context.store.observed.latency.series(event)
}

fn graph(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let event = args.word(2);
    let name = String::from_utf8_lossy(event);
    let Some(series) = series(context, event) else {
        return Err(Error::text(format!("ERR No samples available for event '{name}'")));
    };
    let text = drawn(&name, &series, context.now_ms().div_euclid(1000));
    reply.verbatim("txt", text.as_bytes());
    Ok(Effect::none())
}

/// A column for each sample, four signs high, and below it how long ago that was.
fn drawn(name: &str, series: &Series, now_s: i64) -> String {
    const ROWS: u64 = 4;
    let took = || series.samples.iter().map(|sample| sample.took_ms);
    let (low, high) = (took().min().unwrap_or(0), took().max().unwrap_or(0));
    let mut text = format!("{name} - high {high} ms, low {low} ms (all time high {} ms)\n", series.longest_ms);
    text.push_str(&"-".repeat(80));
    text.push('\n');
    let level = |ms: u64| ((ms - low) * (ROWS * 2 - 1)).checked_div(high - low).unwrap_or(0);
    for row in (0..ROWS).rev() {
        text.extend(took().map(|ms| match level(ms) {
            level if level / 2 > row => '|',
            level if level / 2 == row && level % 2 == 1 => '#',
            level if level / 2 == row => '_',
            _ => ' ',
        }));
        text.push('\n');
    }
    let ages: Vec<String> = series.samples.iter().map(|sample| age(now_s.saturating_sub(sample.at_s))).collect();
    let lines = ages.iter().map(String::len).max().unwrap_or(0);
    for line in 0..lines {
        text.push('\n');
        text.extend(ages.iter().map(|age| age.chars().nth(line).unwrap_or(' ')));
    }
    text.push('\n');
    text
}

fn age(seconds: i64) -> String {
    match seconds.max(0) {
        seconds @ 0..60 => format!("{seconds}s"),
        seconds @ 60..3600 => format!("{}m", seconds / 60),
        seconds @ 3600..86_400 => format!("{}h", seconds / 3600),
        seconds => format!("{}d", seconds / 86_400),
    }
}

fn help(_: &mut Context<'_, '_>, _: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let lines = [
        "DOCTOR",
        "    Report on slow events in words.",
        "GRAPH <event>",
        "    Draw the samples of an event.",
        "HISTORY <event>",
        "    Tell the samples of an event: Unix time and milliseconds.",
        "LATEST",
        "    Tell of all events the last sample and the longest.",
        "RESET [<event> ...]",
        "    Forget the samples of some events, or of all.",
        "HISTOGRAM [<command> ...]",
        "    Tell how many calls of some commands, or of all, took up to 1, 2, 4 ... microseconds.",
    ];
    subcommand::help("LATENCY", &lines, reply);
    Ok(Effect::none())
}

fn histogram(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let (table, stats) = (&context.store.table, &context.store.observed.commands);
    let mut chosen: Vec<&Command> = Vec::new();
    for name in args.from(2) {
        let name = name.to_ascii_lowercase();
        match table.full_named(&name) {
            Some(command) if command.row.handler.is_none() || !table.subcommands(command).is_empty() => {
                chosen.push(command);
                chosen.extend(table.subcommands(command));
            }
            found => chosen.extend(found),
        }
    }
    if args.from(2).is_empty() {
        chosen.extend(table.all());
    }
    let known = chosen.iter().filter_map(|command| Some((command, stats.of(command.id)?.histogram()?)));
    let known: Vec<_> = known.collect();
    reply.map(known.len());
    for (command, histogram) in known {
        reply.bulk(command.full_name().as_bytes());
        reply.map(2);
        reply.bulk(b"calls");
        reply.integer(histogram.calls() as i64);
        reply.bulk(b"histogram_usec");
        let powers = histogram.by_powers_us();
        reply.map(powers.len());
        for (power_us, calls) in powers {
            reply.integer(power_us as i64);
            reply.integer(calls as i64);
        }
    }
    Ok(Effect::none())
}

fn history(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let series = series(context, args.word(2)).unwrap_or_default();
    reply.array(series.samples.len());
    for sample in series.samples {
        reply.array(2);
        reply.integer(sample.at_s);
        reply.integer(sample.took_ms as i64);
    }
    Ok(Effect::none())
}

fn latest(context: &mut Context<'_, '_>, _: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let all = context.store.observed.latency.all();
    reply.array(all.len());
    for (event, series) in all {
        let last = series.samples.back();
        reply.array(6);
        reply.bulk(event.as_bytes());
        reply.integer(last.map_or(0, |last| last.at_s));
        reply.integer(last.map_or(0, |last| last.took_ms as i64));
        reply.integer(series.longest_ms as i64);
        reply.integer(series.samples.iter().map(|sample| sample.took_ms as i64).sum());
        reply.integer(series.samples.len() as i64);
    }
    Ok(Effect::none())
}

fn reset(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let latency = &context.store.observed.latency;
    let forgotten = match args.from(2) {
        [] => latency.reset(),
        events => events.iter().filter(|event| latency.forget(event)).count(),
    };
    reply.integer(forgotten as i64);
    Ok(Effect::none())
}
