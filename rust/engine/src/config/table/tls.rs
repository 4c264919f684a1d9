//! TLS.

use super::{BOOL, COUNT, PORT};
use crate::config::option::{ConfigOption, Kind, TEXT, known};

const AUTH_CLIENTS: Kind = Kind::Enum(&[("no", 0), ("yes", 1), ("optional", 2)]);
const AUTH_USER: Kind = Kind::Enum(&[("CN", 1), ("URI", 2), ("off", 0)]);

pub(super) const ROWS: &[ConfigOption] = &[
    known("tls-port", PORT, "0"),
    known("tls-cluster", BOOL, "no"),
    known("tls-replication", BOOL, "no"),
    known("tls-auth-clients", AUTH_CLIENTS, "yes"),
    known("tls-auth-clients-user", AUTH_USER, "off"),
    known("tls-auto-reload-interval", COUNT, "0"),
    known("tls-cert-file", TEXT, ""),
    known("tls-key-file", TEXT, ""),
    known("tls-key-file-pass", TEXT, "").sensitive(),
    known("tls-client-cert-file", TEXT, ""),
    known("tls-client-key-file", TEXT, ""),
    known("tls-client-key-file-pass", TEXT, "").sensitive(),
    known("tls-dh-params-file", TEXT, ""),
    known("tls-ca-cert-file", TEXT, ""),
    known("tls-ca-cert-dir", TEXT, ""),
    known("tls-protocols", TEXT, ""),
    known("tls-ciphers", TEXT, ""),
    known("tls-ciphersuites", TEXT, ""),
    known("tls-prefer-server-ciphers", BOOL, "no"),
    known("tls-session-caching", BOOL, "yes"),
    known("tls-session-cache-size", COUNT, "20480"),
    known("tls-session-cache-timeout", COUNT, "300"),
];
