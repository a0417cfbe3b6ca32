-- Deliveries of one destination that ended without success, and those that wait for another attempt:
-- to count them. What is delivered at its first attempt pays nothing for these, and no row is read
-- for a count, for its id is in every index.
CREATE INDEX deliveries_unsent ON deliveries (destination, state) WHERE listed <> 0 AND state > 2;
CREATE INDEX deliveries_retried ON deliveries (destination)
    WHERE listed <> 0 AND state = 0 AND attempts > 0;
