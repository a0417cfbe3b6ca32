-- What each destination has, kept with every change of its deliveries, so that nobody needs to count
-- them. What the index of the dead was for is in there.
CREATE TABLE queues (
    destination INTEGER PRIMARY KEY,
    pending INTEGER NOT NULL,
    claimed INTEGER NOT NULL,
    dead INTEGER NOT NULL
);
INSERT INTO queues
    SELECT destination, sum(pending), sum(claimed), sum(dead) FROM
        (SELECT destination, count(*) AS pending, 0 AS claimed, 0 AS dead
            FROM deliveries INDEXED BY deliveries_due WHERE state = 0 GROUP BY destination
         UNION ALL SELECT destination, 0, count(*), 0
            FROM deliveries INDEXED BY deliveries_by_state WHERE state = 1 AND state <> 2
            GROUP BY destination
         UNION ALL SELECT destination, 0, 0, count(*)
            FROM deliveries INDEXED BY deliveries_dead WHERE state = 3 GROUP BY destination)
    GROUP BY destination;
DROP INDEX deliveries_dead;
-- Those that wait and are not due from their birth on: retried, replayed or put off. Of all others
-- the one that is due first is the oldest.
CREATE INDEX deliveries_put_off ON deliveries (destination) WHERE state = 0 AND next_ms <> created_ms;
