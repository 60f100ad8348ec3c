-- As metrics.jsonl spells it.
UPDATE metrics SET name = 'labeled_tokens' WHERE name = 'labelled_tokens';
