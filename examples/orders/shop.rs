//! The customer: places one order, waits for the answer, and reads the books afterwards.

use ligand::ErrorKind;
use std::pin::pin;

use super::cli::Cli;
use super::cluster::{BoxError, Cluster};
use super::inventory::InventoryClient;
use super::orders::{OrdersClient, Placed};
use super::output::Output;
use super::payments::PaymentsClient;

/// Places the order. Returns whether that succeeded. Ctrl-C stops the node of the order service while it
/// runs.
pub(crate) async fn visit(cluster: &Cluster, cli: &Cli, output: &Output) -> Result<bool, BoxError> {
    let shop = &cluster.shop;
    output.line("shop", format_args!("user {} orders {} of product {}", cli.user, cli.quantity, cli.product));
    let placing = OrdersClient::new(shop).place(cli.user, cli.product, cli.quantity).timeout(cli.timeout);
    let mut placing = pin!(placing.into_future());
    let answer = tokio::select! {
        answer = &mut placing => answer,
        interrupted = tokio::signal::ctrl_c() => {
            interrupted?;
            output.line("shop", "interrupted: the node of the orders stops");
            let (answer, stopped) = tokio::join!(placing, cluster.orders.stop());
            stopped?;
            answer
        }
    };
    if let Ok(Placed { message, order }) = &answer {
        output.line(
            "shop",
            format_args!("{message}: {}, {} for {}", order.order_id, order.total_price, order.user),
        );
    }
    // Waits for the remaining work of the order service: processing an order, or undoing steps.
    cluster.orders.stop().await?;
    match &answer {
        Ok(_) => {}
        // Both nodes check the deadline. Either of them may report it.
        Err(error) if error.kind() == ErrorKind::RequestTimeout => {
            output.line("shop", format_args!("nothing ordered: no answer within {:?}", cli.timeout));
        }
        Err(error) => output.line("shop", format_args!("nothing ordered: {error}")),
    }
    let left = InventoryClient::new(shop).stock(cli.product).await?;
    let taken = PaymentsClient::new(shop).taken().await?;
    output.line("shop", format_args!("in the end {left} are in stock and {taken} was taken"));
    Ok(answer.is_ok())
}
