-- How far a backfill has come, so that it resumes where it was stopped.
CREATE TABLE {p}doorward_backfill (
    resource VARCHAR(40) NOT NULL PRIMARY KEY,
    place TEXT,
    seen BIGINT NOT NULL,
    total BIGINT,
    started_at BIGINT NOT NULL,
    finished_at BIGINT
);
