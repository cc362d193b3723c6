-- Seals: what a row has been damaged by and SQLite cannot see is noticed when the row is read. A seal is 32 bits over the
-- table and every other column of the row (FILE.md says how); null where the row was written before there were seals, or
-- by hand. Columns are added, no row of version 3 is rewritten.

ALTER TABLE network ADD COLUMN seal INTEGER;
ALTER TABLE clock ADD COLUMN seal INTEGER;
ALTER TABLE agent ADD COLUMN seal INTEGER;
ALTER TABLE protocol_set ADD COLUMN seal INTEGER;
ALTER TABLE source ADD COLUMN seal INTEGER;
ALTER TABLE peer ADD COLUMN seal INTEGER;
ALTER TABLE failure ADD COLUMN seal INTEGER;
ALTER TABLE backoff ADD COLUMN seal INTEGER;
ALTER TABLE candidate ADD COLUMN seal INTEGER;
ALTER TABLE tombstone ADD COLUMN seal INTEGER;
ALTER TABLE identity ADD COLUMN seal INTEGER;
ALTER TABLE bucket ADD COLUMN seal INTEGER;
ALTER TABLE member ADD COLUMN seal INTEGER;
ALTER TABLE held ADD COLUMN seal INTEGER;
ALTER TABLE session ADD COLUMN seal INTEGER;
ALTER TABLE value ADD COLUMN seal INTEGER;
ALTER TABLE provider ADD COLUMN seal INTEGER;
ALTER TABLE visit ADD COLUMN seal INTEGER;
