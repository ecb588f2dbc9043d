async fn total(broker: ligand::ServiceBroker) -> ligand::Result<()> {
    let _total = broker.call("orders.total", ligand::Empty {}).await?;
    Ok(())
}

fn main() {}
