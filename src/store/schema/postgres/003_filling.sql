-- For a store that is being filled from another: deliveries as they are there. What waits and is to
-- wait keeps its place in the order.
CREATE FUNCTION gaff.restore(
    p_slot int, d_id bigint[], d_event bigint[], d_destination text[], d_route text[],
    d_order bigint[], d_state int[], d_attempts int[], d_created bigint[], d_next bigint[],
    d_settled bigint[], d_reason bytea[], d_listed boolean[]) RETURNS void
LANGUAGE plpgsql SET enable_seqscan = off SET jit = off AS $$
DECLARE
    ids bigint[];
    states int[];
BEGIN
    WITH q AS (
        DELETE FROM gaff.queue q USING unnest(d_id, d_state) AS n (id, state)
            WHERE q.id = n.id AND n.state <> 0 RETURNING q.id, q.state::int AS state),
    d AS (
        DELETE FROM gaff.deliveries d WHERE d.id = ANY (d_id)
            RETURNING d.id, d.state::int AS state)
    SELECT array_agg(g.id), array_agg(g.state) INTO ids, states
        FROM (SELECT * FROM q UNION ALL SELECT * FROM d) g;
    IF ids IS NOT NULL THEN
        PERFORM gaff.moved(p_slot, ids, states, array_fill(-1, ARRAY[array_length(ids, 1)]));
    END IF;
    UPDATE gaff.queue q SET attempts = n.attempts, next_ms = n.next, reason = n.reason
        FROM unnest(d_id, d_state, d_attempts, d_next, d_reason)
             AS n (id, state, attempts, next, reason)
        WHERE q.id = n.id AND n.state = 0;
    WITH n AS (
        SELECT * FROM unnest(d_id, d_event, d_destination, d_route, d_order, d_state, d_attempts,
                             d_created, d_next, d_settled, d_reason, d_listed)
            AS n (id, event, destination, route, order_key, state, attempts, created, next, settled,
                  reason, listed)
            WHERE n.state <> 0 OR NOT EXISTS (SELECT 1 FROM gaff.queue q WHERE q.id = n.id)),
    q AS (
        INSERT INTO gaff.queue (id, event_id, destination, route, order_key, state, attempts,
                                created_ms, next_ms, reason, listed)
        SELECT n.id, n.event, n.destination, n.route, n.order_key, 0, n.attempts, n.created, n.next,
               n.reason, n.listed FROM n WHERE n.state = 0 ORDER BY n.id),
    d AS (
        INSERT INTO gaff.deliveries (id, event_id, destination, route, order_key, state, attempts,
                                     created_ms, next_ms, settled_ms, reason, listed)
        SELECT n.id, n.event, n.destination, n.route, n.order_key, n.state, n.attempts, n.created,
               n.next, n.settled, n.reason, n.listed FROM n WHERE n.state <> 0)
    SELECT array_agg(n.id), array_agg(n.state) INTO ids, states FROM n;
    IF ids IS NOT NULL THEN
        PERFORM gaff.moved(p_slot, ids, array_fill(-1, ARRAY[array_length(ids, 1)]), states);
    END IF;
END $$;
