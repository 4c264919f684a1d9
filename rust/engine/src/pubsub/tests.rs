use super::*;
use crate::client::{NoWake, Origin};

fn link(id: u64) -> Arc<Link> {
    Arc::new(Link::new(id, Origin::embedded(), 0, Arc::new(NoWake)))
}

fn words(link: &Link) -> Vec<Vec<String>> {
    let texts = |frame: &Frame| frame.words().map(|word| String::from_utf8_lossy(word).into_owned()).collect();
    link.take_mail()
        .into_iter()
        .filter_map(|message| match message {
            Message::Frame(frame) => Some(texts(&frame)),
            _ => None,
        })
        .collect()
}

#[test]
fn a_message_reaches_who_listens_to_its_channel_or_a_pattern() {
    let pubsub = PubSub::default();
    let (one, two) = (link(1), link(2));
    let mut woken = Vec::new();
    assert_eq!(pubsub.publish(Kind::Channel, b"news", b"nobody", &mut woken), 0);
    pubsub.subscribe(&one, Kind::Channel, b"news");
    pubsub.subscribe(&one, Kind::Pattern, b"n*");
    pubsub.subscribe(&two, Kind::Shard, b"news");
    assert_eq!(pubsub.publish(Kind::Channel, b"news", b"a", &mut woken), 2);
    assert_eq!(pubsub.publish(Kind::Shard, b"news", b"b", &mut woken), 1);
    assert_eq!(pubsub.publish(Kind::Channel, b"old", b"c", &mut woken), 0);
    // Of two messages the first wakes.
    assert_eq!(woken.iter().map(|link| link.id).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(words(&one), [vec!["message", "news", "a"], vec!["pmessage", "n*", "news", "a"]]);
    assert_eq!(words(&two), [vec!["smessage", "news", "b"]]);
}

#[test]
fn who_goes_leaves_nothing() {
    let pubsub = PubSub::default();
    let links: Vec<_> = (1..100).map(link).collect();
    for kind in [Kind::Channel, Kind::Pattern, Kind::Shard] {
        for link in &links {
            pubsub.subscribe(link, kind, b"one");
            pubsub.subscribe(link, kind, b"two");
        }
        assert_eq!(pubsub.count(kind), 2);
        for link in links.iter().rev() {
            pubsub.unsubscribe(link, kind, b"one");
            pubsub.unsubscribe(link, kind, b"two");
            pubsub.unsubscribe(link, kind, b"three");
        }
        assert_eq!(pubsub.count(kind), 0);
    }
    assert!(links.iter().all(|link| Arc::strong_count(link) == 1));
    assert!(pubsub.stripes.iter().all(|stripe| locked(stripe).names.iter().all(HashMap::is_empty)));
}

#[test]
fn all_see_the_messages_of_a_channel_in_one_order() {
    const MESSAGES: usize = 2000;
    let pubsub = PubSub::default();
    let links: Vec<_> = (1..5).map(link).collect();
    for (number, link) in links.iter().enumerate() {
        let (kind, name): (_, &[u8]) = if number % 2 == 0 { (Kind::Channel, b"news") } else { (Kind::Pattern, b"*") };
        pubsub.subscribe(link, kind, name);
    }
    std::thread::scope(|scope| {
        for author in 0..4 {
            let pubsub = &pubsub;
            scope.spawn(move || {
                for number in 0..MESSAGES {
                    let text = format!("{author} {number}");
                    pubsub.publish(Kind::Channel, b"news", text.as_bytes(), &mut Vec::new());
                }
            });
        }
    });
    let heard: Vec<Vec<String>> =
        links.iter().map(|link| words(link).into_iter().filter_map(|mut message| message.pop()).collect()).collect();
    assert_eq!(heard[0].len(), 4 * MESSAGES);
    assert!(heard.iter().all(|texts| *texts == heard[0]));
}

#[test]
fn who_never_reads_is_forsaken_and_keeps_nothing() {
    let pubsub = PubSub::default();
    pubsub.follow(OutputLimit { hard_bytes: 10_000, soft_bytes: 0, soft_seconds: 0 });
    let reader = link(1);
    pubsub.subscribe(&reader, Kind::Channel, b"news");
    let mut woken = Vec::new();
    for _ in 0..1000 {
        pubsub.publish(Kind::Channel, b"news", &[b'x'; 1000], &mut woken);
        assert!(reader.unread_bytes() <= 10_000);
    }
    assert!(reader.flags.is_flooded.load(Ordering::Relaxed));
    // Once for the first message, once because it is to be closed.
    assert_eq!(woken.len(), 2);
    assert!(reader.take_mail().is_empty());
}
