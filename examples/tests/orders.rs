//! The example `orders`, end to end: as a process with golden outputs, and service by service.
#![allow(clippy::disallowed_methods, reason = "a test ends with all its tasks and threads")]

#[path = "../orders/inventory.rs"]
mod inventory;
#[path = "../orders/ledger.rs"]
mod ledger;
#[path = "../orders/money.rs"]
mod money;
#[path = "../orders/orders.rs"]
mod orders;
#[path = "../orders/output.rs"]
mod output;
#[path = "../orders/payments.rs"]
mod payments;
#[path = "../orders/products.rs"]
mod products;
#[path = "../orders/saga.rs"]
mod saga;
#[path = "../orders/underway.rs"]
mod underway;
#[path = "../orders/users.rs"]
mod users;

use inventory::{Inventory, InventoryClient, InventoryError};
use ligand::{Context, ErrorKind, IntoServiceDef, ServiceBroker, ServiceDef};
use money::Cents;
use orders::{Order, Orders, OrdersClient, Placed};
use output::Output;
use payments::{PaymentError, Payments, PaymentsClient};
use products::Products;
use saga::{Compensation, Journal, Saga};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tokio::sync::{Barrier, watch};
use tokio::task::JoinHandle;
use underway::Underway;
use users::Users;

const README: &str = include_str!("../orders/README.md");

const PLACED: &str = "\
shop       user 1 orders 2 of product 1
orders     order-1: 2 x Keyboard for Ada Lovelace, 179.80
inventory  holds 2 of product 1 for order-1
payments   asks the bank for 179.80 of user 1, key order-1
payments   179.80 charged as payment-1
orders     order-1 is in the book
orders     order-1 is being processed
shop       Order placed successfully: order-1, 179.80 for Ada Lovelace
orders     order-1 is processed
shop       in the end 8 are in stock and 179.80 was taken
";

const NOT_RESERVED: &str = "\
shop       user 1 orders 2 of product 1
orders     order-1: 2 x Keyboard for Ada Lovelace, 179.80
inventory  2 of product 1 are wanted, 0 are left
shop       nothing ordered: 2 of product 1 are wanted, 0 are left
shop       in the end 0 are in stock and 0.00 was taken
";

