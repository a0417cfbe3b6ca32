-- What the store calls. Functions, because their plans are kept by the server's session: that works
-- behind a pooler that gives each transaction another session. Plans may not depend on how full
-- the queue was when they were made, so scans of whole tables are switched off inside (and with
-- them the compiler for dear plans, which a forbidden scan would call).

CREATE FUNCTION gaff.day(id bigint) RETURNS int LANGUAGE sql IMMUTABLE
    AS 'SELECT ((id >> 21) / 86400000)::int';

-- Places for the ids of the days [first, last].
CREATE FUNCTION gaff.prepare_days(p_first int, p_last int) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    t text;
    part text;
BEGIN
    FOR d IN p_first .. p_last LOOP
        FOREACH t IN ARRAY ARRAY['events', 'deliveries', 'attempts'] LOOP
            part := t || '_' || to_char(date '2020-01-01' + d, 'YYYYMMDD');
            IF to_regclass('gaff.' || part) IS NOT NULL THEN
                CONTINUE;
            END IF;
            PERFORM pg_advisory_xact_lock(7205759403);
            IF to_regclass('gaff.' || part) IS NOT NULL THEN
                CONTINUE;
            END IF;
            EXECUTE format('CREATE TABLE gaff.%I PARTITION OF gaff.%I FOR VALUES FROM (%s) TO (%s)',
                           part, t, (d::bigint * 86400000) << 21,
                           ((d + 1)::bigint * 86400000) << 21);
        END LOOP;
    END LOOP;
END $$;

-- Adds moves from state to state (-1: new or gone) to the counters.
CREATE FUNCTION gaff.moved(p_slot int, p_id bigint[], p_from int[], p_to int[]) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO gaff.counters AS c
        (slot, day, pending, claimed, delivered, dead, skipped, cancelled)
    SELECT p_slot, gaff.day(m.id),
           sum((m.t = 0)::int - (m.f = 0)::int), sum((m.t = 1)::int - (m.f = 1)::int),
           sum((m.t = 2)::int - (m.f = 2)::int), sum((m.t = 3)::int - (m.f = 3)::int),
           sum((m.t = 4)::int - (m.f = 4)::int), sum((m.t = 5)::int - (m.f = 5)::int)
    FROM unnest(p_id, p_from, p_to) AS m (id, f, t) GROUP BY gaff.day(m.id)
    ON CONFLICT (slot, day) DO UPDATE SET
        pending = c.pending + excluded.pending, claimed = c.claimed + excluded.claimed,
        delivered = c.delivered + excluded.delivered, dead = c.dead + excluded.dead,
        skipped = c.skipped + excluded.skipped, cancelled = c.cancelled + excluded.cancelled;
END $$;

-- --- nodes and lanes ----------------------------------------------------------------------------

-- A new node: its epoch, its slot (a part of its ids) and the database's time.
CREATE FUNCTION gaff.node_join(p_name text, p_version text, p_lease_ms int)
RETURNS TABLE (epoch bigint, slot int) LANGUAGE plpgsql AS $$
DECLARE
    e bigint;
    s int;
BEGIN
    PERFORM pg_advisory_xact_lock(7205759404);
    PERFORM gaff.node_reap();
    e := nextval('gaff.epochs');
    -- From the epoch upwards, so that a slot is used again as late as possible.
    SELECT (e + i) % 64 INTO s FROM generate_series(0, 63) AS i
        WHERE NOT EXISTS (SELECT 1 FROM gaff.nodes n WHERE n.slot = (e + i) % 64)
        ORDER BY i LIMIT 1;
    IF s IS NULL THEN
        RAISE EXCEPTION 'sixty-four nodes are alive already';
    END IF;
    INSERT INTO gaff.nodes (epoch, slot, name, version, until)
        VALUES (e, s, p_name, p_version,
                clock_timestamp() + p_lease_ms * interval '1 millisecond');
    RETURN QUERY SELECT e, s;
END $$;

-- Declares dead whose lease has ended: node and lanes go in one transaction, so that a node learns
-- at its next beat that nothing is its own any more. What it had claimed is given back by whoever
-- takes its lanes.
CREATE FUNCTION gaff.node_reap() RETURNS int LANGUAGE plpgsql AS $$
DECLARE
    gone bigint[];
BEGIN
    SELECT array_agg(d.epoch) INTO gone FROM (
        SELECT n.epoch FROM gaff.nodes n WHERE n.until < clock_timestamp()
        FOR UPDATE SKIP LOCKED) d;
    IF gone IS NULL THEN
        RETURN 0;
    END IF;
    UPDATE gaff.lanes l SET epoch = NULL, wanted = NULL, orphan = true
        WHERE l.epoch = ANY (gone);
    DELETE FROM gaff.nodes n WHERE n.epoch = ANY (gone);
    PERFORM gaff.lanes_tidy();
    RETURN array_length(gone, 1);
END $$;

-- What waits for a destination without a lane gets a lane that is free, so that all nodes hear of
-- it; a free lane for which nothing waits goes.
CREATE FUNCTION gaff.lanes_tidy() RETURNS void LANGUAGE plpgsql
SET enable_seqscan = off SET jit = off AS $$
BEGIN
    INSERT INTO gaff.lanes (destination, orphan)
    WITH RECURSIVE d (name) AS (
        (SELECT q.destination FROM gaff.queue q ORDER BY q.destination LIMIT 1)
        UNION ALL
        SELECT (SELECT q.destination FROM gaff.queue q WHERE q.destination > d.name
                ORDER BY q.destination LIMIT 1) FROM d WHERE d.name IS NOT NULL)
    SELECT d.name, true FROM d WHERE d.name IS NOT NULL
        AND NOT EXISTS (SELECT 1 FROM gaff.lanes l WHERE l.destination = d.name)
    ON CONFLICT DO NOTHING;
    DELETE FROM gaff.lanes l WHERE l.destination IN (
        SELECT f.destination FROM gaff.lanes f
            WHERE f.epoch IS NULL AND f.since < clock_timestamp() - interval '1 min'
              AND NOT EXISTS (SELECT 1 FROM gaff.queue q WHERE q.destination = f.destination)
            FOR UPDATE SKIP LOCKED);
END $$;

