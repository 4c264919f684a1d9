"""The differential test: random sequences of commands get the same replies from rkv and from real servers.

`usage` makes words from what COMMAND DOCS says about a command, `sequences` makes sequences of them, `replies` says
which part of a reply depends on time or chance, `differences` lists the differences that are meant.
"""