const NOT_PAID: &str = "\
shop       user 1 orders 2 of product 1
orders     order-1: 2 x Keyboard for Ada Lovelace, 179.80
inventory  holds 2 of product 1 for order-1
payments   asks the bank for 179.80 of user 1, key order-1
payments   the card was declined: 179.80 is above its limit of 0.00
orders     undo inventory.release {\"orderId\":\"order-1\"}
inventory  released 2 for order-1
shop       nothing ordered: the card was declined: 179.80 is above its limit of 0.00
shop       in the end 10 are in stock and 0.00 was taken
";

const NOT_IN_THE_BOOK: &str = "\
shop       user 1 orders 2 of product 1
orders     order-1: 2 x Keyboard for Ada Lovelace, 179.80
inventory  holds 2 of product 1 for order-1
payments   asks the bank for 179.80 of user 1, key order-1
payments   179.80 charged as payment-1
orders     no room in the book for order-1
orders     undo payments.refund {\"key\":\"order-1\"}
payments   refunded 179.80, key order-1
orders     undo inventory.release {\"orderId\":\"order-1\"}
inventory  released 2 for order-1
shop       nothing ordered: the order book is full: it has room for 0 orders
shop       in the end 10 are in stock and 0.00 was taken
";

const GIVEN_UP: &str = "\
shop       user 1 orders 2 of product 1
orders     order-1: 2 x Keyboard for Ada Lovelace, 179.80
inventory  holds 2 of product 1 for order-1
payments   asks the bank for 179.80 of user 1, key order-1
orders     undo payments.refund {\"key\":\"order-1\"}
payments   refunded 0.00, key order-1
orders     undo inventory.release {\"orderId\":\"order-1\"}
inventory  released 2 for order-1
shop       nothing ordered: no answer within 3s
shop       in the end 10 are in stock and 0.00 was taken
";

const INTERRUPTED: &str = "\
shop       user 1 orders 2 of product 1
orders     order-1: 2 x Keyboard for Ada Lovelace, 179.80
inventory  holds 2 of product 1 for order-1
payments   asks the bank for 179.80 of user 1, key order-1
shop       interrupted: the node of the orders stops
orders     undo payments.refund {\"key\":\"order-1\"}
payments   refunded 0.00, key order-1
orders     undo inventory.release {\"orderId\":\"order-1\"}
inventory  released 2 for order-1
shop       nothing ordered: the service is stopping, and nothing was ordered
shop       in the end 10 are in stock and 0.00 was taken
";

const UNKNOWN_PRODUCT: &str = "\
shop       user 1 orders 2 of product 9
shop       nothing ordered: there is no product 9
shop       in the end 0 are in stock and 0.00 was taken
";

#[test]
fn an_order_is_answered_at_once_and_processed_later() {
    assert_eq!(run(&[]), (PLACED.to_owned(), String::new(), 0));
    assert!(README.contains(PLACED), "the README shows another output");
}

#[test]
fn a_step_that_fails_undoes_those_before_it_newest_first() {
    for (step, expected) in [("reserve", NOT_RESERVED), ("payment", NOT_PAID), ("order", NOT_IN_THE_BOOK)] {
        assert_eq!(run(&["--fail", step]), (expected.to_owned(), String::new(), 1), "--fail {step}");
    }
    assert!(README.contains(NOT_IN_THE_BOOK), "the README shows another output");
}

#[test]
fn a_caller_that_gives_up_in_mid_saga_leaves_nothing_behind() {
    let ended = run(&["--timeout", "3s", "--bank", "60s"]);
    assert_eq!(ended, (GIVEN_UP.to_owned(), String::new(), 1));
}

#[test]
fn an_unknown_product_is_told_as_such_and_touches_nothing() {
    assert_eq!(run(&["--product", "9"]), (UNKNOWN_PRODUCT.to_owned(), String::new(), 1));
}

#[cfg(unix)]
#[test]
fn a_graceful_stop_in_mid_saga_undoes_its_steps_before_the_process_ends() {
    let mut process = Process::start(&["--bank", "60s"]);
    process.read_until("asks the bank");
    let told = Command::new("kill").args(["-INT", &process.child.id().to_string()]).status().unwrap();
    assert!(told.success());
    assert_eq!(process.end(), (INTERRUPTED.to_owned(), String::new(), 1));
}

#[tokio::test]
async fn user_and_product_are_looked_up_at_the_same_time() {
    // Each lookup waits for the other one: one after the other would never end.
    let both = Arc::new(Barrier::new(2));
    let meet = |answer: Value| {
        let both = Arc::clone(&both);
        move |_: Context, _: Value| {
            let (both, answer) = (Arc::clone(&both), answer.clone());
            async move {
                both.wait().await;
                Ok::<_, ligand::Error>(answer)
            }
        }
    };
    let users = ServiceDef::builder("users").action("get", meet(json!({ "id": 7, "name": "Ada" })));
    let products =
        ServiceDef::builder("products").action("get", meet(json!({ "id": 2, "name": "Pen", "price": 250 })));
    let shop = Shop::open(users, products, Duration::ZERO).await;

    let order = OrdersClient::new(&shop.broker).place(7, 2, 3).await.unwrap().order;

    assert_eq!((order.user.as_str(), order.product.as_str(), order.total_price), ("Ada", "Pen", Cents(750)));
    shop.broker.stop().await.unwrap();
}

#[tokio::test]
async fn an_order_keeps_the_names_and_is_found_again() {
    let shop = Shop::usual(Duration::ZERO).await;
    let placed = OrdersClient::new(&shop.broker).place(2, 3, 3).await.unwrap();
    let Order { order_id, user, product, total_price, .. } = placed.order;
    assert_eq!((user.as_str(), product.as_str(), total_price), ("Grace Hopper", "Monitor", Cents(95_700)));
    shop.log.until("is processed").await;
    assert!(OrdersClient::new(&shop.broker).get(order_id).await.unwrap().processed);
    shop.broker.stop().await.unwrap();
}

#[tokio::test]
async fn nothing_is_ordered_of_zero_pieces_or_without_the_products() {
    let shop = Shop::usual(Duration::ZERO).await;
    let orders = OrdersClient::new(&shop.broker);
    assert_eq!(orders.place(1, 1, 0).await.unwrap_err().error_type(), Some("BAD_QUANTITY"));
    assert!(shop.broker.remove("products").await);
    assert_eq!(orders.place(1, 1, 1).await.unwrap_err().kind(), ErrorKind::ServiceNotAvailable);
    assert_eq!(shop.log.text(), "");
    shop.broker.stop().await.unwrap();
}

#[tokio::test]
async fn a_dropped_call_leaves_nothing_behind() {
    let shop = Shop::usual(Duration::from_secs(60)).await;
    let call = shop.call_at_the_bank().await;
    call.abort();
    shop.log.until("released 2 for order-1").await;
    assert_eq!(shop.books().await, (10, Cents(0)));
    shop.broker.stop().await.unwrap();
}

#[tokio::test]
async fn a_stop_waits_for_sagas_whose_caller_has_gone() {
    let shop = Shop::usual(Duration::from_secs(60)).await;
    let call = shop.call_at_the_bank().await;
    call.abort();
    shop.broker.stop().await.unwrap();
    assert!(shop.log.text().ends_with("released 2 for order-1\n"), "{}", shop.log.text());
}

#[tokio::test]
async fn a_stop_lets_a_quick_saga_finish() {
    let shop = Shop::usual(Duration::from_millis(200)).await;
    let call = shop.call_at_the_bank().await;
    shop.broker.stop().await.unwrap();
    assert_eq!(call.await.unwrap().unwrap().order.order_id, "order-1");
}

#[tokio::test]
async fn two_payments_with_one_key_charge_once() {
    let shop = Shop::usual(Duration::from_millis(50)).await;
    let payments = PaymentsClient::new(&shop.broker);
    let charge = || payments.charge("cart-1".to_owned(), 1, Cents(500));

    let (first, second) = tokio::try_join!(charge(), charge()).unwrap();
    let third = charge().await.unwrap();
    let other = payments.charge("cart-1".to_owned(), 1, Cents(700)).await.unwrap_err();

    assert_eq!((&first, &first), (&second, &third));
    assert!(matches!(other.service(), Some(PaymentError::KeyReused { charged: Cents(500), .. })), "{other}");
    assert_eq!(shop.books().await, (10, Cents(500)));
    let asks = "payments   asks the bank for 5.00 of user 1, key cart-1\n";
    let before = "payments   charged before, as payment-1\n";
    let expected = format!(
        "{asks}{asks}payments   5.00 charged as payment-1\n{before}{asks}{before}\
         payments   asks the bank for 7.00 of user 1, key cart-1\n\
         payments   the key cart-1 was used for a charge of 5.00, not of 7.00\n"
    );
    assert_eq!(shop.log.text(), expected);
    shop.broker.stop().await.unwrap();
}

#[tokio::test]
async fn an_undo_may_come_twice_and_before_what_it_undoes() {
    let shop = Shop::usual(Duration::ZERO).await;
    let payments = PaymentsClient::new(&shop.broker);
    payments.charge("a".to_owned(), 1, Cents(500)).await.unwrap();
    assert_eq!(payments.refund("a".to_owned()).await.unwrap(), Cents(500));
    assert_eq!(payments.refund("a".to_owned()).await.unwrap(), Cents(0));

    assert_eq!(payments.refund("b".to_owned()).await.unwrap(), Cents(0));
    let late = payments.charge("b".to_owned(), 1, Cents(500)).await.unwrap_err();
    assert!(matches!(late.service(), Some(PaymentError::Refunded { .. })), "{late}");

    let inventory = InventoryClient::new(&shop.broker);
    assert_eq!(inventory.release("b".to_owned()).await.unwrap(), 0);
    let late = inventory.reserve("b".to_owned(), 1, 2).await.unwrap_err();
    assert!(matches!(late.service(), Some(InventoryError::Released { .. })), "{late}");
    assert_eq!(shop.books().await, (10, Cents(0)));
    shop.broker.stop().await.unwrap();
}

#[tokio::test]
async fn an_undo_that_fails_is_tried_again_and_the_older_ones_still_run() {
    let tries = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&tries);
    let shaky = ServiceDef::builder("shaky").action("undo", move |_: Context, _: Value| {
        let result = match count.fetch_add(1, Ordering::Relaxed) {
            0 | 1 => Err(ligand::Error::retryable(503, "LATER", "try again")),
            _ => Ok(()),
        };
        async move { result }
    });
    let broker = ServiceBroker::builder().service(shaky).build().unwrap();
    broker.start().await.unwrap();
    let (journal, log) = (Journal::default(), Log::default());
    let saga = Saga::new("order-1".to_owned(), journal.clone(), Output::new(log.clone()));
    let missing = Compensation::new("nobody.undo", json!({ "step": 2 }));
    saga.step(Compensation::new("shaky.undo", json!({ "step": 1 })), async { Ok::<_, ligand::Error>(()) })
        .await
        .unwrap();
    saga.step(missing.clone(), async { Ok::<_, ligand::Error>(()) }).await.unwrap();

    saga.undo(&broker).await;

    assert_eq!(tries.load(Ordering::Relaxed), 3);
    // What cannot be undone stays in the journal, as data.
    let noted = serde_json::to_string(&journal.noted()["order-1"]).unwrap();
    assert_eq!(serde_json::from_str::<Vec<Compensation>>(&noted).unwrap(), [missing]);
    assert!(log.text().contains("could not nobody.undo"), "{}", log.text());
    broker.stop().await.unwrap();
}

#[tokio::test]
async fn a_saga_that_panics_is_undone_too() {
    let (log, undone) = (Log::default(), Arc::new(AtomicU32::new(0)));
    let sagas = Arc::new(Underway::new(Output::new(log.clone())));
    let (open, count) = (Arc::clone(&sagas), Arc::clone(&undone));
    let host = ServiceDef::builder("host")
        .action("undo", move |_: Context, _: Value| {
            count.fetch_add(1, Ordering::Relaxed);
            async { Ok::<_, ligand::Error>(()) }
        })
        .started(move |cx| {
            open.open(cx);
            async { Ok::<_, ligand::Error>(()) }
        });
    let broker = ServiceBroker::builder().service(host).build().unwrap();
    broker.start().await.unwrap();

    let ended: ligand::Result<()> = sagas
        .run("order-1".to_owned(), |saga| async move {
            saga.step(Compensation::new("host.undo", json!({})), async { Ok::<_, ligand::Error>(()) })
                .await?;
            panic!("a mistake in a step");
        })
        .await;

    assert_eq!(ended.unwrap_err().error_type(), Some("PANICKED"));
    assert_eq!(undone.load(Ordering::Relaxed), 1);
    sagas.settle().await.unwrap();
    broker.stop().await.unwrap();
}

/// All services on one node, and what they print.
struct Shop {
    broker: ServiceBroker,
    log: Log,
}

impl Shop {
    async fn usual(bank: Duration) -> Self {
        Self::open(Users::new(), Products::new(), bank).await
    }

    async fn open(users: impl IntoServiceDef, products: impl IntoServiceDef, bank: Duration) -> Self {
        let log = Log::default();
        let output = Output::new(log.clone());
        let broker = ServiceBroker::builder()
            .service(users)
            .service(products)
            .service(Inventory::new(10, output.clone()))
            .service(Payments::new(Cents(1_000_000), bank, output.clone()))
            .service(Orders::new(100, Duration::ZERO, output))
            .build()
            .unwrap();
        broker.start().await.unwrap();
        Self { broker, log }
    }

    /// A call that has got as far as the payment.
    async fn call_at_the_bank(&self) -> JoinHandle<ligand::Result<Placed>> {
        let client = self.broker.clone();
        let call = tokio::spawn(async move { OrdersClient::new(&client).place(1, 1, 2).await });
        self.log.until("asks the bank").await;
        call
    }

    /// Pieces in stock of product 1, and money taken.
    async fn books(&self) -> (u32, Cents) {
        let (inventory, payments) = (InventoryClient::new(&self.broker), PaymentsClient::new(&self.broker));
        (inventory.stock(1).await.unwrap(), payments.taken().await.unwrap())
    }
}

/// What was printed, and a way to wait for more.
#[derive(Clone)]
struct Log(watch::Sender<String>);

impl Default for Log {
    fn default() -> Self {
        Self(watch::Sender::new(String::new()))
    }
}

impl Log {
    fn text(&self) -> String {
        self.0.borrow().clone()
    }

    async fn until(&self, part: &str) {
        let mut lines = self.0.subscribe();
        let seen = lines.wait_for(|text| text.contains(part));
        let seen = tokio::time::timeout(Duration::from_secs(20), seen).await.is_ok();
        assert!(seen, "`{part}` was never printed:\n{}", self.text());
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.send_modify(|text| text.push_str(&String::from_utf8_lossy(bytes)));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The example as a process of its own, killed if the test leaves it.
struct Process {
    child: Child,
    output: BufReader<std::process::ChildStdout>,
    read: String,
}

#[test]
fn logs_have_colours_in_a_terminal_only() {
    let logged = Command::new(program()).env("LIGAND_LOG", "info").output().unwrap();
    let logged = String::from_utf8(logged.stderr).unwrap();
    assert!(logged.contains(" INFO ") && !logged.contains('\x1b'), "{logged}");
}

/// What it printed, what it complained about, and its exit code.
type Ended = (String, String, i32);

fn run(arguments: &[&str]) -> Ended {
    Process::start(arguments).end()
}

impl Process {
    fn start(arguments: &[&str]) -> Self {
        let mut child = Command::new(program())
            .args(arguments)
            .env_remove("LIGAND_LOG")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        Self { child, output, read: String::new() }
    }

    fn read_until(&mut self, part: &str) {
        while !self.read.contains(part) {
            let read = self.output.read_line(&mut self.read).unwrap();
            assert!(read > 0, "`{part}` was never printed:\n{}", self.read);
        }
    }

    fn end(mut self) -> Ended {
        self.output.read_to_string(&mut self.read).unwrap();
        let mut errors = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
        let code = self.child.wait().unwrap().code().unwrap_or(-1);
        (std::mem::take(&mut self.read), errors, code)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It has ended already unless the test failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The example, which `cargo test` builds beside the tests; with `--test orders` alone it does not.
fn program() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let folder = test.parent().and_then(|deps| deps.parent()).unwrap();
    let program = folder.join("examples").join(format!("orders{}", std::env::consts::EXE_SUFFIX));
    let built = program.metadata().and_then(|program| program.modified());
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("orders").read_dir().unwrap();
    let sources =
        sources.map(|file| file.unwrap().path()).filter(|path| path.extension() == Some("rs".as_ref()));
    let changed = sources.map(|source| source.metadata().unwrap().modified().unwrap()).max().unwrap();
    let fresh = built.is_ok_and(|built| built >= changed);
    assert!(fresh, "build the example first: cargo build -p ligand-examples --example orders");
    program
}
