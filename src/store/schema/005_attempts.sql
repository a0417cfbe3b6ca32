-- Attempts that failed, and those that ended without one, of one destination: for lists and counts
-- that need not read the ones that succeeded, which pay nothing for these. The result is in the
-- index for counts to need nothing else.
CREATE INDEX attempts_failed ON attempts (destination, id, result)
    WHERE id <> 0 AND result IN (1, 2, 5);
CREATE INDEX attempts_ended ON attempts (destination, id, result)
    WHERE id <> 0 AND result IN (3, 4);
