-- As before, but for nodes that start at the same moment: to_regclass asks a cache that does not yet
-- know what another session made while this one waited for the lock; the catalogue itself does.
CREATE OR REPLACE FUNCTION gaff.prepare_days(p_first int, p_last int) RETURNS void
LANGUAGE plpgsql AS $$
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
            IF EXISTS (SELECT 1 FROM pg_class c WHERE c.relname = part
                         AND c.relnamespace = 'gaff'::regnamespace) THEN
                CONTINUE;
            END IF;
            EXECUTE format('CREATE TABLE gaff.%I PARTITION OF gaff.%I FOR VALUES FROM (%s) TO (%s)',
                           part, t, (d::bigint * 86400000) << 21,
                           ((d + 1)::bigint * 86400000) << 21);
        END LOOP;
    END LOOP;
END $$;
