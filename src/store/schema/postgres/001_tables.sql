-- The tables of a store on PostgreSQL, all in the schema `gaff`. Ids hold their time: 42 bits of
-- milliseconds since 2020, then 21 bits of sequence; so partitions by id are partitions by time.
-- What still waits is in `queue`, which stays as small as the backlog; what has ended is in
-- `deliveries`, which is only ever appended to. Text of the outside world is bytea: it may hold
-- any byte. States and results are the numbers of the enums in model.h.

CREATE TABLE gaff.meta (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    dedupe_seed bytea NOT NULL DEFAULT decode(replace(gen_random_uuid()::text, '-', ''), 'hex')
);
INSERT INTO gaff.meta DEFAULT VALUES;

CREATE TABLE gaff.events (
    id bigint NOT NULL,
    received_ms bigint NOT NULL,
    source text NOT NULL,
    provider text NOT NULL,
    verdict text NOT NULL,
    flags int NOT NULL,
    type bytea NOT NULL,
    dedupe_key bytea NOT NULL,
    body_hash bytea NOT NULL,
    verdict_text bytea NOT NULL,
    method bytea NOT NULL,
    target bytea NOT NULL,
    peer bytea NOT NULL,
    trace bytea NOT NULL,
    head bytea NOT NULL,
    body bytea NOT NULL,
    PRIMARY KEY (id)
) PARTITION BY RANGE (id);
-- Only what asks to be listed is in this index, and in the others of that name.
CREATE INDEX events_listed ON gaff.events (source, id) WHERE (flags & 4) <> 0;

-- Deliveries that have ended.
CREATE TABLE gaff.deliveries (
    id bigint NOT NULL,
    event_id bigint NOT NULL,
    destination text NOT NULL,
    route text NOT NULL,
    order_key bigint NOT NULL,
    state smallint NOT NULL,
    attempts int NOT NULL,
    created_ms bigint NOT NULL,
    next_ms bigint NOT NULL,
    settled_ms bigint NOT NULL,
    reason bytea NOT NULL,
    listed boolean NOT NULL,
    PRIMARY KEY (id)
) PARTITION BY RANGE (id);
CREATE INDEX deliveries_by_event ON gaff.deliveries (event_id);
-- Everything but the delivered.
CREATE INDEX deliveries_by_state ON gaff.deliveries (state, id) WHERE state <> 2;
CREATE INDEX deliveries_listed ON gaff.deliveries (destination, id) WHERE listed;

CREATE TABLE gaff.attempts (
    delivery_id bigint NOT NULL,
    number int NOT NULL,
    result smallint NOT NULL,
    started_ms bigint NOT NULL,
    duration_us bigint NOT NULL,
    status int NOT NULL,
    error_class text NOT NULL,
    summary bytea NOT NULL,
    request bytea NOT NULL,
    response bytea NOT NULL,
    timing bytea NOT NULL,
    id bigint NOT NULL,
    event_id bigint NOT NULL,
    destination text NOT NULL,
    PRIMARY KEY (delivery_id, number)
) PARTITION BY RANGE (delivery_id);
CREATE INDEX attempts_of_destination ON gaff.attempts (destination, id) WHERE id <> 0;
CREATE INDEX attempts_of_event ON gaff.attempts (event_id, id) WHERE id <> 0;

-- Where the server has it, the faster way to make large values small; partitions take it over.
DO $$
BEGIN
    ALTER TABLE gaff.events ALTER COLUMN head SET COMPRESSION lz4,
        ALTER COLUMN body SET COMPRESSION lz4;
    ALTER TABLE gaff.attempts ALTER COLUMN request SET COMPRESSION lz4,
        ALTER COLUMN response SET COMPRESSION lz4;
EXCEPTION WHEN feature_not_supported THEN
    NULL;
END $$;

-- What an id beyond the prepared days falls into, so that no insert can fail for want of a place.
CREATE TABLE gaff.events_default PARTITION OF gaff.events DEFAULT;
CREATE TABLE gaff.deliveries_default PARTITION OF gaff.deliveries DEFAULT;
CREATE TABLE gaff.attempts_default PARTITION OF gaff.attempts DEFAULT;

