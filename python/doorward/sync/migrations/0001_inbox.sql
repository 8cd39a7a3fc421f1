-- Messages, each once. `due_at` is when a waiting message may be taken: at once, after a back-off, or when the lease of
-- the worker that holds it (`claim`) has run out. All times are milliseconds since the Unix epoch.
CREATE TABLE {p}doorward_inbox (
    id VARCHAR(255) NOT NULL PRIMARY KEY,
    type VARCHAR(255) NOT NULL,
    payload TEXT NOT NULL,
    state VARCHAR(8) NOT NULL CHECK (state IN ('waiting', 'done', 'dead')),
    received_at BIGINT NOT NULL,
    due_at BIGINT NOT NULL,
    claim VARCHAR(40),
    claims BIGINT NOT NULL,
    failures BIGINT NOT NULL,
    last_error TEXT,
    finished_at BIGINT
);
CREATE INDEX {p}doorward_inbox_due ON {p}doorward_inbox (due_at) WHERE state = 'waiting';
CREATE INDEX {p}doorward_inbox_finished ON {p}doorward_inbox (finished_at) WHERE state <> 'waiting';
CREATE INDEX {p}doorward_inbox_received ON {p}doorward_inbox (received_at, id);
