//! TLS.

use super::{BOOL, COUNT, PORT};
use crate::config::option::{ConfigOption, Kind, TEXT, known, supported};

const AUTH_CLIENTS: Kind = Kind::Enum(&[("no", 0), ("yes", 1), ("optional", 2)]);
const AUTH_USER: Kind = Kind::Enum(&[("CN", 1), ("URI", 2), ("off", 0)]);

pub(super) const ROWS: &[ConfigOption] = &[
    supported("tls-port", PORT, "0"),
    known("tls-cluster", BOOL, "no"),
    known("tls-replication", BOOL, "no"),
    supported("tls-auth-clients", AUTH_CLIENTS, "yes"),
    supported("tls-auth-clients-user", AUTH_USER, "off"),
    supported("tls-auto-reload-interval", COUNT, "0"),
    supported("tls-cert-file", TEXT, ""),
    supported("tls-key-file", TEXT, ""),
    supported("tls-key-file-pass", TEXT, "").sensitive(),
    known("tls-client-cert-file", TEXT, ""),
    known("tls-client-key-file", TEXT, ""),
    known("tls-client-key-file-pass", TEXT, "").sensitive(),
    supported("tls-dh-params-file", TEXT, ""),
    supported("tls-ca-cert-file", TEXT, ""),
    supported("tls-ca-cert-dir", TEXT, ""),
    supported("tls-protocols", TEXT, ""),
    supported("tls-ciphers", TEXT, ""),
    supported("tls-ciphersuites", TEXT, ""),
    supported("tls-prefer-server-ciphers", BOOL, "no"),
    supported("tls-session-caching", BOOL, "yes"),
    known("tls-session-cache-size", COUNT, "20480"),
    known("tls-session-cache-timeout", COUNT, "300"),
];