-- Deliveries that wait or are claimed. `seq` is the order of arrival, whatever the clocks of the
-- nodes say. A claim changes no indexed column, and a page that is filled has room for all of its
-- rows once more: so a claim is a HOT update. `stamp` tells the claims of one call apart, to give
-- them back when its answer was lost.
CREATE SEQUENCE gaff.queue_seq;
CREATE TABLE gaff.queue (
    id bigint PRIMARY KEY,
    event_id bigint NOT NULL,
    destination text NOT NULL,
    route text NOT NULL,
    order_key bigint NOT NULL,
    seq bigint NOT NULL DEFAULT nextval('gaff.queue_seq'),
    state smallint NOT NULL,
    attempts int NOT NULL,
    created_ms bigint NOT NULL,
    next_ms bigint NOT NULL,
    epoch bigint,
    stamp bigint,
    reason bytea NOT NULL,
    listed boolean NOT NULL
) WITH (fillfactor = 45, autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 5000,
        autovacuum_analyze_scale_factor = 0.0, autovacuum_analyze_threshold = 50000,
        autovacuum_vacuum_cost_delay = 0);
CREATE INDEX queue_due ON gaff.queue (destination, next_ms, seq);
CREATE INDEX queue_by_event ON gaff.queue (event_id);
CREATE INDEX queue_in_order ON gaff.queue (destination, order_key, seq) WHERE order_key <> 0;
CREATE INDEX queue_listed ON gaff.queue (destination, id) WHERE listed;

-- Delivery ids of senders: a keyed hash of source and id, and the folded hash of the body.
CREATE TABLE gaff.dedupe (
    key uuid NOT NULL,
    body bigint NOT NULL,
    event_id bigint NOT NULL,
    since_ms bigint NOT NULL,
    until_ms bigint NOT NULL,
    PRIMARY KEY (key, body)
) WITH (fillfactor = 90);
CREATE INDEX dedupe_until ON gaff.dedupe (until_ms);

-- Further keys of events, of which each is there once, whatever was asked for with it.
CREATE TABLE gaff.keys (
    key uuid PRIMARY KEY,
    hash uuid NOT NULL,
    event_id bigint NOT NULL,
    since_ms bigint NOT NULL,
    until_ms bigint NOT NULL
) WITH (fillfactor = 90);
CREATE INDEX keys_until ON gaff.keys (until_ms);

-- Objects made at run time: endpoints, keys, sessions. Ids and names are ordered bytewise.
CREATE SEQUENCE gaff.object_seq;
CREATE TABLE gaff.objects (
    kind text COLLATE "C" NOT NULL,
    id bytea NOT NULL,
    parent bytea NOT NULL,
    name bytea NOT NULL,
    version bigint NOT NULL,
    sequence bigint NOT NULL UNIQUE,
    created_ms bigint NOT NULL,
    updated_ms bigint NOT NULL,
    expires_ms bigint NOT NULL,
    doc bytea NOT NULL,
    PRIMARY KEY (kind, id)
);
CREATE INDEX objects_by_parent ON gaff.objects (kind, parent, id);
CREATE UNIQUE INDEX objects_by_name ON gaff.objects (kind, parent, name) WHERE name <> '';
CREATE INDEX objects_by_expiry ON gaff.objects (expires_ms) WHERE expires_ms > 0;

-- Deletions, for those who follow the changes.
CREATE TABLE gaff.objects_gone (
    sequence bigint PRIMARY KEY,
    kind text COLLATE "C" NOT NULL,
    id bytea NOT NULL,
    parent bytea NOT NULL,
    name bytea NOT NULL,
    gone_ms bigint NOT NULL
);

-- The last thousand requests that were refused.
CREATE TABLE gaff.rejections (
    id bigint PRIMARY KEY,
    received_ms bigint NOT NULL,
    source text NOT NULL,
    verdict text NOT NULL,
    verdict_text bytea NOT NULL,
    method bytea NOT NULL,
    target bytea NOT NULL,
    peer bytea NOT NULL,
    head bytea NOT NULL,
    body bytea NOT NULL
);

-- Totals by day of the id. Each connection adds to rows of its own (slot), so that none waits for
-- another; the sum over the slots is the total.
CREATE TABLE gaff.counters (
    slot int NOT NULL,
    day int NOT NULL,
    events bigint NOT NULL DEFAULT 0,
    bytes bigint NOT NULL DEFAULT 0,
    rejected bigint NOT NULL DEFAULT 0,
    pending bigint NOT NULL DEFAULT 0,
    claimed bigint NOT NULL DEFAULT 0,
    delivered bigint NOT NULL DEFAULT 0,
    dead bigint NOT NULL DEFAULT 0,
    skipped bigint NOT NULL DEFAULT 0,
    cancelled bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (slot, day)
) WITH (fillfactor = 30, autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 1000,
        autovacuum_vacuum_cost_delay = 0);

