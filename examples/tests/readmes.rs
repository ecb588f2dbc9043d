//! What the examples say of themselves can be read at a glance.
#![forbid(unsafe_code)]

#[test]
fn no_readme_of_an_example_has_more_than_40_lines() {
    for (name, text) in [
        ("hello", include_str!("../hello/README.md")),
        ("node_interop", include_str!("../node_interop/README.md")),
        ("orders", include_str!("../orders/README.md")),
        ("ride_sharing", include_str!("../ride_sharing/README.md")),
    ] {
        let lines = text.lines().count();
        assert!(lines <= 40, "the README of {name} has {lines} lines");
    }
}
