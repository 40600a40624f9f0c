-- The two indexes that are written at random places hold the moment in milliseconds instead of as text: half as
-- large, so half as many pages change with each call. Rows of an older program have no such moment; they stay in
-- indexes of their own, by the text, and a list reads both.
ALTER TABLE calls ADD COLUMN started_ms INTEGER;
DROP INDEX calls_agent;
DROP INDEX calls_customer;
CREATE INDEX calls_agent ON calls (agent, started_ms) WHERE started_ms IS NOT NULL;
CREATE INDEX calls_customer ON calls (customer, started_ms) WHERE started_ms IS NOT NULL;
CREATE INDEX calls_agent_by_text ON calls (agent, started_at) WHERE started_ms IS NULL;
CREATE INDEX calls_customer_by_text ON calls (customer, started_at) WHERE started_ms IS NULL;
