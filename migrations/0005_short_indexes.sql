-- Each call writes into all three, at random places into two: without the id they are half as large, and so are
-- the pages that change. Calls of the same moment are put in order when they are read.
DROP INDEX calls_started;
DROP INDEX calls_agent;
DROP INDEX calls_customer;
CREATE INDEX calls_started ON calls (started_at);
CREATE INDEX calls_agent ON calls (agent, started_at);
CREATE INDEX calls_customer ON calls (customer, started_at);
