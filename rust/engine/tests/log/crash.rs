//! The power goes before every operation of a run: whatever the disk keeps, the log gives a state that was, and none older
//! than what was promised.

use super::power::all_images;

#[test]
fn nothing_is_lost_that_was_durable_when_each_reply_waits_for_the_disk() {
    all_images("always", &[]);
}

#[test]
fn a_second_is_lost_at_most_when_the_disk_is_synced_each_second() {
    all_images("everysec", &[("aof-timestamp-enabled", "yes")]);
}

#[test]
fn states_are_never_mixed_when_nothing_is_synced() {
    all_images("no", &[("aof-use-rdb-preamble", "no")]);
}
