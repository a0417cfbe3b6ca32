-- Deliveries of one destination that ended without success: to count them. What is delivered pays
-- nothing for it.
CREATE INDEX deliveries_unsent ON gaff.deliveries (destination, id, state)
    WHERE listed AND state <> 2;
