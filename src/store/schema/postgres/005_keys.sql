-- Of a key that was brought from a store which keeps no more than the fold of a request's hash: that
-- fold, and nothing behind it.
CREATE FUNCTION gaff.fold_hash(p_hash uuid) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$
    SELECT (lpad(to_hex((('x' || encode(substr(h, 1, 8), 'hex'))::bit(64)
                         # ('x' || encode(substr(h, 13, 4) || substr(h, 9, 4), 'hex'))::bit(64)
                        )::bigint), 16, '0') || repeat('0', 16))::uuid
    FROM (SELECT uuid_send(p_hash)) AS x (h)
$$;

-- As before; and a key of which only the fold is known gets its hash from the first request whose
-- hash folds to that.
CREATE OR REPLACE FUNCTION gaff.take_keys(x_key uuid[], x_hash uuid[], x_id bigint[], x_place int[],
                                          x_since bigint[], x_until bigint[]) RETURNS bigint[]
LANGUAGE plpgsql SET enable_seqscan = off SET jit = off AS $$
DECLARE
    taken bigint[];
BEGIN
    WITH i AS (
        INSERT INTO gaff.keys AS d (key, hash, event_id, since_ms, until_ms)
        SELECT * FROM unnest(x_key, x_hash, x_id, x_since, x_until)
        ON CONFLICT (key) DO UPDATE SET
            hash = CASE WHEN d.until_ms <= excluded.since_ms THEN excluded.hash
                        WHEN d.hash = gaff.fold_hash(excluded.hash) THEN excluded.hash
                        ELSE d.hash END,
            event_id = CASE WHEN d.until_ms <= excluded.since_ms THEN excluded.event_id
                            ELSE d.event_id END,
            since_ms = CASE WHEN d.until_ms <= excluded.since_ms THEN excluded.since_ms
                            ELSE d.since_ms END,
            until_ms = CASE WHEN d.until_ms <= excluded.since_ms THEN excluded.until_ms
                            ELSE d.until_ms END
        RETURNING d.key, d.event_id)
    SELECT array_agg(x.id) INTO taken FROM unnest(x_key, x_id) AS x (key, id)
        JOIN i ON i.key = x.key WHERE i.event_id <> x.id;
    RETURN coalesce(taken, '{}');
END $$;
