-- owner is agent:ID or team:NAME. day is mon … sun, holiday, or a date. Hours are HH:MM by the site's clock, an end that
-- is not after the start lies on the next day; no hours: no work.
CREATE TABLE shifts (
    owner      TEXT NOT NULL,
    day        TEXT NOT NULL,
    start_time TEXT,
    end_time   TEXT,
    PRIMARY KEY (owner, day),
    CHECK ((start_time IS NULL) = (end_time IS NULL))
) STRICT;

-- What the house adds to the shipped list of public holidays; without a name the day is none.
CREATE TABLE holidays (
    day  TEXT PRIMARY KEY,
    name TEXT
) STRICT;
