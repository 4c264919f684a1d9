"""What tests share: real servers to compare with, a client that keeps replies as they came, a reader of Rust sources.

Not a place for assertions about rkv, and nothing here imports rkv: a test that compares must not lean on what it tests.
"""
