//! The rows as text.

use std::fmt::Write as _;
use std::process::Command;

use crate::figures::{Figure, Row};
use crate::known;

fn verdict(figure: &Figure) -> &'static str {
    match (figure.breaks_limit(), figure.misses_target(), figure.target_shown() == "none") {
        (true, ..) => "FAIL",
        (false, true, _) => "MISS",
        (.., true) => "-",
        _ => "ok",
    }
}

/// One line per figure, for a terminal.
pub(crate) fn lines(row: &Row) -> String {
    let place = format!("{} | {}", row.transporter, row.scenario);
    let mut text = String::new();
    for figure in &row.figures {
        let (shown, target) = (figure.shown(), figure.target_shown());
        let _ = writeln!(text, "{place} | {} | {shown} | {target} | {}", figure.name, verdict(figure));
    }
    if let Some(why) = &row.broken {
        let _ = writeln!(text, "{place} | BROKEN: {why}");
    }
    if !row.reasons.is_empty() {
        let _ = writeln!(text, "{place} | failures: {}", row.reasons);
    }
    text
}

/// How many figures there were.
pub(crate) fn total(rows: &[Row]) -> String {
    let figures = || rows.iter().flat_map(|row| &row.figures);
    let count = |of: &str| figures().filter(|figure| verdict(figure) == of).count();
    format!(
        "{} scenarios, {} figures with a target: {} meet it, {} miss it. {} limits are broken",
        rows.len(),
        figures().count() - count("-"),
        count("ok"),
        count("MISS"),
        count("FAIL")
    )
}

/// The document for `docs/faults.md`: a table for each scenario.
pub(crate) fn document(rows: &[Row], how: &str) -> String {
    let mut text = String::from(
        "# Faults\n\n\
         `scripts/faults --write` generates this page. It breaks real servers and worker processes, \
         while calls are made at a fixed rate, even if earlier calls have not been answered.\n\n\
         - A call has a deadline of 2 s.\n\
         - Nodes send a heartbeat every second. Over a message server, a node is considered dead after \
         3 s of silence.\n\
         - \"Never settled\" is counted 3 s after the deadline.\n\
         - A figure in **bold** misses its target.\n\n",
    );
    let date = Command::new("date").args(["-u", "+%Y-%m-%d"]).output();
    let date = date.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    let versions = std::env::var("FAULTS_VERSIONS").unwrap_or_default();
    let _ = writeln!(
        text,
        "Date: {}. ligand {}, built without optimisation. {versions} {how}\n{}.",
        date.unwrap_or_default(),
        env!("CARGO_PKG_VERSION"),
        total(rows)
    );
    let mut scenarios: Vec<&str> = Vec::new();
    for row in rows {
        if !scenarios.contains(&row.scenario) {
            scenarios.push(row.scenario);
        }
    }
    for scenario in scenarios {
        let rows: Vec<_> = rows.iter().filter(|row| row.scenario == scenario).collect();
        let _ = write!(text, "\n## {}\n\n{}", capital(scenario), story(scenario));
        table(&mut text, &rows);
    }
    explained(&mut text, rows);
    text
}

fn story(scenario: &str) -> &'static str {
    match scenario {
        "server stopped" => {
            "The server is stopped by SIGTERM and started again at once, under 100 calls a second to \
             two workers.\n"
        }
        "server killed" => {
            "The server is killed by SIGKILL and started again 4 s later, under the same load.\n"
        }
        "restarts" => {
            "The server is restarted at least five times, including the two restarts above.\n\
             Subscriptions are those that the server reports: Kafka reports none, Mosquitto only their \
             sum. Connections are the sockets of the server's port.\n"
        }
        "rolling restart" => {
            "Three workers are stopped by SIGTERM and started again under the same names, one after the \
             other.\n\
             The load is 500 calls a second of 20 ms each, without retries, with a deadline of 10 s.\n"
        }
        "worker frozen" => {
            "One of three workers is frozen by SIGSTOP and continued by SIGCONT later. The load is the \
             same, with a deadline of 2 s.\n\n\
             - Over a message server, the worker is considered dead after 3 s of silence, which is \
             checked every second. Calls that go to it until then fail at their deadline.\n\
             - Over TCP, the worker is not considered dead while its connections exist. They exist as \
             long as the operating system accepts what the worker does not read. The table shows this \
             as \"never\".\n\
             - Detecting a frozen worker over TCP, and detecting it sooner over a message server, is \
             future work.\n"
        }
        "worker killed" => {
            "One of three workers is killed by SIGKILL, under the same load.\n\
             Over TCP, the operating system closes its connections, so the caller notices at once. A \
             message server does not report it, so the worker is considered dead after 3 s of silence.\n"
        }
        _ => "",
    }
}

fn table(text: &mut String, rows: &[&Row]) {
    let mut heads: Vec<(&str, String)> = Vec::new();
    for figure in rows.iter().flat_map(|row| &row.figures) {
        if !heads.iter().any(|(name, _)| *name == figure.name) {
            heads.push((figure.name, figure.target_shown()));
        }
    }
    let _ = write!(text, "\n| |");
    rows.iter().for_each(|row| {
        let _ = write!(text, " {} |", row.transporter);
    });
    let _ = writeln!(text, " target |\n|---|{}---|", "---|".repeat(rows.len()));
    for (name, target) in heads {
        let _ = write!(text, "| {name} |");
        for row in rows {
            let figure = row.figures.iter().find(|figure| figure.name == name);
            let shown = figure.map_or_else(|| "n/a".to_owned(), cell);
            let _ = write!(text, " {shown} |");
        }
        let target = if target == "none" { "" } else { target.as_str() };
        let _ = writeln!(text, " {target} |");
    }
}

fn cell(figure: &Figure) -> String {
    match verdict(figure) {
        "MISS" | "FAIL" => format!("**{}**", figure.shown()),
        _ => figure.shown(),
    }
}

fn explained(text: &mut String, rows: &[Row]) {
    let mut lines = Vec::new();
    for row in rows {
        for figure in row.figures.iter().filter(|figure| figure.breaks_limit()) {
            if let Some(known) = known::entry(row, figure.name) {
                lines
                    .push(format!("- {}, {}, {}: {}", row.transporter, row.scenario, figure.name, known.why));
            }
        }
    }
    if !lines.is_empty() {
        let _ = writeln!(text, "\n## Broken limits that are understood\n\n{}", lines.join("\n"));
    }
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}
