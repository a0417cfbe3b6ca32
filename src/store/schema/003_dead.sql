-- Dead letters by destination, to count them: what is delivered pays nothing for it.
CREATE INDEX deliveries_dead ON deliveries (destination) WHERE state = 3;
