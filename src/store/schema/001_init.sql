-- The tables of a store. Names of sources, destinations, routes, providers and verdicts are
-- written once in `names`; everything else is in its row. States and results are the numbers of
-- the enums in model.h. Times are milliseconds since 1970 UTC.

CREATE TABLE meta (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    store_id INTEGER NOT NULL,     -- binds the journal to this file; 0: a copy, not opened yet
    dedupe_seed BLOB NOT NULL,
    applied_lsn INTEGER NOT NULL,  -- journal records before this are in the tables
    max_id INTEGER NOT NULL,
    events INTEGER NOT NULL,
    rejected INTEGER NOT NULL,
    pending INTEGER NOT NULL,
    claimed INTEGER NOT NULL,
    delivered INTEGER NOT NULL,
    dead INTEGER NOT NULL,
    skipped INTEGER NOT NULL,
    cancelled INTEGER NOT NULL
);

CREATE TABLE names (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
);

CREATE TABLE events (
    id INTEGER PRIMARY KEY,
    received_ms INTEGER NOT NULL,
    source INTEGER NOT NULL,
    provider INTEGER NOT NULL,
    verdict INTEGER NOT NULL,
    flags INTEGER NOT NULL,
    type TEXT NOT NULL,
    dedupe_key TEXT NOT NULL,
    verdict_text TEXT NOT NULL,
    method TEXT NOT NULL,
    target TEXT NOT NULL,
    peer TEXT NOT NULL,
    body_hash BLOB NOT NULL,
    trace TEXT NOT NULL,
    head TEXT NOT NULL,
    body BLOB NOT NULL
);

CREATE TABLE deliveries (
    id INTEGER PRIMARY KEY,
    event_id INTEGER NOT NULL,
    destination INTEGER NOT NULL,
    route INTEGER NOT NULL,
    order_key INTEGER NOT NULL,
    state INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    created_ms INTEGER NOT NULL,
    next_ms INTEGER NOT NULL,
    settled_ms INTEGER NOT NULL,
    reason TEXT NOT NULL
);
CREATE INDEX deliveries_by_event ON deliveries (event_id);
-- What is due, by destination; only what waits is in it.
CREATE INDEX deliveries_due ON deliveries (destination, next_ms) WHERE state = 0;
-- Everything but the delivered: the claimed, the waiting and the dead are found without a scan.
CREATE INDEX deliveries_by_state ON deliveries (state) WHERE state <> 2;
-- The heads of the ordered ones.
CREATE INDEX deliveries_in_order ON deliveries (destination, order_key)
    WHERE order_key <> 0 AND state < 2;

CREATE TABLE attempts (
    delivery_id INTEGER NOT NULL,
    number INTEGER NOT NULL,
    result INTEGER NOT NULL,
    started_ms INTEGER NOT NULL,
    duration_us INTEGER NOT NULL,
    status INTEGER NOT NULL,
    error_class TEXT NOT NULL,
    summary TEXT NOT NULL,
    request TEXT NOT NULL,
    response BLOB NOT NULL,
    timing TEXT NOT NULL,
    PRIMARY KEY (delivery_id, number)
) WITHOUT ROWID;

-- The last thousand requests that were refused.
CREATE TABLE rejections (
    id INTEGER PRIMARY KEY,
    received_ms INTEGER NOT NULL,
    source TEXT NOT NULL,
    verdict TEXT NOT NULL,
    verdict_text TEXT NOT NULL,
    method TEXT NOT NULL,
    target TEXT NOT NULL,
    peer TEXT NOT NULL,
    head TEXT NOT NULL,
    body BLOB NOT NULL
);

-- Keys of the open bucket as they came; of closed buckets, sorted into parts (dedupe.h).
CREATE TABLE dedupe_run (
    id INTEGER PRIMARY KEY,
    until_ms INTEGER NOT NULL,
    entries BLOB NOT NULL
);
CREATE TABLE dedupe_bucket (
    id INTEGER PRIMARY KEY,
    until_ms INTEGER NOT NULL,
    bloom BLOB NOT NULL
);
CREATE TABLE dedupe_part (
    id INTEGER PRIMARY KEY, -- bucket * 512 + part
    entries BLOB NOT NULL
);

-- For people who look inside.
CREATE VIEW event_log AS
    SELECT e.id, datetime(e.received_ms / 1000, 'unixepoch') AS received, s.name AS source,
           v.name AS verdict, e.type, e.dedupe_key, length(e.body) AS body_bytes
    FROM events e JOIN names s ON s.id = e.source JOIN names v ON v.id = e.verdict;
CREATE VIEW delivery_log AS
    SELECT d.id, d.event_id, n.name AS destination, r.name AS route,
           CASE d.state WHEN 0 THEN 'pending' WHEN 1 THEN 'claimed' WHEN 2 THEN 'delivered'
                        WHEN 3 THEN 'dead' WHEN 4 THEN 'skipped' ELSE 'cancelled' END AS state,
           d.attempts, datetime(d.next_ms / 1000, 'unixepoch') AS next, d.reason
    FROM deliveries d JOIN names n ON n.id = d.destination JOIN names r ON r.id = d.route;
