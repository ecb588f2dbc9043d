//! `hello`, once and twice.
#![forbid(unsafe_code)]

mod support;

use support::{Running, program, run};

#[tokio::test]
async fn hello_alone_greets_and_ends() {
    let ended = run(program("hello"), "").await;
    assert_eq!(ended.out, "Welcome Ada!\nHello Bob!\n");
    assert_eq!((ended.err.as_str(), ended.code), ("", Some(0)));
}

#[test]
fn hello_is_the_25_lines_of_the_readme_beside_what_two_of_them_say() {
    let source = include_str!("../hello/main.rs");
    let lines =
        source.lines().filter(|line| !line.contains("meet")).skip_while(|line| !line.starts_with("use"));
    let readme = include_str!("../../README.md").lines().skip_while(|line| *line != "```rust").skip(1);
    let readme: Vec<&str> = readme.take_while(|line| *line != "```").collect();
    assert_eq!(lines.collect::<Vec<_>>(), readme);
    assert_eq!(readme.len(), 25);
}

#[tokio::test]
#[cfg(unix)]
async fn two_hellos_find_each_other_by_udp_and_call_each_other() {
    let hello = |node: &str| {
        let mut hello = program("hello");
        hello.env("LIGAND_NODE_ID", node);
        hello.env("LIGAND_NAMESPACE", format!("hello-{}", std::process::id()));
        let loopback = "udpBindAddress=127.0.0.1&udpMulticastTTL=0&bind=127.0.0.1&useHostname=false";
        hello.env("LIGAND_TRANSPORTER", format!("tcp://?{loopback}"));
        Running::start(hello)
    };
    let (mut ada, mut bob) = (hello("ada"), hello("bob"));
    for (hello, me, other) in [(&mut ada, "ada", "bob"), (&mut bob, "bob", "ada")] {
        assert_eq!(hello.line().await, "Welcome Ada!");
        assert_eq!(hello.line().await, "Hello Bob!");
        assert_eq!(hello.line().await, format!("{me} looks for others, Ctrl-C to leave"));
        assert_eq!(hello.line().await, format!("{other} says: Hello {me}!"));
    }
    assert!(ada.stop("INT").await.success());
    assert!(bob.stop("INT").await.success());
}
