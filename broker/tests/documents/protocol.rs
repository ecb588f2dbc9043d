//! `docs/protocol.md` is cited by chapter all over the repository. Here it is made sure that each chapter that
//! is cited exists, that links lead somewhere, and that what the document shows of captured packets is what
//! was captured.

use serde_json::{Deserializer, Value};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

const DOCUMENT: &str = "docs/protocol.md";

/// Folders that hold nothing that anybody here has written.
const PASSED_OVER: [&str; 4] = [".git", "target", "node_modules", "vectors"];

/// Lists of requirements and tests that are not in this repository. What their rows mean is said in words.
const LISTS_ELSEWHERE: [&str; 6] = ["H", "RT", "RF", "PT", "S", "F"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Every text of the repository, by its path from the root.
fn texts() -> Vec<(String, String)> {
    let (mut texts, mut folders) = (Vec::new(), vec![root()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() {
                if !PASSED_OVER.contains(&name.as_str()) {
                    folders.push(path);
                }
                continue;
            }
            let written = match path.extension() {
                Some(kind) => ["rs", "md", "js", "toml", "yaml", "sh"].iter().any(|known| kind == *known),
                None => true,
            };
            // What is not UTF-8 is no text.
            if let (true, Ok(text)) = (written, fs::read_to_string(&path)) {
                let path = path.strip_prefix(root()).unwrap().to_string_lossy().into_owned();
                texts.push((path, text));
            }
        }
    }
    texts.sort();
    texts
}

// ===== headings =====

/// The headings of a document, without those within blocks of code.
fn headings(document: &str) -> impl Iterator<Item = &str> {
    let mut code = false;
    document.lines().filter_map(move |line| {
        code ^= line.starts_with("```");
        let heading = line.trim_start_matches('#');
        (!code && heading.len() < line.len()).then(|| heading.strip_prefix(' ')).flatten()
    })
}

/// What a heading is called in a link.
fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    kept.map(|c| if c == ' ' { '-' } else { c.to_ascii_lowercase() }).collect()
}

/// What can be cited: numbers of chapters, and the quirks of one of them.
fn citable(document: &str) -> BTreeSet<String> {
    let chapters = headings(document).filter_map(|heading| {
        let number = heading.split(' ').next()?.trim_end_matches('.');
        number.starts_with(|first: char| first.is_ascii_digit()).then(|| number.to_owned())
    });
    let quirks = document.lines().filter_map(|line| {
        let name = line.strip_prefix("| ")?.split(' ').next()?;
        is_of_list(name, "Q").then(|| name.to_owned())
    });
    chapters.chain(quirks).collect()
}

/// Whether a word is a letter or two of a list and a number.
fn is_of_list(word: &str, list: &str) -> bool {
    word.strip_prefix(list).is_some_and(|number| {
        (1..=3).contains(&number.len()) && number.bytes().all(|byte| byte.is_ascii_digit())
    })
}

// ===== citations =====

/// A line without what makes it a comment.
fn without_comment(line: &str) -> &str {
    line.trim_start().trim_start_matches(['/', '!', '#', '*']).trim_start()
}

/// The chapters that a text cites, each with its line, counted from one.
///
/// A citation is the word "chapter" or "chapters" and numbers, separated by commas, words or dashes. It may go
/// on in the next line.
fn citations(text: &str) -> Vec<(usize, String)> {
    let lines: Vec<_> = text.lines().collect();
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let lower = line.to_ascii_lowercase();
        for (from, _) in lower.match_indices("chapter") {
            let next = lines.get(at + 1).map_or("", |next| without_comment(next));
            let rest = format!("{} {next}", &line[from..]);
            let rest = &rest["chapter".len()..];
            let rest = rest.strip_prefix('s').unwrap_or(rest);
            if let Some(rest) = rest.strip_prefix(' ') {
                found.extend(numbers(rest).into_iter().map(|number| (at + 1, number)));
            }
        }
    }
    found
}

/// The numbers that a text begins with: `5.4, 7 and 8.1`, `4.3–4.6`, `13.2, Q1`.
fn numbers(mut text: &str) -> Vec<String> {
    let mut numbers = Vec::new();
    loop {
        text = text.trim_start();
        let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '.')).unwrap_or(text.len());
        let word = text[..end].trim_end_matches('.');
        let is_number = word.starts_with(|first: char| first.is_ascii_digit());
        if !(is_number || !numbers.is_empty() && is_of_list(word, "Q")) {
            return numbers;
        }
        numbers.push(word.to_owned());
        text = text[word.len()..].trim_start();
        let separator = [",", "–", "-", "and ", "to ", "or "].iter().find(|sign| text.starts_with(**sign));
        match separator {
            Some(sign) => text = &text[sign.len()..],
            None => return numbers,
        }
        // `13.2, and 14`
        text = text.trim_start();
        text = text.strip_prefix("and ").unwrap_or(text);
    }
}

