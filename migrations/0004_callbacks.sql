-- Who is to be called back. What is asked for in a query has a column of its own; the rest is in `record`.
CREATE TABLE callbacks (
    id           TEXT PRIMARY KEY,
    state        TEXT NOT NULL,
    person       TEXT,
    customer     TEXT,
    requested_at TEXT NOT NULL,
    ended_at     TEXT,
    record       TEXT NOT NULL
) STRICT;
CREATE INDEX callbacks_requested ON callbacks (requested_at DESC, id DESC);
CREATE INDEX callbacks_person ON callbacks (person, requested_at DESC, id DESC);
CREATE INDEX callbacks_open ON callbacks (ended_at, requested_at);

-- Who waits for a line has this head start.
ALTER TABLE lines ADD COLUMN priority INTEGER NOT NULL DEFAULT 0;
