-- Times are seconds since 1970; what is "key" never leaves the database.
CREATE TABLE models (
    key          INTEGER PRIMARY KEY,
    folder       TEXT NOT NULL UNIQUE,
    name         TEXT NOT NULL,
    architecture TEXT,
    parameters   INTEGER,
    hash         TEXT,
    last_used    INTEGER NOT NULL
);

CREATE TABLE datasets (
    key        INTEGER PRIMARY KEY,
    train      TEXT NOT NULL UNIQUE,
    validation TEXT,
    name       TEXT NOT NULL,
    rows       INTEGER,
    last_used  INTEGER NOT NULL
);

CREATE TABLE experiments (
    key  INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
);

CREATE TABLE runs (
    key                INTEGER PRIMARY KEY,
    id                 TEXT NOT NULL UNIQUE,
    name               TEXT NOT NULL,
    state              TEXT NOT NULL,
    experiment         INTEGER REFERENCES experiments (key) ON DELETE SET NULL,
    model              INTEGER NOT NULL REFERENCES models (key),
    dataset            INTEGER NOT NULL REFERENCES datasets (key),
    method             TEXT NOT NULL,
    n_virtual          INTEGER NOT NULL,
    config             TEXT NOT NULL,
    facts              TEXT,
    trained_parameters INTEGER,
    stored_parameters  INTEGER,
    best_loss          REAL,
    best_step          INTEGER,
    last_loss          REAL,
    step               INTEGER NOT NULL DEFAULT 0,
    total_steps        INTEGER NOT NULL DEFAULT 0,
    created            INTEGER NOT NULL,
    started            INTEGER,
    ended              INTEGER,
    duration_secs      REAL NOT NULL DEFAULT 0,
    sparkline          TEXT NOT NULL DEFAULT '[]',
    failure_what       TEXT,
    failure_advice     TEXT,
    starred            INTEGER NOT NULL DEFAULT 0,
    -- Rises when steps were dropped: what was read before is void.
    revision           INTEGER NOT NULL DEFAULT 0,
    -- Lengths and times of the folder's files when the row last agreed with them.
    synced             TEXT
);

CREATE TABLE metrics (
    run   INTEGER NOT NULL REFERENCES runs (key) ON DELETE CASCADE,
    step  INTEGER NOT NULL,
    name  TEXT NOT NULL,
    -- NULL is not a number.
    value REAL,
    PRIMARY KEY (run, step, name)
) WITHOUT ROWID;

CREATE TABLE evaluations (
    key          INTEGER PRIMARY KEY AUTOINCREMENT,
    run          INTEGER NOT NULL REFERENCES runs (key) ON DELETE CASCADE,
    step         INTEGER NOT NULL,
    loss         REAL,
    best         INTEGER NOT NULL,
    elapsed_secs REAL,
    UNIQUE (run, step)
);

CREATE TABLE samples (
    key       INTEGER PRIMARY KEY AUTOINCREMENT,
    run       INTEGER NOT NULL REFERENCES runs (key) ON DELETE CASCADE,
    step      INTEGER NOT NULL,
    row       INTEGER NOT NULL,
    prompt    TEXT NOT NULL,
    reference TEXT NOT NULL,
    text      TEXT NOT NULL,
    UNIQUE (run, step, row)
);

CREATE TABLE checkpoints (
    run    INTEGER NOT NULL REFERENCES runs (key) ON DELETE CASCADE,
    step   INTEGER NOT NULL,
    -- Inside the run's folder.
    folder TEXT NOT NULL,
    best   INTEGER NOT NULL,
    PRIMARY KEY (run, step)
) WITHOUT ROWID;

CREATE TABLE log (
    key   INTEGER PRIMARY KEY AUTOINCREMENT,
    run   INTEGER NOT NULL REFERENCES runs (key) ON DELETE CASCADE,
    at    INTEGER NOT NULL,
    level TEXT NOT NULL,
    text  TEXT NOT NULL
);
CREATE INDEX log_of_run ON log (run, key);

CREATE TABLE notes (
    run  INTEGER PRIMARY KEY REFERENCES runs (key) ON DELETE CASCADE,
    text TEXT NOT NULL
);

CREATE TABLE tags (
    run INTEGER NOT NULL REFERENCES runs (key) ON DELETE CASCADE,
    tag TEXT NOT NULL,
    PRIMARY KEY (run, tag)
) WITHOUT ROWID;