#[test]
fn every_chapter_that_is_cited_is_there() {
    let citable = citable(&read(DOCUMENT));
    let (mut wrong, mut count) = (Vec::new(), 0);
    for (path, text) in texts() {
        for (line, number) in citations(&text) {
            count += 1;
            if !citable.contains(&number) {
                wrong.push(format!("{path}:{line}: cites {number}, which {DOCUMENT} does not have"));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    assert!(count > 100, "only {count} citations were found: is the search broken?");
}

#[test]
fn citations_are_found_in_every_form_and_in_their_line() {
    let chapter = "chapter";
    for (text, expected) in [
        (format!("//! Frames (protocol {chapter} 4.2). No clock."), vec![(1, "4.2")]),
        (format!("a\n/// {chapter}s 5.4, 7 and 8.1.\n"), vec![(2, "5.4"), (2, "7"), (2, "8.1")]),
        (format!("// see {chapter}\n    // 13.2, Q17)"), vec![(1, "13.2"), (1, "Q17")]),
        (format!("// {chapter}s 9.3 to\n// 9.5"), vec![(1, "9.3"), (1, "9.5")]),
        (format!("{chapter} 4.3–4.6 and 5.4, with"), vec![(1, "4.3"), (1, "4.6"), (1, "5.4")]),
        (format!("{chapter} 4.5, items 2–5"), vec![(1, "4.5")]),
        (format!("[{chapter} 15](#15-captured) lists"), vec![(1, "15")]),
        (format!("a {chapter} about numbers, {chapter}s, and 7 of them"), vec![]),
    ] {
        let found = citations(&text);
        let found: Vec<_> = found.iter().map(|(line, number)| (*line, number.as_str())).collect();
        assert_eq!(found, expected, "{text}");
    }
    let document = "# T\n## 1. A\n### 1.2 B: c\n```text\n# 1.3 D\n```\n| Q1 | x |\n| Quick | y |\n";
    assert_eq!(citable(document), ["1", "1.2", "Q1"].map(String::from).into());
    assert_eq!(anchor("2.9 PING and PONG"), "29-ping-and-pong");
    assert_eq!(anchor("14. The `$node` service"), "14-the-node-service");
}

// ===== links =====

/// The targets of links, each with its line.
fn links(document: &str) -> impl Iterator<Item = (usize, &str)> {
    document.lines().enumerate().flat_map(|(at, line)| {
        line.split("](").skip(1).filter_map(move |rest| Some((at + 1, rest.split_once(')')?.0)))
    })
}

/// Why a link of a document in `folder` leads nowhere.
fn broken(folder: &str, document: &str, link: &str) -> Option<String> {
    let (path, name) = link.split_once('#').map_or((link, None), |(path, name)| (path, Some(name)));
    let target = match path {
        "" => None,
        path => Some(root().join(folder).join(path)),
    };
    if let Some(target) = target.as_ref().filter(|target| !target.exists()) {
        return Some(format!("there is no {}", target.display()));
    }
    let name = name?;
    let text = target.map_or_else(|| document.to_owned(), |target| fs::read_to_string(target).unwrap());
    let known = headings(&text).any(|heading| anchor(heading) == name);
    (!known).then(|| format!("{} has no heading #{name}", if path.is_empty() { DOCUMENT } else { path }))
}

#[test]
fn every_link_from_and_to_the_document_leads_somewhere() {
    let (mut wrong, mut count) = (Vec::new(), 0);
    for (path, text) in texts().iter().filter(|(path, _)| path.ends_with(".md")) {
        let folder = Path::new(path).parent().unwrap().to_string_lossy();
        for (line, link) in links(text) {
            let is_ours = path == DOCUMENT || link.split('#').next().unwrap().ends_with("protocol.md");
            if is_ours && !link.contains("://") {
                count += 1;
                wrong.extend(broken(&folder, text, link).map(|why| format!("{path}:{line}: {why}")));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    assert!(count > 50, "only {count} links were found: is the search broken?");
}

#[test]
fn links_that_lead_nowhere_are_found() {
    let document = "# A b\n[x](#a-b) [y](protocol.md#2-packets)\n";
    assert_eq!(links(document).collect::<Vec<_>>(), [(2, "#a-b"), (2, "protocol.md#2-packets")]);
    for (link, leads) in [
        ("#a-b", true),
        ("#a-c", false),
        ("protocol.md", true),
        ("protocol.md#2-packets", true),
        ("protocol.md#2-parcels", false),
        ("none.md", false),
    ] {
        assert_eq!(broken("docs", document, link).is_none(), leads, "{link}");
    }
}

// ===== packets =====

/// Whether a value is somewhere within another one. An object may leave members out.
fn occurs(shown: &Value, captured: &Value) -> bool {
    let within = match captured {
        Value::Array(items) => items.iter().any(|item| occurs(shown, item)),
        Value::Object(members) => members.values().any(|member| occurs(shown, member)),
        _ => false,
    };
    within || is_part(shown, captured)
}

fn is_part(shown: &Value, captured: &Value) -> bool {
    match (shown, captured) {
        (Value::Object(shown), Value::Object(captured)) => shown
            .iter()
            .all(|(key, value)| captured.get(key).is_some_and(|captured| is_part(value, captured))),
        _ => shown == captured,
    }
}

fn values(text: &str) -> Vec<Value> {
    let values = Deserializer::from_str(text).into_iter().collect::<Result<_, _>>();
    values.unwrap_or_else(|error| panic!("{error}: {text:.80}"))
}

#[test]
fn what_is_shown_of_captured_packets_is_what_was_captured() {
    let document = read(DOCUMENT);
    let mut pieces = document.split("```json\n");
    let mut before = pieces.next().unwrap();
    let mut count = 0;
    for piece in pieces {
        let (block, behind) = piece.split_once("```").unwrap();
        // The file is the one that was named last.
        let (_, link) = links(before).last().expect("no file is named in front of a packet");
        let captured = values(&read(&format!("docs/{link}")));
        for shown in values(block) {
            count += 1;
            assert!(captured.iter().any(|captured| occurs(&shown, captured)), "{link} has no {shown:.200}");
        }
        before = behind;
    }
    assert!(count > 30, "only {count} packets were found: is the search broken?");
}

#[test]
fn a_packet_that_was_not_captured_is_found() {
    let captured = values(r#"{"topic":"x","payload":{"a":[1,{"b":null,"c":2}],"d":"e"}}"#);
    for (shown, there) in [
        (r#"{"a":[1,{"b":null,"c":2}],"d":"e"}"#, true),
        (r#"{"c":2}"#, true),
        (r#"{"c":3}"#, false),
        (r#"{"f":1}"#, false),
        (r#"{"a":[1]}"#, false),
    ] {
        assert_eq!(occurs(&values(shown)[0], &captured[0]), there, "{shown}");
    }
}

// ===== names of lists =====

/// Rows of lists that nobody here can look up, in what is written for people, each with its line.
fn rows_elsewhere(path: &str, text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let prose = match path.rsplit_once('.').map(|(_, kind)| kind) {
            Some("md") => Some(line),
            Some("rs" | "js") => line.split_once("//").map(|(_, comment)| comment),
            _ => line.split_once('#').map(|(_, comment)| comment),
        };
        let words = prose.unwrap_or("").split(|c: char| !(c.is_alphanumeric() || c == '_'));
        let rows = words.filter(|word| LISTS_ELSEWHERE.iter().any(|list| is_of_list(word, list)));
        found.extend(rows.map(|row| (at + 1, row.to_owned())));
    }
    found
}

#[test]
fn nothing_is_named_by_the_row_of_a_list_that_is_not_here() {
    let wrong: Vec<_> = texts()
        .iter()
        .flat_map(|(path, text)| {
            let rows = rows_elsewhere(path, text).into_iter();
            rows.map(move |(line, row)| format!("{path}:{line}: {row}: say in words what that is"))
        })
        .collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn rows_of_lists_are_found_in_comments_and_documents() {
    let (row, other) = (["H", "15"].concat(), ["RT", "9"].concat());
    assert_eq!(rows_elsewhere("a.rs", &format!("let {row} = 1; // {other}.")), [(1, other.clone())]);
    assert_eq!(rows_elsewhere("a.md", &format!("\n({row})")), [(2, row.clone())]);
    assert_eq!(rows_elsewhere("scripts/x", &format!("{row} # {other}")), [(1, other)]);
    assert_eq!(rows_elsewhere("a.md", "HTTP2, H, 15, Hx15, 0xF3"), []);
}
