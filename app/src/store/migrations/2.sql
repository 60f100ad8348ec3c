-- How often predictions are right at an evaluation, as JSON; null for tasks without predictions.
ALTER TABLE evaluations ADD COLUMN figures TEXT;
