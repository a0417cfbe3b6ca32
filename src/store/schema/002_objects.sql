-- Objects made at run time (endpoints, keys, sessions ...), and what lists of the deliveries and
-- attempts of one destination, and of the events of one source, need. Only rows that ask to be
-- listed are in these indexes: what else is stored pays nothing for them.

CREATE TABLE objects (
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    parent TEXT NOT NULL,
    name TEXT NOT NULL,
    version INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    created_ms INTEGER NOT NULL,
    updated_ms INTEGER NOT NULL,
    expires_ms INTEGER NOT NULL,
    doc BLOB NOT NULL,
    PRIMARY KEY (kind, id)
);
CREATE INDEX objects_by_parent ON objects (kind, parent, id);
CREATE UNIQUE INDEX objects_by_name ON objects (kind, parent, name) WHERE name <> '';
CREATE UNIQUE INDEX objects_by_sequence ON objects (sequence);
CREATE INDEX objects_by_expiry ON objects (expires_ms) WHERE expires_ms > 0;

-- Deletions, for those who follow the changes.
CREATE TABLE objects_gone (
    sequence INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    parent TEXT NOT NULL,
    name TEXT NOT NULL,
    gone_ms INTEGER NOT NULL
);

CREATE INDEX events_listed ON events (source, id) WHERE (flags & 4) <> 0;

ALTER TABLE deliveries ADD COLUMN listed INTEGER NOT NULL DEFAULT 0;
CREATE INDEX deliveries_listed ON deliveries (destination, id) WHERE listed <> 0;

ALTER TABLE attempts ADD COLUMN id INTEGER NOT NULL DEFAULT 0;
ALTER TABLE attempts ADD COLUMN event_id INTEGER NOT NULL DEFAULT 0;
ALTER TABLE attempts ADD COLUMN destination INTEGER NOT NULL DEFAULT 0;
CREATE INDEX attempts_of_destination ON attempts (destination, id) WHERE id <> 0;
CREATE INDEX attempts_of_event ON attempts (event_id, id) WHERE id <> 0;
