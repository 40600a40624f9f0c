-- Every set of rules that was ever saved, as it was written. Versions are never changed.
CREATE TABLE rule_sets (
    version  INTEGER PRIMARY KEY,
    saved_at TEXT NOT NULL,
    saved_by TEXT NOT NULL,
    note     TEXT NOT NULL,
    body     TEXT NOT NULL
) STRICT;

-- The one that is in force: the newest row; without a version none is. Rows are only ever added.
CREATE TABLE rule_activations (
    number       INTEGER PRIMARY KEY,
    version      INTEGER REFERENCES rule_sets (version),
    activated_at TEXT NOT NULL,
    activated_by TEXT NOT NULL
) STRICT;