-- Who is alive: a row a running node, renewed each second; the database's clock decides. The epoch
-- is never used twice and is what every claim is stamped with.
CREATE SEQUENCE gaff.epochs;
CREATE TABLE gaff.nodes (
    epoch bigint PRIMARY KEY DEFAULT nextval('gaff.epochs'),
    slot int NOT NULL UNIQUE,
    name text NOT NULL,
    version text NOT NULL,
    started timestamptz NOT NULL DEFAULT clock_timestamp(),
    seen timestamptz NOT NULL DEFAULT clock_timestamp(),
    until timestamptz NOT NULL,
    skew_ms bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 30, autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 1000);

-- Which node delivers to a destination. epoch NULL: free to take; orphan: its owner died, and what
-- that had claimed is given back by who takes it. wanted: the node it should move to.
CREATE TABLE gaff.lanes (
    destination text PRIMARY KEY,
    epoch bigint,
    since timestamptz NOT NULL DEFAULT clock_timestamp(),
    wanted bigint,
    orphan boolean NOT NULL DEFAULT false
) WITH (fillfactor = 50);
CREATE INDEX lanes_by_epoch ON gaff.lanes (epoch);

-- For people who look inside.
CREATE FUNCTION gaff.at(ms bigint) RETURNS timestamptz LANGUAGE sql IMMUTABLE
    AS 'SELECT to_timestamp(ms / 1000.0)';
CREATE FUNCTION gaff.words(state int) RETURNS text LANGUAGE sql IMMUTABLE
    AS $$SELECT (ARRAY['pending','claimed','delivered','dead','skipped','cancelled'])[state + 1]$$;
CREATE VIEW gaff.all_deliveries AS
    SELECT id, event_id, destination, route, order_key, state, attempts, created_ms, next_ms,
           settled_ms, reason, listed
    FROM gaff.deliveries
    UNION ALL
    SELECT id, event_id, destination, route, order_key, state, attempts, created_ms, next_ms,
           0::bigint, reason, listed
    FROM gaff.queue;
CREATE VIEW gaff.event_log AS
    SELECT id, gaff.at(received_ms) AS received, source, verdict, encode(type, 'escape') AS type,
           encode(dedupe_key, 'escape') AS dedupe_key, octet_length(body) AS body_bytes
    FROM gaff.events;
CREATE VIEW gaff.delivery_log AS
    SELECT id, event_id, destination, route, gaff.words(state) AS state, attempts,
           gaff.at(created_ms) AS created, gaff.at(next_ms) AS next,
           encode(reason, 'escape') AS reason
    FROM gaff.all_deliveries;
CREATE VIEW gaff.attempt_log AS
    SELECT delivery_id, number, gaff.at(started_ms) AS started, duration_us, status, error_class,
           encode(summary, 'escape') AS summary
    FROM gaff.attempts;
CREATE VIEW gaff.object_log AS
    SELECT kind, encode(id, 'escape') AS id, encode(parent, 'escape') AS parent,
           encode(name, 'escape') AS name, version, gaff.at(updated_ms) AS updated,
           encode(doc, 'escape') AS doc
    FROM gaff.objects;
CREATE VIEW gaff.waiting AS
    SELECT destination, count(*) FILTER (WHERE state = 0) AS pending,
           count(*) FILTER (WHERE state = 1) AS claimed, gaff.at(min(created_ms)) AS oldest
    FROM gaff.queue GROUP BY destination;
CREATE VIEW gaff.node_log AS
    SELECT n.name, n.epoch, n.version, n.started, n.until > clock_timestamp() AS alive,
           clock_timestamp() - n.seen AS silent, count(l.destination) AS lanes
    FROM gaff.nodes n LEFT JOIN gaff.lanes l ON l.epoch = n.epoch
    GROUP BY n.epoch;
CREATE VIEW gaff.totals AS
    SELECT day, sum(events) AS events, sum(bytes) AS bytes, sum(pending) AS pending,
           sum(claimed) AS claimed, sum(delivered) AS delivered, sum(dead) AS dead,
           sum(skipped) AS skipped, sum(cancelled) AS cancelled
    FROM gaff.counters GROUP BY day ORDER BY day;
