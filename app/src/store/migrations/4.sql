-- The figure by which an evaluation is the best, as JSON; NULL is the loss.
ALTER TABLE evaluations ADD COLUMN metric TEXT;

-- Evaluations of whole files of rows: a file below evaluations/ in the run's folder, and its record as JSON.
CREATE TABLE kept_evaluations (
    run    INTEGER NOT NULL REFERENCES runs (key) ON DELETE CASCADE,
    name   TEXT NOT NULL,
    record TEXT NOT NULL,
    PRIMARY KEY (run, name)
) WITHOUT ROWID;
