//! Nothing: the snippets are in `tests/` and `src/bin/`.
