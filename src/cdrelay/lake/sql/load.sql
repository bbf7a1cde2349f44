-- The statements of one load. `arrived` has a row for each line: its block and row, and the three keys as text.

-- name: keep_as_written
-- Every join here names the large side first. Left to itself the engine, which cannot know the size of what Python hands
-- it, would build its hash table from the lines and their JSON: a third slower. And of each of a hundred short lists
-- after IN it would think whether it is better a join, which takes a sixth of a small load.
SET disabled_optimizers = 'join_order,build_side_probe_side,in_clause';

-- name: keys
-- The keys of what arrived, normalised; `sure` is false where the thorough reading must decide.
CREATE OR REPLACE TEMP TABLE keys AS
SELECT
    block, row,
    lower(org_uuid) AS org_uuid,
    lower(report_id) AS report_id,
    TRY_CAST(report_time AS TIMESTAMP WITH TIME ZONE) AS report_time,
    coalesce(
        CAST(TRY_CAST(org_uuid AS UUID) AS VARCHAR) = lower(org_uuid)
        AND CAST(TRY_CAST(report_id AS UUID) AS VARCHAR) = lower(report_id)
        AND {{sure_report_time}}
        AND TRY_CAST(report_time AS TIMESTAMP WITH TIME ZONE) BETWEEN $oldest AND $newest,
        false
    ) AS sure
FROM arrived;

-- name: replace_key
-- What the thorough reading found out about a line.
UPDATE keys
SET org_uuid = $org_uuid, report_id = $report_id, report_time = $report_time, sure = true
WHERE block = $block AND row = $row;

-- name: unsure_lines
-- The lines that must be read thoroughly.
SELECT block, row FROM keys WHERE NOT sure ORDER BY block, row;

-- name: newest_in_batch
-- Of several versions in one batch the newest; of equal ones the first that came. The order is packed into one number:
-- microseconds first, then the place in the batch, backwards.
CREATE OR REPLACE TEMP TABLE newest AS
SELECT org_uuid, report_id, max(report_time) AS report_time, unnest(arg_max(
    {block: block, row: row},
    CAST(epoch_us(report_time) AS HUGEINT) * 1152921504606846976 - (CAST(block AS HUGEINT) * 4294967296 + row)
))
FROM keys
WHERE sure
GROUP BY org_uuid, report_id;

-- name: range_of_newest
-- Where in time the batch lies.
SELECT min(report_time), max(report_time) FROM newest;

-- name: stored_versions
-- What the table holds already of the batch's records. Duplicates come from replays, repairs and crashes before the
-- spool was emptied.
CREATE OR REPLACE TEMP TABLE stored AS
SELECT n.block, n.row, r.report_time, r.filename AS file
FROM {{located_rows}} AS r
JOIN newest AS n ON r.report_id = n.report_id AND r.org_uuid = n.org_uuid
WHERE r.report_time BETWEEN {{earliest}} AND {{latest}};

-- name: no_stored_versions
-- The same where no file can hold any.
CREATE OR REPLACE TEMP TABLE stored AS
SELECT block, row, report_time, '' AS file FROM newest LIMIT 0;

-- name: due
-- The lines that are new or newer than what is stored, with the day their file is for.
CREATE OR REPLACE TEMP TABLE due AS
SELECT n.block, n.row, CAST(n.report_time AS DATE) AS day, s.row IS NOT NULL AS corrects
FROM newest AS n
LEFT JOIN (SELECT block, row, max(report_time) AS report_time FROM stored GROUP BY block, row) AS s
    ON s.block = n.block AND s.row = n.row
WHERE s.row IS NULL OR s.report_time < n.report_time;

-- name: due_by_block
-- How many lines of each block go into the file of each day.
SELECT day, block, count(*), count(*) FILTER (corrects) FROM due GROUP BY day, block ORDER BY day, block;

-- name: files_to_rewrite
-- Files that hold a version older than what the batch brings.
SELECT DISTINCT s.file FROM stored AS s JOIN due AS d ON d.block = s.block AND d.row = s.row ORDER BY s.file;

-- name: unsure_values
-- The lines due on a day that hold a value whose cast is not sure. In the FILTER of an aggregate, because the engine would
-- push a WHERE down to where it parses the JSON anew for each test: 400 MB for 5,000 lines.
SELECT unnest(coalesce(list({block: block, row: row}) FILTER ({{misfit}}), []), recursive := true)
FROM (
    SELECT a.block, a.row, unnest(from_json(a.json, {{json_structure}})), {{identity_as_read}}
    FROM arrived AS a
    JOIN due AS d ON d.block = a.block AND d.row = a.row AND d.day = $day
);

-- name: due_rows
-- The one pass from JSON to Parquet. A line with a value whose cast is not sure is marked; the file is then written anew.
-- Not stopped with error(): the engine (2.0.0) at times hangs for good when a COPY fails with writes under way.
SELECT {{columns}}
FROM (
    SELECT
        {{typed_columns}},
        CAST({{load_seq}} AS BIGINT) AS load_seq,
        own_source AS source, own_channel AS channel, own_payload AS payload, own_received AS received,
        CASE WHEN {{unsure}} THEN {{mark}} ELSE own_extra END AS extra
    FROM (
        -- Beside the keys of a record, of which some may have any name.
        SELECT
            unnest(from_json(a.json, {{json_structure}})), {{identity_as_read}},
            a.extra AS own_extra, o.source AS own_source, o.channel AS own_channel,
            o.payload AS own_payload, o.received AS own_received
        FROM arrived AS a
        JOIN due AS d ON d.block = a.block AND d.row = a.row AND d.day = {{day}}
        JOIN origins AS o ON o.block = a.block
    )
);

-- name: rewrite_file
-- A file without the versions that the batch replaces.
SELECT {{columns}}
FROM {{rows}} AS r
WHERE NOT EXISTS (
    SELECT 1
    FROM newest AS n
    WHERE n.org_uuid = r.org_uuid AND n.report_id = r.report_id AND n.report_time > r.report_time
);