CREATE FUNCTION gaff.node_leave(p_epoch bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    UPDATE gaff.lanes SET epoch = NULL, wanted = NULL WHERE epoch = p_epoch;
    DELETE FROM gaff.nodes WHERE epoch = p_epoch;
END $$;

-- One beat: renews the lease, buries the dead, asks for lanes. No row: the node is dead.
CREATE FUNCTION gaff.node_beat(p_epoch bigint, p_lease_ms int, p_skew_ms bigint, p_known text[])
RETURNS TABLE (kind text, name text, number bigint) LANGUAGE plpgsql AS $$
BEGIN
    UPDATE gaff.nodes n SET seen = clock_timestamp(), skew_ms = p_skew_ms,
           until = clock_timestamp() + p_lease_ms * interval '1 millisecond'
        WHERE n.epoch = p_epoch;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    PERFORM gaff.node_reap();
    RETURN QUERY SELECT 'now', ''::text, (extract(epoch FROM clock_timestamp()) * 1000)::bigint;
    RETURN QUERY SELECT 'node', n.name, n.epoch FROM gaff.nodes n;
    -- Lanes this node would serve: whose they are (0: nobody's), who wants them.
    RETURN QUERY SELECT 'lane', k.d, coalesce(l.epoch, 0)
        FROM unnest(p_known) AS k (d) LEFT JOIN gaff.lanes l ON l.destination = k.d;
    RETURN QUERY SELECT 'wanted', l.destination, l.wanted FROM gaff.lanes l
        WHERE l.epoch = p_epoch AND l.wanted IS NOT NULL
          AND EXISTS (SELECT 1 FROM gaff.nodes n WHERE n.epoch = l.wanted);
    -- Free lanes with something to do, for those who have not met them; some at each beat.
    RETURN QUERY SELECT 'due', f.destination, 0::bigint FROM (
        SELECT l.destination FROM gaff.lanes l WHERE l.epoch IS NULL AND EXISTS (
            SELECT 1 FROM gaff.queue q WHERE q.destination = l.destination)
        ORDER BY random() LIMIT 256) f;
    RETURN QUERY SELECT 'objects', ''::text, coalesce(greatest(
        (SELECT max(o.sequence) FROM gaff.objects o),
        (SELECT max(g.sequence) FROM gaff.objects_gone g)), 0);
    -- Hints may be lost: what waits is looked for as well.
    RETURN QUERY SELECT 'due', l.destination, 0::bigint FROM gaff.lanes l
        WHERE l.epoch = p_epoch AND EXISTS (
            SELECT 1 FROM gaff.queue q WHERE q.destination = l.destination AND q.state = 0
              AND q.next_ms <= (extract(epoch FROM clock_timestamp()) * 1000)::bigint);
END $$;

-- Takes a lane that is free. NULL: it is this node's; else the name of its owner.
CREATE FUNCTION gaff.lane_take(p_epoch bigint, p_slot int, p_destination text) RETURNS text
LANGUAGE plpgsql SET enable_seqscan = off SET jit = off AS $$
DECLARE
    owner bigint;
    deserted boolean;
    known boolean;
    back bigint[];
BEGIN
    FOR i IN 1 .. 3 LOOP
        SELECT l.epoch, l.orphan INTO owner, deserted FROM gaff.lanes l WHERE l.destination = p_destination FOR SHARE;
        known := FOUND;
        IF owner = p_epoch THEN
            -- Only a claim follows: it may be forgotten by a crash, and is then given back.
            PERFORM set_config('synchronous_commit', 'off', true);
            RETURN NULL;
        END IF;
        IF owner IS NOT NULL THEN
            RETURN coalesce((SELECT n.name FROM gaff.nodes n WHERE n.epoch = owner), '?');
        END IF;
        PERFORM 1 FROM gaff.nodes n
            WHERE n.epoch = p_epoch AND n.until > clock_timestamp() FOR KEY SHARE;
        IF NOT FOUND THEN
            RETURN 'nobody: this node has lost its lease';
        END IF;
        IF known THEN
            UPDATE gaff.lanes l SET epoch = p_epoch, since = clock_timestamp(), wanted = NULL,
                   orphan = false
                WHERE l.destination = p_destination AND l.epoch IS NULL;
        ELSE
            INSERT INTO gaff.lanes (destination, epoch) VALUES (p_destination, p_epoch)
                ON CONFLICT DO NOTHING;
        END IF;
        IF FOUND THEN
            -- What a dead owner had claimed is due again.
            IF NOT known OR deserted THEN
                WITH b AS (
                    UPDATE gaff.queue q SET state = 0, epoch = NULL, stamp = NULL
                        WHERE q.destination = p_destination AND q.state = 1
                          AND q.epoch <> p_epoch
                        RETURNING q.id)
                SELECT array_agg(b.id) INTO back FROM b;
                IF back IS NOT NULL THEN
                    PERFORM gaff.moved(p_slot, back, array_fill(1, ARRAY[array_length(back, 1)]),
                                       array_fill(0, ARRAY[array_length(back, 1)]));
                END IF;
            END IF;
            RETURN NULL;
        END IF;
    END LOOP;
    RETURN '?';
END $$;

-- Gives a lane up; its owner holds nothing of it any more. Goes to whom it was wanted by.
CREATE FUNCTION gaff.lane_release(p_epoch bigint, p_destination text) RETURNS void
LANGUAGE sql AS $$
    UPDATE gaff.lanes l SET wanted = NULL, since = clock_timestamp(),
           epoch = (SELECT n.epoch FROM gaff.nodes n WHERE n.epoch = l.wanted)
        WHERE l.destination = p_destination AND l.epoch = p_epoch
$$;

CREATE FUNCTION gaff.lane_want(p_epoch bigint, p_destinations text[]) RETURNS void
LANGUAGE sql AS $$
    UPDATE gaff.lanes l SET wanted = p_epoch
        WHERE l.destination = ANY (p_destinations) AND l.epoch IS NOT NULL AND l.epoch <> p_epoch
$$;

-- --- the commit ---------------------------------------------------------------------------------

-- Takes further keys for new events; the ids of those of which one was taken already.
CREATE FUNCTION gaff.take_keys(x_key uuid[], x_hash uuid[], x_id bigint[], x_place int[],
                               x_since bigint[], x_until bigint[]) RETURNS bigint[]
LANGUAGE plpgsql SET enable_seqscan = off SET jit = off AS $$
DECLARE
    taken bigint[];
BEGIN
    WITH i AS (
        INSERT INTO gaff.keys AS d (key, hash, event_id, since_ms, until_ms)
        SELECT * FROM unnest(x_key, x_hash, x_id, x_since, x_until)
        ON CONFLICT (key) DO UPDATE SET
            hash = CASE WHEN d.until_ms <= excluded.since_ms THEN excluded.hash ELSE d.hash END,
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

-- Stores events and their deliveries. Rows: the repeats with the id of the first, by which further
-- key (0: the delivery id) and whether that was for the same; and the events whose delivery id was
-- used for another body (first_id 0). k_* and x_* (the further keys) are sorted, so that two
-- batches with common keys wait for each other in one order; no two are alike.
CREATE FUNCTION gaff.ingest(
    p_epoch bigint, p_slot int, p_stamp bigint,
    k_key uuid[], k_body bigint[], k_id bigint[], k_since bigint[], k_until bigint[],
    x_key uuid[], x_hash uuid[], x_id bigint[], x_place int[], x_since bigint[], x_until bigint[],
    e_id bigint[], e_received bigint[], e_source text[], e_provider text[], e_verdict text[],
    e_flags int[], e_type bytea[], e_dedupe bytea[], e_hash bytea[], e_verdict_text bytea[],
    e_method bytea[], e_target bytea[], e_peer bytea[], e_trace bytea[], e_head bytea[],
    e_body bytea[],
    d_id bigint[], d_event bigint[], d_destination text[], d_route text[], d_order bigint[],
    d_claimed boolean[], d_created bigint[], d_next bigint[], d_listed boolean[])
RETURNS TABLE (repeat_id bigint, first_id bigint, place int, same boolean) LANGUAGE plpgsql
SET enable_seqscan = off SET jit = off SET enable_mergejoin = off
SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    repeats bigint[] := '{}';
    firsts bigint[] := '{}';
    reused bigint[] := '{}';
    alive boolean := true;
    known boolean;
BEGIN
    IF array_length(k_id, 1) > 0 THEN
        -- Mostly all keys are new: then a plain insert does, for half the price of an upsert.
        PERFORM 1 FROM unnest(k_key) AS k (key)
            WHERE EXISTS (SELECT 1 FROM gaff.dedupe d WHERE d.key = k.key) LIMIT 1;
        known := FOUND;
        IF NOT known THEN
            BEGIN
                INSERT INTO gaff.dedupe (key, body, event_id, since_ms, until_ms)
                    SELECT * FROM unnest(k_key, k_body, k_id, k_since, k_until);
            EXCEPTION WHEN unique_violation THEN
                known := true;
            END;
        END IF;
        IF known THEN
            SELECT array_agg(k.id) INTO reused
                FROM unnest(k_key, k_body, k_id, k_since) AS k (key, body, id, since)
                WHERE EXISTS (SELECT 1 FROM gaff.dedupe d WHERE d.key = k.key AND d.body <> k.body
                                AND d.until_ms > k.since);
            WITH i AS (
                INSERT INTO gaff.dedupe AS d (key, body, event_id, since_ms, until_ms)
                SELECT * FROM unnest(k_key, k_body, k_id, k_since, k_until)
                ON CONFLICT (key, body) DO UPDATE SET
                    event_id = CASE WHEN d.until_ms <= excluded.since_ms THEN excluded.event_id
                                    ELSE d.event_id END,
                    since_ms = CASE WHEN d.until_ms <= excluded.since_ms THEN excluded.since_ms
                                    ELSE d.since_ms END,
                    until_ms = CASE WHEN d.until_ms <= excluded.since_ms THEN excluded.until_ms
                                    ELSE d.until_ms END
                RETURNING d.event_id, d.key, d.body)
            SELECT array_agg(k.id), array_agg(i.event_id) INTO repeats, firsts
                FROM i JOIN unnest(k_key, k_body, k_id) AS k (key, body, id)
                    ON k.key = i.key AND k.body = i.body
                WHERE NOT (i.event_id = ANY (k_id));
            repeats := coalesce(repeats, '{}');
            firsts := coalesce(firsts, '{}');
            reused := coalesce(reused, '{}');
            RETURN QUERY SELECT u.r, u.f, 0, true FROM unnest(repeats, firsts) AS u (r, f);
        END IF;
    END IF;
    IF array_length(x_id, 1) > 0 THEN
        repeats := repeats || gaff.take_keys(x_key, x_hash, x_id, x_place, x_since, x_until);
        RETURN QUERY SELECT x.id, k.event_id, x.place, k.hash = x.hash
            FROM unnest(x_key, x_hash, x_id, x_place) AS x (key, hash, id, place)
            JOIN gaff.keys k ON k.key = x.key
            WHERE k.event_id <> x.id AND x.id = ANY (repeats);
        -- What is kept out leaves no key behind.
        DELETE FROM gaff.keys k USING unnest(x_key, x_id) AS x (key, id)
            WHERE k.key = x.key AND k.event_id = x.id AND x.id = ANY (repeats);
        DELETE FROM gaff.dedupe d USING unnest(k_key, k_body, k_id) AS k (key, body, id)
            WHERE d.key = k.key AND d.body = k.body AND d.event_id = k.id
              AND k.id = ANY (repeats);
    END IF;
    INSERT INTO gaff.events (id, received_ms, source, provider, verdict, flags, type, dedupe_key,
                             body_hash, verdict_text, method, target, peer, trace, head, body)
    SELECT e.id, e.received, e.source, e.provider, e.verdict,
           CASE WHEN e.id = ANY (reused) THEN e.flags | 1 ELSE e.flags END,
           e.type, e.dedupe, e.hash, e.verdict_text, e.method, e.target, e.peer, e.trace, e.head,
           e.body
    FROM unnest(e_id, e_received, e_source, e_provider, e_verdict, e_flags, e_type, e_dedupe,
                e_hash, e_verdict_text, e_method, e_target, e_peer, e_trace, e_head, e_body)
        AS e (id, received, source, provider, verdict, flags, type, dedupe, hash, verdict_text,
              method, target, peer, trace, head, body)
    WHERE NOT (e.id = ANY (repeats));
    IF true = ANY (d_claimed) THEN
        -- Held to the end of the transaction: this node can't be declared dead before.
        PERFORM 1 FROM gaff.nodes n WHERE n.epoch = p_epoch FOR KEY SHARE;
        alive := FOUND;
    END IF;
    INSERT INTO gaff.queue (id, event_id, destination, route, order_key, state, attempts,
                            created_ms, next_ms, epoch, stamp, reason, listed)
    SELECT d.id, d.event, d.destination, d.route, d.okey, (d.claimed AND alive)::int, 0, d.created,
           d.next, CASE WHEN d.claimed AND alive THEN p_epoch END,
           CASE WHEN d.claimed AND alive THEN p_stamp END, '', d.listed
    FROM unnest(d_id, d_event, d_destination, d_route, d_order, d_claimed, d_created, d_next,
                d_listed)
        AS d (id, event, destination, route, okey, claimed, created, next, listed)
    WHERE NOT (d.event = ANY (repeats));
    INSERT INTO gaff.counters AS c (slot, day, events, bytes, pending, claimed)
    SELECT p_slot, t.day, sum(t.n), sum(t.bytes), sum(t.pending), sum(t.claimed) FROM (
        SELECT gaff.day(e.id) AS day, 1 AS n,
               octet_length(e.head) + octet_length(e.body) + 200 AS bytes, 0 AS pending, 0 AS claimed
        FROM unnest(e_id, e_head, e_body) AS e (id, head, body) WHERE NOT (e.id = ANY (repeats))
        UNION ALL
        SELECT gaff.day(d.id), 0, 0, (NOT (d.claimed AND alive))::int, (d.claimed AND alive)::int
        FROM unnest(d_id, d_event, d_claimed) AS d (id, event, claimed)
        WHERE NOT (d.event = ANY (repeats))) t GROUP BY t.day
    ON CONFLICT (slot, day) DO UPDATE SET events = c.events + excluded.events,
        bytes = c.bytes + excluded.bytes, pending = c.pending + excluded.pending,
        claimed = c.claimed + excluded.claimed;
    IF reused <> '{}' THEN
        RETURN QUERY SELECT u, 0::bigint, 0, false FROM unnest(reused) AS u
            WHERE NOT (u = ANY (repeats));
    END IF;
END $$;

-- Cancels what the stored ones among these deliveries supersede: what is older of their destination
-- and key and still waits, each by the first that came after it.
CREATE FUNCTION gaff.supersede(p_slot int, s_id bigint[], s_destination text[], s_order bigint[],
                               s_at bigint[], s_reason bytea[]) RETURNS void LANGUAGE plpgsql
SET enable_seqscan = off SET jit = off SET enable_hashjoin = off SET enable_mergejoin = off
SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    ids bigint[];
BEGIN
    WITH s AS MATERIALIZED (
        SELECT u.* FROM unnest(s_id, s_destination, s_order, s_at, s_reason)
            AS u (id, destination, okey, at, reason)
            WHERE EXISTS (SELECT 1 FROM gaff.queue x WHERE x.id = u.id)),
    v AS MATERIALIZED (
        SELECT q.id, min(s.id) AS later FROM s JOIN gaff.queue q
            ON q.destination = s.destination AND q.order_key = s.okey AND q.order_key <> 0
               AND q.state = 0 AND q.id < s.id GROUP BY q.id),
    gone AS (
        DELETE FROM gaff.queue q USING v WHERE q.id = v.id AND q.state = 0
            RETURNING q.*, v.later),
    kept AS (
        INSERT INTO gaff.deliveries (id, event_id, destination, route, order_key, state, attempts,
                                     created_ms, next_ms, settled_ms, reason, listed)
        SELECT g.id, g.event_id, g.destination, g.route, g.order_key, 5, g.attempts, g.created_ms,
               g.next_ms, s.at, s.reason, g.listed FROM gone g JOIN s ON s.id = g.later)
    SELECT array_agg(g.id) INTO ids FROM gone g;
    IF ids IS NOT NULL THEN
        PERFORM gaff.moved(p_slot, ids, array_fill(0, ARRAY[array_length(ids, 1)]),
                           array_fill(5, ARRAY[array_length(ids, 1)]));
    END IF;
END $$;

-- The attempts of the deliveries in d_id alone: two lists of some hundreds, which a nested loop
-- would take 50 ms to join. (What a caller switched off is off in here too.)
CREATE FUNCTION gaff.record_attempts(
    d_id bigint[], d_event bigint[], d_destination text[], s_id bigint[], a_id bigint[],
    a_number int[], a_result int[], a_started bigint[], a_duration bigint[], a_status int[],
    a_class text[], a_summary bytea[], a_request bytea[], a_response bytea[], a_timing bytea[])
RETURNS void LANGUAGE plpgsql
SET enable_hashjoin = on SET enable_nestloop = off SET enable_mergejoin = off SET jit = off AS $$
BEGIN
    INSERT INTO gaff.attempts (delivery_id, number, result, started_ms, duration_us, status,
                               error_class, summary, request, response, timing, id, event_id,
                               destination)
    SELECT a.delivery, a.number, a.result, a.started, a.duration, a.status, a.class, a.summary,
           a.request, a.response, a.timing, a.id, d.event, d.destination
    FROM unnest(s_id, a_id, a_number, a_result, a_started, a_duration, a_status, a_class,
                a_summary, a_request, a_response, a_timing)
        AS a (delivery, id, number, result, started, duration, status, class, summary, request,
              response, timing)
    JOIN unnest(d_id, d_event, d_destination) AS d (id, event, destination) ON d.id = a.delivery
    WHERE a.number > 0
    ON CONFLICT DO NOTHING;
END $$;

-- Records outcomes of what this node still holds; the others are left out.
CREATE FUNCTION gaff.settle(
    p_epoch bigint, p_slot int, s_id bigint[], s_state int[], s_next bigint[], s_settled bigint[],
    s_attempts int[], s_reason bytea[],
    a_id bigint[], a_number int[], a_result int[], a_started bigint[], a_duration bigint[],
    a_status int[], a_class text[], a_summary bytea[], a_request bytea[], a_response bytea[],
    a_timing bytea[])
RETURNS void LANGUAGE plpgsql
SET enable_seqscan = off SET jit = off SET enable_hashjoin = off SET enable_mergejoin = off
SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    done bigint[];
    states int[];
    events bigint[];
    destinations text[];
BEGIN
    WITH s AS MATERIALIZED (
        SELECT * FROM unnest(s_id, s_state, s_next, s_settled, s_attempts, s_reason)
            AS s (id, state, next, settled, attempts, reason)),
    gone AS (
        DELETE FROM gaff.queue q USING s
            WHERE s.state <> 0 AND q.id = s.id AND q.state = 1 AND q.epoch = p_epoch
            RETURNING q.id, q.event_id, q.destination, q.route, q.order_key, q.created_ms,
                      q.next_ms, q.listed, s.state, s.settled, s.attempts, s.reason),
    kept AS (
        INSERT INTO gaff.deliveries (id, event_id, destination, route, order_key, state, attempts,
                                     created_ms, next_ms, settled_ms, reason, listed)
        SELECT g.id, g.event_id, g.destination, g.route, g.order_key, g.state, g.attempts,
               g.created_ms, g.next_ms, g.settled, g.reason, g.listed FROM gone g),
    again AS (
        UPDATE gaff.queue q SET state = 0, epoch = NULL, stamp = NULL, next_ms = s.next,
               attempts = s.attempts, reason = s.reason
            FROM s WHERE s.state = 0 AND q.id = s.id AND q.state = 1 AND q.epoch = p_epoch
            RETURNING q.id, q.event_id, q.destination)
    SELECT array_agg(m.id), array_agg(m.state), array_agg(m.event_id), array_agg(m.destination)
        INTO done, states, events, destinations
        FROM (SELECT g.id, g.state, g.event_id, g.destination FROM gone g
              UNION ALL SELECT a.id, 0, a.event_id, a.destination FROM again a) m;
    IF done IS NULL THEN
        RETURN;
    END IF;
    PERFORM gaff.record_attempts(done, events, destinations, s_id, a_id, a_number, a_result,
                                 a_started, a_duration, a_status, a_class, a_summary, a_request,
                                 a_response, a_timing);
    PERFORM gaff.moved(p_slot, done, array_fill(1, ARRAY[array_length(done, 1)]), states);
END $$;

CREATE FUNCTION gaff.reject(
    p_slot int, p_day int, p_count bigint, r_id bigint[], r_received bigint[], r_source text[],
    r_verdict text[], r_verdict_text bytea[], r_method bytea[], r_target bytea[], r_peer bytea[],
    r_head bytea[], r_body bytea[])
RETURNS void LANGUAGE plpgsql SET enable_seqscan = off SET jit = off AS $$
BEGIN
    INSERT INTO gaff.rejections
        SELECT * FROM unnest(r_id, r_received, r_source, r_verdict, r_verdict_text, r_method,
                             r_target, r_peer, r_head, r_body);
    -- Not waiting for those that another node deletes just now.
    DELETE FROM gaff.rejections WHERE id IN (
        SELECT r.id FROM gaff.rejections r WHERE r.id < (
            SELECT x.id FROM gaff.rejections x ORDER BY x.id DESC OFFSET 999 LIMIT 1)
        FOR UPDATE SKIP LOCKED);
    INSERT INTO gaff.counters AS c (slot, day, rejected) VALUES (p_slot, p_day, p_count)
        ON CONFLICT (slot, day) DO UPDATE SET rejected = c.rejected + excluded.rejected;
END $$;

-- --- claims -------------------------------------------------------------------------------------

-- Claims what is due of a lane. The last row has id 0: next_ms is when the next one left is due
-- (NULL: none), order_key where the walk over keys goes on, route the lane's owner if it is not
-- this node.
CREATE FUNCTION gaff.claim(p_epoch bigint, p_slot int, p_stamp bigint, p_destination text,
                           p_now bigint, p_max int, p_in_order boolean, p_cursor bigint)
RETURNS TABLE (id bigint, event_id bigint, route text, order_key bigint, seq bigint, attempts int,
               created_ms bigint, next_ms bigint, reason bytea, listed boolean)
LANGUAGE plpgsql
SET enable_seqscan = off SET jit = off SET enable_bitmapscan = off SET enable_sort = off
SET enable_hashjoin = off SET enable_mergejoin = off
SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
DECLARE
    owner text := gaff.lane_take(p_epoch, p_slot, p_destination);
    ids bigint[];
    at bigint := p_cursor;
    due bigint;
    n int;
BEGIN
    IF owner IS NOT NULL THEN
        RETURN QUERY SELECT 0::bigint, 0::bigint, owner, at, 0::bigint, 0, 0::bigint, NULL::bigint,
                            ''::bytea, false;
        RETURN;
    END IF;
    IF p_in_order THEN
        SELECT h.ids, h.upto INTO ids, at
            FROM gaff.heads(p_destination, p_now, p_max, p_cursor) h;
        SELECT array_agg(c.id) INTO ids FROM (
            SELECT q.id FROM gaff.queue q WHERE q.id = ANY (ids) AND q.state = 0 FOR UPDATE) c;
    ELSE
        SELECT array_agg(c.id) INTO ids FROM (
            SELECT q.id FROM gaff.queue q
                WHERE q.destination = p_destination AND q.state = 0 AND q.next_ms <= p_now
                ORDER BY q.next_ms, q.seq LIMIT p_max FOR UPDATE SKIP LOCKED) c;
    END IF;
    RETURN QUERY UPDATE gaff.queue q SET state = 1, epoch = p_epoch, stamp = p_stamp
        WHERE q.id = ANY (ids) AND q.state = 0
        RETURNING q.id, q.event_id, q.route, q.order_key, q.seq, q.attempts, q.created_ms,
                  q.next_ms, q.reason, q.listed;
    GET DIAGNOSTICS n = ROW_COUNT;
    IF n > 0 THEN
        PERFORM gaff.moved(p_slot, ids, array_fill(0, ARRAY[array_length(ids, 1)]),
                           array_fill(1, ARRAY[array_length(ids, 1)]));
    END IF;
    SELECT q.next_ms INTO due FROM gaff.queue q
        WHERE q.destination = p_destination AND q.state = 0
          AND q.next_ms > CASE WHEN n >= p_max THEN -1 ELSE p_now END
        ORDER BY q.next_ms LIMIT 1;
    RETURN QUERY SELECT 0::bigint, 0::bigint, ''::text, at, 0::bigint, 0, 0::bigint, due,
                        ''::bytea, false;
END $$;

-- The heads of the order keys that are due, and all that is due without a key. Looked at by age
-- first; when many are not the first of their key, a few stuck keys could hide all others, so then
-- the keys themselves are walked, going on where the last call ended.
CREATE FUNCTION gaff.heads(p_destination text, p_now bigint, p_max int, p_cursor bigint,
                           OUT ids bigint[], OUT upto bigint)
LANGUAGE plpgsql
SET enable_seqscan = off SET jit = off SET enable_bitmapscan = off SET enable_sort = off
SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    r record;
    head record;
    seen bigint[] := '{}';
    looked int := 0;
    n int := 0;
    most int := greatest(p_max, 1000);
    wrapped boolean := p_cursor = 0;
BEGIN
    ids := '{}';
    upto := p_cursor;
    FOR r IN SELECT q.id, q.order_key FROM gaff.queue q
             WHERE q.destination = p_destination AND q.state = 0 AND q.next_ms <= p_now
             ORDER BY q.next_ms, q.seq LIMIT most LOOP
        looked := looked + 1;
        IF r.order_key <> 0 THEN
            CONTINUE WHEN r.order_key = ANY (seen);
            seen := seen || r.order_key;
            SELECT q.id, q.state, q.next_ms INTO head FROM gaff.queue q
                WHERE q.destination = p_destination AND q.order_key = r.order_key
                  AND q.order_key <> 0 ORDER BY q.order_key, q.seq LIMIT 1;
            CONTINUE WHEN head.state <> 0 OR head.next_ms > p_now;
            r.id := head.id;
        END IF;
        ids := ids || r.id;
        n := n + 1;
        EXIT WHEN n = p_max;
    END LOOP;
    IF n = p_max OR looked < most THEN
        RETURN;
    END IF;
    IF wrapped THEN
        upto := -9223372036854775808;
    END IF;
    FOR i IN 1 .. 2000 LOOP
        EXIT WHEN n = p_max;
        SELECT q.id, q.order_key, q.state, q.next_ms INTO r FROM gaff.queue q
            WHERE q.destination = p_destination AND q.order_key > upto AND q.order_key <> 0
            ORDER BY q.order_key, q.seq LIMIT 1;
        IF NOT FOUND THEN
            EXIT WHEN wrapped;
            wrapped := true;
            upto := -9223372036854775808;
            CONTINUE;
        END IF;
        upto := r.order_key;
        IF r.state = 0 AND r.next_ms <= p_now AND NOT (r.id = ANY (ids)) THEN
            ids := ids || r.id;
            n := n + 1;
        END IF;
    END LOOP;
END $$;

-- Gives claims back. p_ids: these; else those of the calls whose answers were lost.
CREATE FUNCTION gaff.unclaim(p_epoch bigint, p_slot int, p_ids bigint[], p_stamps bigint[])
RETURNS int LANGUAGE plpgsql AS $$
DECLARE
    back bigint[];
BEGIN
    IF p_stamps IS NULL THEN
        WITH b AS (
            UPDATE gaff.queue q SET state = 0, epoch = NULL, stamp = NULL
                WHERE q.id = ANY (p_ids) AND q.state = 1 AND q.epoch = p_epoch RETURNING q.id)
        SELECT array_agg(b.id) INTO back FROM b;
        PERFORM set_config('synchronous_commit', 'off', true);
    ELSE
        WITH b AS (
            UPDATE gaff.queue q SET state = 0, epoch = NULL, stamp = NULL
                WHERE q.stamp = ANY (p_stamps) AND q.state = 1 AND q.epoch = p_epoch
                RETURNING q.id)
        SELECT array_agg(b.id) INTO back FROM b;
    END IF;
    IF back IS NULL THEN
        RETURN 0;
    END IF;
    PERFORM gaff.moved(p_slot, back, array_fill(1, ARRAY[array_length(back, 1)]),
                       array_fill(0, ARRAY[array_length(back, 1)]));
    RETURN array_length(back, 1);
END $$;

-- --- by hand ------------------------------------------------------------------------------------

CREATE FUNCTION gaff.replay(p_slot int, p_ids bigint[], p_now bigint) RETURNS int
LANGUAGE plpgsql SET enable_seqscan = off SET jit = off AS $$
DECLARE
    ids bigint[];
    states int[];
BEGIN
    WITH gone AS (
        DELETE FROM gaff.deliveries d WHERE d.id = ANY (p_ids) RETURNING d.*),
    put AS (
        INSERT INTO gaff.queue (id, event_id, destination, route, order_key, state, attempts,
                                created_ms, next_ms, reason, listed)
        SELECT g.id, g.event_id, g.destination, g.route, g.order_key, 0, g.attempts, g.created_ms,
               p_now, '', g.listed FROM gone g ORDER BY g.id)
    SELECT array_agg(g.id), array_agg(g.state) INTO ids, states FROM gone g;
    IF ids IS NULL THEN
        RETURN 0;
    END IF;
    PERFORM gaff.moved(p_slot, ids, states, array_fill(0, ARRAY[array_length(ids, 1)]));
    RETURN array_length(ids, 1);
END $$;

CREATE FUNCTION gaff.cancel(p_slot int, p_ids bigint[], p_now bigint) RETURNS int
LANGUAGE plpgsql SET enable_seqscan = off SET jit = off AS $$
DECLARE
    ids bigint[];
BEGIN
    WITH gone AS (
        DELETE FROM gaff.queue q WHERE q.id = ANY (p_ids) AND q.state = 0 RETURNING q.*),
    put AS (
        INSERT INTO gaff.deliveries (id, event_id, destination, route, order_key, state, attempts,
                                     created_ms, next_ms, settled_ms, reason, listed)
        SELECT g.id, g.event_id, g.destination, g.route, g.order_key, 5, g.attempts, g.created_ms,
               g.next_ms, p_now, 'cancelled by hand', g.listed FROM gone g)
    SELECT array_agg(g.id) INTO ids FROM gone g;
    IF ids IS NULL THEN
        RETURN 0;
    END IF;
    PERFORM gaff.moved(p_slot, ids, array_fill(0, ARRAY[array_length(ids, 1)]),
                       array_fill(5, ARRAY[array_length(ids, 1)]));
    RETURN array_length(ids, 1);
END $$;

-- False: there is no such event.
CREATE FUNCTION gaff.add_delivery(p_epoch bigint, p_slot int, p_stamp bigint, p_id bigint,
                                  p_event bigint, p_destination text, p_route text,
                                  p_order bigint, p_claimed boolean, p_created bigint,
                                  p_next bigint, p_listed boolean)
RETURNS boolean LANGUAGE plpgsql SET enable_seqscan = off SET jit = off AS $$
BEGIN
    PERFORM 1 FROM gaff.events e WHERE e.id = p_event FOR KEY SHARE;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    INSERT INTO gaff.queue (id, event_id, destination, route, order_key, state, attempts,
                            created_ms, next_ms, epoch, stamp, reason, listed)
        VALUES (p_id, p_event, p_destination, p_route, p_order, p_claimed::int, 0, p_created,
                p_next, CASE WHEN p_claimed THEN p_epoch END, CASE WHEN p_claimed THEN p_stamp END,
                '', p_listed);
    PERFORM gaff.moved(p_slot, ARRAY[p_id], ARRAY[-1], ARRAY[p_claimed::int]);
    RETURN true;
END $$;

-- Takes the content out of an event (p_attempt 0), or of an attempt of the delivery p_id. False: there
-- is no such. What other nodes still have of it in memory they are told to forget.
CREATE FUNCTION gaff.expunge(p_slot int, p_id bigint, p_attempt int) RETURNS boolean
LANGUAGE plpgsql SET enable_seqscan = off SET jit = off AS $$
DECLARE
    freed bigint;
BEGIN
    IF p_attempt > 0 THEN
        UPDATE gaff.attempts a SET request = '', response = ''
            WHERE a.delivery_id = p_id AND a.number = p_attempt;
        RETURN FOUND;
    END IF;
    SELECT octet_length(e.body) INTO freed FROM gaff.events e WHERE e.id = p_id FOR UPDATE;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    UPDATE gaff.events e SET body = '', flags = e.flags | 8 WHERE e.id = p_id;
    INSERT INTO gaff.counters AS c (slot, day, bytes) VALUES (p_slot, gaff.day(p_id), -freed)
        ON CONFLICT (slot, day) DO UPDATE SET bytes = c.bytes + excluded.bytes;
    PERFORM pg_notify('gaff_expunged', p_id::text);
    RETURN true;
END $$;

-- --- retention ----------------------------------------------------------------------------------

-- Drops the oldest whole day when all of it lies before the day p_before and nothing of it waits:
-- how many events went; NULL: there is none to drop.
CREATE FUNCTION gaff.drop_day(p_before int) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    d int;
    least bigint;
    most bigint;
    gone bigint;
BEGIN
    SELECT min((to_date(right(c.relname, 8), 'YYYYMMDD') - date '2020-01-01')) INTO d
        FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent = 'gaff.events'::regclass AND c.relname ~ '^events_[0-9]{8}$';
    IF d IS NULL OR d >= p_before THEN
        RETURN NULL;
    END IF;
    least := (d::bigint * 86400000) << 21;
    most := ((d + 1)::bigint * 86400000) << 21;
    IF EXISTS (SELECT 1 FROM gaff.queue q WHERE q.event_id < most)
       OR EXISTS (SELECT 1 FROM gaff.queue q WHERE q.id < most) THEN
        RETURN NULL;
    END IF;
    PERFORM set_config('lock_timeout', '2s', true);
    EXECUTE format('DROP TABLE gaff.%I', 'events_' || to_char(date '2020-01-01' + d, 'YYYYMMDD'));
    EXECUTE format('DROP TABLE IF EXISTS gaff.%I',
                   'deliveries_' || to_char(date '2020-01-01' + d, 'YYYYMMDD'));
    EXECUTE format('DROP TABLE IF EXISTS gaff.%I',
                   'attempts_' || to_char(date '2020-01-01' + d, 'YYYYMMDD'));
    -- Later deliveries of those events, made by a replay.
    DELETE FROM gaff.deliveries x WHERE x.event_id >= least AND x.event_id < most;
    WITH c AS (DELETE FROM gaff.counters c WHERE c.day = d RETURNING c.events)
    SELECT sum(c.events) INTO gone FROM c;
    RETURN coalesce(gone, 0);
END $$;

-- Deletes settled events one by one, from the id p_from on: those received before p_before_ms, or
-- until p_bytes were freed; p_step at most. go_on: where to go on; 0 at the end.
CREATE FUNCTION gaff.purge(p_slot int, p_from bigint, p_most bigint, p_before_ms bigint,
                           p_bytes bigint, p_step int, OUT deleted int, OUT go_on bigint)
LANGUAGE plpgsql SET enable_seqscan = off SET jit = off AS $$
DECLARE
    r record;
    gone bigint[] := '{}';
    freed bigint := 0;
    looked int := 0;
BEGIN
    deleted := 0;
    go_on := 0;
    FOR r IN SELECT e.id, octet_length(e.head) + octet_length(e.body) + 200 AS bytes
             FROM gaff.events e WHERE e.id >= p_from AND e.id < p_most
               AND (p_bytes > 0 OR e.received_ms <= p_before_ms) ORDER BY e.id LIMIT 20000 LOOP
        looked := looked + 1;
        go_on := r.id + 1;
        CONTINUE WHEN EXISTS (SELECT 1 FROM gaff.queue q WHERE q.event_id = r.id);
        gone := gone || r.id;
        deleted := deleted + 1;
        freed := freed + r.bytes;
        EXIT WHEN deleted = p_step OR (p_bytes > 0 AND freed >= p_bytes);
    END LOOP;
    IF deleted < p_step AND looked < 20000 THEN
        go_on := 0;
    END IF;
    IF deleted = 0 THEN
        RETURN;
    END IF;
    WITH e AS (
        DELETE FROM gaff.events e WHERE e.id = ANY (gone)
            RETURNING e.id, octet_length(e.head) + octet_length(e.body) + 200 AS bytes)
    INSERT INTO gaff.counters AS c (slot, day, events, bytes)
        SELECT p_slot, gaff.day(e.id), -count(*), -sum(e.bytes) FROM e GROUP BY gaff.day(e.id)
        ON CONFLICT (slot, day) DO UPDATE SET events = c.events + excluded.events,
            bytes = c.bytes + excluded.bytes;
    DECLARE
        ids bigint[];
        states int[];
    BEGIN
        WITH d AS (
            DELETE FROM gaff.deliveries d WHERE d.event_id = ANY (gone) RETURNING d.id, d.state)
        SELECT array_agg(d.id), array_agg(d.state) INTO ids, states FROM d;
        IF ids IS NOT NULL THEN
            DELETE FROM gaff.attempts a WHERE a.delivery_id = ANY (ids);
            PERFORM gaff.moved(p_slot, ids, states, array_fill(-1, ARRAY[array_length(ids, 1)]));
        END IF;
    END;
END $$;

-- Called first in each commit of a node with `require_replicated`.
CREATE FUNCTION gaff.must_be_replicated() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('synchronous_standby_names') = ''
       OR current_setting('synchronous_commit') NOT IN ('on', 'remote_apply') THEN
        RAISE EXCEPTION 'commits are not replicated (synchronous_standby_names, '
            'synchronous_commit), and require_replicated is set';
    END IF;
END $$;

-- --- objects ------------------------------------------------------------------------------------

-- Sets of changes, each whole or not at all. Rows: one a change that was made (place from 0; its
-- version, sequence and time of making), and one a set that was not (err 1: conflict, 2: nothing
-- there; place: the change at fault). One node at a time, so that the order of the sequence is the
-- order in which others see the changes.
CREATE FUNCTION gaff.change_objects(
    p_now bigint, c_set int[], c_delete boolean[], c_kind text[], c_id bytea[], c_parent bytea[],
    c_name bytea[], c_created bigint[], c_updated bigint[], c_expires bigint[], c_doc bytea[],
    c_expect bigint[])
RETURNS TABLE (set_number int, err int, place int, version bigint, sequence bigint,
               created_ms bigint)
LANGUAGE plpgsql SET enable_seqscan = off SET jit = off AS $$
#variable_conflict use_column
DECLARE
    i int := 1;
    n int := coalesce(array_length(c_set, 1), 0);
    first int;
    made gaff.objects[];
    o gaff.objects;
    there gaff.objects;
    wrong int;
BEGIN
    PERFORM pg_advisory_xact_lock(7205759405);
    WHILE i <= n LOOP
        first := i;
        made := '{}';
        BEGIN
            WHILE i <= n AND c_set[i] = c_set[first] LOOP
                SELECT * INTO there FROM gaff.objects x
                    WHERE x.kind = c_kind[i] AND x.id = c_id[i];
                wrong := CASE WHEN c_expect[i] = -1 AND there.kind IS NOT NULL THEN 1
                              WHEN c_expect[i] > 0 AND there.kind IS NULL THEN 2
                              WHEN c_expect[i] > 0 AND there.version <> c_expect[i] THEN 1
                              WHEN NOT c_delete[i] AND c_name[i] <> '' AND EXISTS (
                                   SELECT 1 FROM gaff.objects x WHERE x.kind = c_kind[i]
                                     AND x.parent = c_parent[i] AND x.name = c_name[i]
                                     AND x.name <> '' AND x.id <> c_id[i]) THEN 1
                              ELSE 0 END;
                IF wrong > 0 THEN
                    RAISE EXCEPTION 'refused' USING ERRCODE = 'GF001';
                END IF;
                o := NULL;
                IF NOT c_delete[i] THEN
                    INSERT INTO gaff.objects AS x VALUES (
                        c_kind[i], c_id[i], c_parent[i], c_name[i], 1,
                        nextval('gaff.object_seq'), c_created[i], c_updated[i], c_expires[i],
                        c_doc[i])
                    ON CONFLICT (kind, id) DO UPDATE SET parent = excluded.parent,
                        name = excluded.name, version = x.version + 1,
                        sequence = excluded.sequence, updated_ms = excluded.updated_ms,
                        expires_ms = excluded.expires_ms, doc = excluded.doc
                    RETURNING x.* INTO o;
                ELSIF there.kind IS NOT NULL THEN
                    DELETE FROM gaff.objects x WHERE x.kind = c_kind[i] AND x.id = c_id[i];
                    INSERT INTO gaff.objects_gone VALUES (
                        nextval('gaff.object_seq'), there.kind, there.id, there.parent, there.name,
                        p_now);
                END IF;
                made := made || o;
                i := i + 1;
            END LOOP;
            RETURN QUERY SELECT c_set[first], 0, (m.place - 1)::int, m.version, m.sequence,
                                m.created_ms
                FROM unnest(made) WITH ORDINALITY AS m (kind, id, parent, name, version, sequence,
                    created_ms, updated_ms, expires_ms, doc, place) WHERE m.version IS NOT NULL;
        EXCEPTION WHEN SQLSTATE 'GF001' THEN
            RETURN QUERY SELECT c_set[first], wrong, i - first, 0::bigint, 0::bigint, 0::bigint;
            WHILE i <= n AND c_set[i] = c_set[first] LOOP
                i := i + 1;
            END LOOP;
        END;
    END LOOP;
    -- Sent at the end of the transaction. (These wait for one another here in any case.)
    PERFORM pg_notify('gaff_objects', '');
END $$;

-- Objects past their time, and deletions nobody follows any more.
CREATE FUNCTION gaff.purge_objects(p_now bigint, p_gone_before bigint) RETURNS void
LANGUAGE plpgsql SET enable_seqscan = off SET jit = off AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM gaff.objects o WHERE o.expires_ms > 0 AND o.expires_ms <= p_now) THEN
        PERFORM pg_advisory_xact_lock(7205759405);
        WITH o AS (
            DELETE FROM gaff.objects x WHERE (x.kind, x.id) IN (
                SELECT y.kind, y.id FROM gaff.objects y
                    WHERE y.expires_ms > 0 AND y.expires_ms <= p_now LIMIT 1000)
            RETURNING x.*)
        INSERT INTO gaff.objects_gone
            SELECT nextval('gaff.object_seq'), o.kind, o.id, o.parent, o.name, p_now FROM o;
        PERFORM pg_notify('gaff_objects', '');
    END IF;
    DELETE FROM gaff.objects_gone WHERE gone_ms <= p_gone_before;
END $$;
