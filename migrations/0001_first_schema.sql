-- Moments are RFC 3339 text in UTC with nine digits of fraction, so that text order is time order in every engine.
-- Truth values are 0 and 1. STRICT is SQLite's; everything else is portable.

CREATE TABLE agents (
    id      TEXT PRIMARY KEY,
    name    TEXT NOT NULL,
    kana    TEXT,
    role    TEXT NOT NULL CHECK (role IN ('agent', 'supervisor', 'manager')),
    contact TEXT NOT NULL
) STRICT;

CREATE TABLE agent_groups (
    agent      TEXT NOT NULL REFERENCES agents (id) ON DELETE CASCADE,
    position   INTEGER NOT NULL,
    group_name TEXT NOT NULL,
    PRIMARY KEY (agent, position)
) STRICT;

CREATE TABLE agent_skills (
    agent    TEXT NOT NULL REFERENCES agents (id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    skill    TEXT NOT NULL,
    PRIMARY KEY (agent, position)
) STRICT;

CREATE TABLE presence (
    agent      TEXT PRIMARY KEY REFERENCES agents (id) ON DELETE CASCADE,
    status     TEXT NOT NULL CHECK (status IN ('offline', 'available', 'away')),
    reason     TEXT,
    until      TEXT,
    next_start TEXT,
    set_by     TEXT NOT NULL CHECK (set_by IN ('automatic', 'shift', 'manual', 'supervisor')),
    since      TEXT NOT NULL,
    CHECK ((status = 'away') = (reason IS NOT NULL))
) STRICT;

-- match_key is what a called number is compared with; number is what people read.
CREATE TABLE lines (
    match_key      TEXT PRIMARY KEY,
    number         TEXT NOT NULL,
    client         TEXT NOT NULL,
    greeting_ja    TEXT,
    greeting_en    TEXT,
    group_name     TEXT,
    assigned_first INTEGER NOT NULL CHECK (assigned_first IN (0, 1))
) STRICT;

CREATE TABLE customers (
    id       TEXT PRIMARY KEY,
    name     TEXT NOT NULL,
    kana     TEXT,
    company  TEXT,
    rank     TEXT,
    language TEXT NOT NULL CHECK (language IN ('ja', 'en')),
    assignee TEXT REFERENCES agents (id)
) STRICT;

-- e164 is the key of a look-up; a number that could not be read has none and is kept as it was written.
CREATE TABLE customer_numbers (
    customer  TEXT NOT NULL REFERENCES customers (id) ON DELETE CASCADE,
    position  INTEGER NOT NULL,
    e164      TEXT,
    raw       TEXT NOT NULL,
    kind      TEXT,
    extension TEXT,
    PRIMARY KEY (customer, position)
) STRICT;
CREATE INDEX customer_numbers_e164 ON customer_numbers (e164, customer);

-- loudness: 1 info, 2 warn, 3 danger. imported: the row came with a file and the next file may replace it.
CREATE TABLE notices (
    id       TEXT PRIMARY KEY,
    customer TEXT NOT NULL REFERENCES customers (id) ON DELETE CASCADE,
    loudness INTEGER NOT NULL CHECK (loudness BETWEEN 1 AND 3),
    body     TEXT NOT NULL,
    author   TEXT NOT NULL,
    at       TEXT NOT NULL,
    imported INTEGER NOT NULL CHECK (imported IN (0, 1))
) STRICT;
CREATE INDEX notices_customer ON notices (customer, loudness DESC, at DESC);

CREATE TABLE flags (
    customer TEXT NOT NULL REFERENCES customers (id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    code     TEXT NOT NULL,
    level    INTEGER,
    since    TEXT,
    PRIMARY KEY (customer, position)
) STRICT;

-- fingerprint covers customer, moment, agent, direction, channel and summary: the same contact is never added twice.
CREATE TABLE contacts (
    fingerprint TEXT PRIMARY KEY,
    customer    TEXT NOT NULL REFERENCES customers (id) ON DELETE CASCADE,
    at          TEXT NOT NULL,
    agent       TEXT NOT NULL REFERENCES agents (id),
    direction   TEXT NOT NULL CHECK (direction IN ('in', 'out')),
    channel     TEXT,
    summary     TEXT NOT NULL,
    disposition TEXT
) STRICT;
CREATE INDEX contacts_customer ON contacts (customer, at DESC, fingerprint DESC);

-- record is the whole call as JSON, traces included; the columns beside it are for finding. No foreign keys: a call
-- is recorded whatever became of its agent or customer.
CREATE TABLE calls (
    id         TEXT PRIMARY KEY,
    started_at TEXT NOT NULL,
    ended_at   TEXT,
    agent      TEXT,
    customer   TEXT,
    record     TEXT NOT NULL
) STRICT;
CREATE INDEX calls_started ON calls (started_at DESC, id DESC);
CREATE INDEX calls_agent ON calls (agent, started_at DESC, id DESC);
CREATE INDEX calls_customer ON calls (customer, started_at DESC, id DESC);

CREATE TABLE notice_acknowledgements (
    call   TEXT NOT NULL,
    notice TEXT NOT NULL,
    agent  TEXT NOT NULL,
    at     TEXT NOT NULL,
    PRIMARY KEY (call, notice)
) STRICT;

CREATE TABLE users (
    name          TEXT PRIMARY KEY,
    role          TEXT NOT NULL CHECK (role IN ('agent', 'supervisor', 'manager', 'admin')),
    agent         TEXT REFERENCES agents (id),
    password_hash TEXT NOT NULL
) STRICT;

-- token_hash is the SHA-256 of the token in hexadecimal: a stolen database opens no session.
CREATE TABLE sessions (
    token_hash TEXT PRIMARY KEY,
    user_name  TEXT NOT NULL REFERENCES users (name) ON DELETE CASCADE,
    agent      TEXT,
    role       TEXT NOT NULL,
    csrf       TEXT NOT NULL,
    expires_at TEXT NOT NULL
) STRICT;
CREATE INDEX sessions_expires ON sessions (expires_at);

CREATE TABLE audit (
    at        TEXT NOT NULL,
    user_name TEXT NOT NULL,
    action    TEXT NOT NULL,
    subject   TEXT NOT NULL,
    detail    TEXT NOT NULL
) STRICT;
CREATE INDEX audit_at ON audit (at);
CREATE INDEX audit_subject ON audit (subject, at);
