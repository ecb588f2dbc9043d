//! Documents against the tests and the code that they name.

mod conformance_table;
mod long_lines;
mod protocol;
