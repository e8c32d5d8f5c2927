//! The rows of the table.

/// What one row asks of a server.
#[derive(Debug)]
pub struct Row {
    /// Its name in the table.
    pub name: &'static str,
    /// What the clients do.
    pub op: &'static str,
    /// The size of an object.
    pub size: &'static str,
    /// Concurrent clients.
    pub clients: u32,
    /// Objects in the row.
    pub keys: u64,
    /// Whether megabytes a second say more than requests a second.
    pub by_bytes: bool,
    /// What the project set out to reach: megabytes a second if `by_bytes`, else requests a second.
    pub reach: Option<f64>,
}

/// Every row, in the order of the table.
pub fn all(quick: bool) -> Vec<Row> {
    let row = |name, op, size, clients, keys| Row { name, op, size, clients, keys, by_bytes: false, reach: None };
    let large = |name, op, size, clients, keys| Row { by_bytes: true, ..row(name, op, size, clients, keys) };
    let reach = |reach, row| Row { reach: Some(reach), ..row };
    // A DELETE row ends with its objects, so they are also its length.
    let deletes = if quick { 2_000 } else { 20_000 };
    // PUT of small objects makes new keys all the time; of large ones it returns to a few, for the disk's sake.
    vec![
        row("PUT 4 KiB, 1 client", "put", "4K", 1, 1_000_000),
        row("PUT 4 KiB, 16 clients", "put", "4K", 16, 1_000_000),
        reach(8_000.0, row("PUT 4 KiB, 64 clients", "put", "4K", 64, 1_000_000)),
        row("GET 4 KiB, 1 client", "get", "4K", 1, 1_000),
        row("GET 4 KiB, 16 clients", "get", "4K", 16, 1_000),
        reach(16_000.0, row("GET 4 KiB, 64 clients", "get", "4K", 64, 1_000)),
        reach(520.0, large("PUT 1 MiB, 16 clients", "put", "1M", 16, 128)),
        reach(1_300.0, large("GET 1 MiB, 16 clients", "get", "1M", 16, 64)),
        reach(700.0, large("PUT 64 MiB, 4 clients", "put", "64M", 4, 8)),
        reach(1_600.0, large("GET 64 MiB, 4 clients", "get", "64M", 4, 4)),
        reach(27_000.0, row("HEAD, 64 clients", "head", "4K", 64, 1_000)),
        reach(500.0, row("LIST, page of 1,000 of 10,000, 1 client", "list", "4K", 1, 10_000)),
        reach(15_000.0, row("DELETE, 64 clients", "delete", "4K", 64, deletes)),
    ]
}
