//! The Python extension `rkv._rkv`.
