//! The command line.

use clap::{Parser, ValueEnum};
use std::time::Duration;

use super::cluster::World;
use super::money::Cents;

/// Places one order with a saga over several services, and shows what each of them does.
#[derive(Debug, Parser)]
#[command(name = "orders")]
pub(crate) struct Cli {
    /// Who orders (1 to 3)
    #[arg(long, default_value_t = 1)]
    pub(crate) user: u32,
    /// What is ordered (1 to 3)
    #[arg(long, default_value_t = 1)]
    pub(crate) product: u32,
    /// How many pieces
    #[arg(long, default_value_t = 2)]
    pub(crate) quantity: u32,
    /// The step of the saga that fails
    #[arg(long, value_name = "STEP")]
    fail: Option<Step>,
    /// How long the customer waits for the answer
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = duration)]
    pub(crate) timeout: Duration,
    /// How long the bank takes for a charge
    #[arg(long, value_name = "TIME", default_value = "0ms", value_parser = duration)]
    bank: Duration,
    /// How long an order is processed after the answer; stopping waits for it for at most 5 s
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = duration)]
    processing: Duration,
    /// How the nodes reach each other
    #[arg(long, value_name = "URL", default_value = "memory://orders")]
    transporter: String,
}

/// A step of the saga.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Step {
    /// The warehouse is empty
    Reserve,
    /// The card has no money
    Payment,
    /// The order book is full
    Order,
}

impl Cli {
    /// The world in which the chosen step fails.
    pub(crate) fn world(&self) -> World {
        let fails = |step| self.fail == Some(step);
        World {
            transporter: self.transporter.clone(),
            pieces: if fails(Step::Reserve) { 0 } else { 10 },
            card_limit: if fails(Step::Payment) { Cents(0) } else { Cents(1_000_000) },
            room: if fails(Step::Order) { 0 } else { 1_000 },
            bank: self.bank,
            processing: self.processing,
        }
    }
}

/// `500ms` or `2s`.
fn duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let number: u64 =
        number.parse().map_err(|_| "write a whole number and `ms` or `s`, as in `500ms`".to_owned())?;
    match unit {
        "ms" => Ok(Duration::from_millis(number)),
        "s" => Ok(Duration::from_secs(number)),
        _ => Err("write `ms` or `s` after the number, as in `500ms`".to_owned()),
    }
}
