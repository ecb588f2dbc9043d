//! `ride_sharing` from end to end: what it prints, and its exit code.
#![forbid(unsafe_code)]

// The tests of the parts that only decide are beside them. An example's own tests would not run.
#[allow(dead_code, reason = "only its tests are used")]
#[path = "../ride_sharing/payment/bank.rs"]
mod bank;
#[path = "../ride_sharing/database.rs"]
mod database;
#[allow(dead_code, reason = "only its tests are used")]
#[path = "../ride_sharing/events.rs"]
mod events;
#[allow(dead_code, reason = "only its tests are used")]
#[path = "../ride_sharing/app/flow.rs"]
mod flow;
#[allow(dead_code, reason = "only its tests are used")]
#[path = "../ride_sharing/app/input.rs"]
mod input;
#[path = "support/rides.rs"]
mod rides;
mod support;
#[allow(dead_code, reason = "only its tests are used")]
#[path = "../ride_sharing/ride/tariff.rs"]
mod tariff;
#[path = "../ride_sharing/user/mod.rs"]
mod user;

use std::net::TcpListener;

use ligand::ServiceBroker;
use rides::{PAID_AND_DECLINED, assert_complete, golden, paid_and_declined, rides, some};
use sqlx::Connection as _;
use support::{Running, run};
use user::{UserError, UserStore, Users, UsersClient};

/// How often an event was seen, and from which nodes.
fn count<'a>(out: &'a str, event: &str) -> (usize, Vec<&'a str>) {
    let line = out.lines().find(|line| line.split_whitespace().next() == Some(event));
    let mut words = line.unwrap_or_else(|| panic!("no `{event}` in:\n{out}")).split_whitespace().skip(1);
    let sum = words.next().and_then(|sum| sum.parse().ok()).expect("the sum follows the event");
    (sum, words.step_by(2).collect())
}

#[tokio::test]
async fn without_arguments_the_sample_runs_and_ends_by_itself() {
    let ended = run(rides(&[]), "").await;
    assert_complete(&ended);
    let expected = "\
120 rides from the bundled sample: 115 paid, 5 declined, 0 incomplete
rideRequested 120 rides-1 120
rideAccepted 120 rides-1 120
paymentSuccess 115 payments-1 115
paymentFailed 5 payments-1 5
rideCancelled 5 rides-1 5
notificationSent 120 notifications-1 120
from request to notification: median T ms, slowest T ms; all within T s
every flow was complete: each event once, in order, under one request id
";
    assert_eq!(golden(&ended.out), expected);
}

/// In a terminal, which `script` of util-linux gives it.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_terminal_shows_how_many_rides_are_done() {
    use std::process::Stdio;
    for (input, has_bar) in [(some(50), true), (some(2), false)] {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&file, input).unwrap();
        let rides = rides(&[]);
        let command =
            format!("'{}' --input '{}'", rides.as_std().get_program().display(), file.path().display());
        let mut terminal = tokio::process::Command::new("script");
        terminal.args(["--quiet", "--return", "--command", &command, "/dev/null"]).env("TERM", "xterm");
        terminal.stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let ended = run(terminal, "").await;
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert!(ended.out.contains("every flow was complete"), "{}", ended.out);
        assert_eq!(ended.out.contains("rides in "), has_bar, "{}", ended.out);
    }
}

#[tokio::test]
async fn few_rides_get_a_timeline_and_a_declined_payment_cancels_and_notifies() {
    let ended = run(rides(&["--input", "-", "--in-flight", "1"]), &paid_and_declined()).await;
    assert_complete(&ended);
    assert_eq!(golden(&ended.out), PAID_AND_DECLINED);
}

#[tokio::test]
async fn with_three_replicas_each_event_still_comes_once() {
    let ended = run(rides(&["--replicas", "3"]), "").await;
    assert_complete(&ended);
    let sums = [
        ("rideRequested", 120),
        ("rideAccepted", 120),
        ("paymentSuccess", 115),
        ("paymentFailed", 5),
        ("rideCancelled", 5),
        ("notificationSent", 120),
    ];
    for (event, sum) in sums {
        let (seen, nodes) = count(&ended.out, event);
        assert_eq!(seen, sum, "{event}");
        assert!(seen < 100 || nodes.len() == 3, "{event} came from {nodes:?} only");
    }
}

