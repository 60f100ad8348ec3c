-- Put away by the user.
ALTER TABLE runs ADD COLUMN archived INTEGER NOT NULL DEFAULT 0;
-- The run's run.json has its star, tags, notes and whether it is put away.
ALTER TABLE runs ADD COLUMN marks_kept INTEGER NOT NULL DEFAULT 0;
-- Figures by their names, as JSON; NULL where they are still to be found among the evaluations.
ALTER TABLE runs ADD COLUMN figures TEXT;
CREATE INDEX runs_without_figures ON runs (key) WHERE figures IS NULL;
