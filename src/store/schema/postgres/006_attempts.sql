-- Attempts that failed, and those that ended without one, of one destination: for lists and counts
-- that need not read the ones that succeeded, which pay nothing for these.
CREATE INDEX attempts_failed ON gaff.attempts (destination, id)
    WHERE id <> 0 AND result IN (1, 2, 5);
CREATE INDEX attempts_ended ON gaff.attempts (destination, id) WHERE id <> 0 AND result IN (3, 4);