#[tokio::test]
async fn bad_lines_are_reported_with_their_number_and_the_rest_goes_through() {
    let input = format!("not json\n{}{{\"rider\":\"Jun\"}}\n\n{}", some(1), some(1));
    let ended = run(rides(&["--input", "-"]), &input).await;
    let expected = "\
line 1 skipped: expected ident (column 2)
line 3 skipped: missing field `from` (column 15)
";
    assert_eq!(ended.err, expected);
    assert!(ended.out.contains(
        "2 rides from standard input: 2 paid, 0 declined, 0 incomplete\n2 lines of the input skipped\n"
    ));
    assert!(ended.out.contains("(line 2, ") && ended.out.contains("(line 5, "));
    assert_eq!(ended.code, Some(0));
}

#[tokio::test]
async fn rides_are_read_from_a_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("rides.jsonl");
    std::fs::write(&path, paid_and_declined()).unwrap();
    let path = path.display().to_string();
    let ended = run(rides(&["--input", &path, "--in-flight", "1"]), "").await;
    assert_complete(&ended);
    assert_eq!(golden(&ended.out), PAID_AND_DECLINED.replace("standard input", &path));
}

/// What SQLite says of a file that it can neither open nor make.
const CANNOT_OPEN: &str = "error returned from database: (code: 14) unable to open database file";

#[tokio::test]
async fn what_cannot_run_says_why() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    std::fs::write(&file, "").unwrap();
    let blocked = directory.path().join("blocked");
    std::fs::create_dir_all(blocked.join("users.db")).unwrap();
    let [file, blocked, absent] =
        [file, blocked, directory.path().join("absent")].map(|path| path.display().to_string());
    let cannot_use = |directory: &str, why: &str| {
        format!(
            "cannot use the database `{directory}/users.db`: {why} \
             (the directory has to be one that this user can write to)"
        )
    };
    let no_directory = cannot_use(&file, "File exists (os error 17)");
    let no_file = cannot_use(&blocked, CANNOT_OPEN);
    let not_writable = cannot_use("/proc", CANNOT_OPEN);
    let cases: &[(&[&str], &str)] = &[
        (&["--input", &absent], "absent`: No such file or directory (os error 2) (`--input -` reads"),
        (&["--input", "-"], "there is no ride to run: standard input has no line that could be used"),
        (&["--database", &file], &no_directory),
        (&["--database", &blocked], &no_file),
        // Nobody can make a file there, not even root.
        #[cfg(target_os = "linux")]
        (&["--database", "/proc"], &not_writable),
        (&["--role", "users"], "`--role` needs `--database DIR`"),
        (&["--role", "drivers"], "possible values: users, rides, payments, notifications, app"),
        (&["--transporter", "pigeon://"], "unknown transporter scheme `pigeon`"),
        (&["--replicas", "9"], "9 is not in 1..=8"),
    ];
    for (arguments, expected) in cases {
        let ended = run(rides(arguments), "").await;
        assert!(ended.err.contains(expected), "{arguments:?} said:\n{}", ended.err);
        assert_eq!((ended.out.as_str(), ended.code), ("", Some(2)), "{arguments:?}");
    }
}

#[tokio::test]
async fn another_bus_and_databases_in_files_work_alike_and_a_second_run_finds_its_users() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().display().to_string();
    for first in [1, 4] {
        let arguments =
            ["--input", "-", "--transporter", "memory://", "--database", &path, "--replicas", "2"];
        let ended = run(rides(&arguments), &some(3)).await;
        assert_complete(&ended);
        assert!(ended.out.contains(&format!("ride {first}, ")), "{}", ended.out);
    }
    for service in ["users", "rides", "payments", "notifications"] {
        assert!(directory.path().join(format!("{service}.db")).exists());
    }
    let statuses = texts(&format!("{path}/rides.db"), "SELECT status FROM rides").await;
    assert_eq!(statuses, ["paid"; 6]);
    for hash in texts(&format!("{path}/users.db"), "SELECT password_hash FROM users").await {
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
    }
}

/// The texts that a query finds.
async fn texts(database: &str, query: &str) -> Vec<String> {
    let mut database = sqlx::SqliteConnection::connect(database).await.unwrap();
    sqlx::query_scalar(query).fetch_all(&mut database).await.unwrap()
}

