-- What is looked over without being changed.

-- name: rows_and_times
-- How many rows a file has, how many of them lie under another day, and how many come from the future. The last is a
-- sum over every value: to find out that a column cannot be read, it has to be read.
SELECT
    count(*),
    count(*) FILTER (WHERE CAST(report_time AS DATE) <> CAST($day AS DATE)),
    count(*) FILTER (WHERE report_time > $latest),
    bit_xor(hash(looked_at))
FROM (SELECT * FROM {{rows}}) AS looked_at;

-- name: stored_twice
-- How many records there are more than once.
SELECT count(*)
FROM (SELECT 1 FROM {{rows}} GROUP BY org_uuid, report_id HAVING count(*) > 1);