#[tokio::test]
async fn users_register_once_and_log_in_with_their_password_only() {
    let database = database::open(None, "users", UserStore::TABLES).await.unwrap();
    let broker = ServiceBroker::builder().service(Users::new(UserStore(database))).build().unwrap();
    broker.start().await.unwrap();
    let users = UsersClient::new(&broker);
    let (name, password, wrong) = ("Mina".to_owned(), "right".to_owned(), "wrong".to_owned());
    users.register(name.clone(), password.clone()).await.unwrap();

    let taken = users.register(name.clone(), wrong.clone()).await.unwrap_err();
    assert!(matches!(taken.service(), Some(UserError::NameTaken { name }) if name == "Mina"));
    for (name, password) in [(name.clone(), wrong), ("Nobody".to_owned(), password.clone())] {
        let refused = users.login(name, password).await.unwrap_err();
        assert!(matches!(refused.service(), Some(UserError::WrongPassword)));
        assert!(refused.error().code().is_some_and(|code| *code == 401));
    }
    let token = users.login(name.clone(), password).await.unwrap();
    assert_eq!(users.whois(token).await.unwrap(), name);
    let unknown = users.whois("made up".to_owned()).await.unwrap_err();
    assert!(matches!(unknown.service(), Some(UserError::UnknownSession)));
    broker.stop().await.unwrap();
}

#[tokio::test]
#[cfg(unix)]
async fn each_role_runs_in_a_process_of_its_own() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().display().to_string();
    let port = five_free_ports().to_string();
    let mut services = Vec::new();
    for role in ["users", "rides", "payments", "notifications"] {
        let mut service = Running::start(rides(&["--role", role, "--database", &path, "--port", &port]));
        assert_eq!(service.line().await, format!("{role}-1 runs until Ctrl-C"));
        services.push(service);
    }
    let ended =
        run(rides(&["--role", "app", "--input", "-", "--in-flight", "1", "--port", &port]), &some(1)).await;
    assert_complete(&ended);
    let expected = "\
ride 1, Jun (line 1, request ID)
before users-1 login
T ms rides-1 rideRequested $14.31 for Jun
T ms rides-1 rideAccepted Dami drives
T ms payments-1 paymentSuccess $14.31
T ms notifications-1 notificationSent \"Dami is on the way, $14.31 paid\"

1 ride from standard input: 1 paid, 0 declined, 0 incomplete
";
    assert!(golden(&ended.out).starts_with(expected), "{}", golden(&ended.out));
    for service in services {
        assert!(service.stop("TERM").await.success());
    }
}

#[tokio::test]
async fn a_killed_replica_leaves_its_ride_incomplete_and_the_others_go_on() {
    let ended = run(rides(&["--kill", "--input", "-", "--patience", "3"]), &some(6)).await;
    assert_eq!((ended.err.as_str(), ended.code), ("", Some(1)), "{}", ended.out);
    assert!(
        ended.out.contains("6 rides from standard input: 5 paid, 0 declined, 1 incomplete\n"),
        "{}",
        ended.out
    );
    for (event, sum) in
        [("rideRequested", 6), ("rideAccepted", 6), ("paymentSuccess", 5), ("notificationSent", 5)]
    {
        assert_eq!(summed(&ended.out, event), sum, "{event}");
    }
    let mut last = ended.out.lines().rev();
    let problem = last.next().unwrap_or_default();
    let expected = "ride 3 (line 3, Do-yun) is incomplete: without paymentSuccess, notificationSent, \
                    the last was rideAccepted from rides-";
    assert!(problem.starts_with(expected), "{problem}");
    let killed = last.next().unwrap_or_default();
    assert!(killed.starts_with("payments-") && killed.ends_with(" was killed"), "{killed}");
}

/// As [`count`], of the summary below the timelines.
fn summed(out: &str, event: &str) -> usize {
    count(out.rsplit("\n\n").next().unwrap_or(out), event).0
}

/// The first of five ports in a row that nobody listens on, below those that the operating system hands out.
fn five_free_ports() -> u16 {
    let start = (std::process::id() % 500) as u16;
    let mut groups = (0..500).map(|step| 30_000 + (start + step) % 500 * 5);
    let is_free = |first: &u16| (0..5).all(|port| TcpListener::bind(("127.0.0.1", first + port)).is_ok());
    groups.find(is_free).expect("five ports in a row are free")
}
