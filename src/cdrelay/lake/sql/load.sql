-- The statements of one load. `arrived` is one row for each staged line: its number, the three keys as text.

-- name: keys
-- The keys of what arrived, normalised; `sure` is false where the thorough reading must decide.
CREATE OR REPLACE TEMP TABLE keys AS
SELECT
    line,
    lower(org_uuid) AS org_uuid,
    lower(report_id) AS report_id,
    TRY_CAST(report_time AS TIMESTAMP WITH TIME ZONE) AS report_time,
    coalesce(
        CAST(TRY_CAST(org_uuid AS UUID) AS VARCHAR) = lower(org_uuid)
        AND CAST(TRY_CAST(report_id AS UUID) AS VARCHAR) = lower(report_id)
        AND (report_time LIKE '____-__-__T__:__:__.___Z' OR report_time LIKE '____-__-__T__:__:__.______Z')
        AND TRY_CAST(report_time AS TIMESTAMP WITH TIME ZONE) BETWEEN $oldest AND $newest,
        false
    ) AS sure
FROM arrived;

-- name: replace_key
-- What the thorough reading found out about a line.
UPDATE keys SET org_uuid = $org_uuid, report_id = $report_id, report_time = $report_time, sure = true WHERE line = $line;

-- name: unsure_lines
SELECT line FROM keys WHERE NOT sure ORDER BY line;

-- name: newest_in_batch
-- Of several versions in one batch the newest; of equal ones the first that came.
CREATE OR REPLACE TEMP TABLE newest AS
SELECT org_uuid, report_id, min(line) AS line, report_time
FROM keys
WHERE sure
GROUP BY org_uuid, report_id, report_time
QUALIFY row_number() OVER (PARTITION BY org_uuid, report_id ORDER BY report_time DESC) = 1;

-- name: stored_versions
-- What the table holds already of the batch's records. Duplicates come from replays, repairs and crashes before the
-- spool was emptied.
CREATE OR REPLACE TEMP TABLE stored AS
SELECT n.line, n.org_uuid, n.report_id, r.report_time, r.filename AS file
FROM read_parquet({{files}}, filename = true) AS r
JOIN newest AS n ON r.report_id = n.report_id AND r.org_uuid = n.org_uuid
WHERE r.report_time BETWEEN {{earliest}} AND {{latest}};

-- name: no_stored_versions
CREATE OR REPLACE TEMP TABLE stored AS
SELECT line, org_uuid, report_id, report_time, '' AS file FROM newest LIMIT 0;

-- name: lines_to_write
-- The lines that are new or newer than what is stored, with the day their file is for.
SELECT n.line, CAST(n.report_time AS DATE) AS day, s.line IS NOT NULL AS corrects
FROM newest AS n
LEFT JOIN (SELECT DISTINCT line FROM stored) AS s ON s.line = n.line
WHERE NOT EXISTS (SELECT 1 FROM stored AS t WHERE t.line = n.line AND t.report_time >= n.report_time)
ORDER BY n.line;

-- name: range_of_newest
SELECT min(report_time), max(report_time) FROM newest;

-- name: files_to_rewrite
-- Files that hold a version older than what the batch brings.
SELECT DISTINCT s.file
FROM stored AS s
JOIN newest AS n ON n.line = s.line
WHERE s.report_time < n.report_time
ORDER BY s.file;

-- name: write_lines
-- The one pass from JSON to Parquet. A value whose cast is not sure stops it; the lines are then read thoroughly.
COPY (
    SELECT {{columns}}
    FROM (
        SELECT
            {{typed_columns}},
            CAST({{load_seq}} AS BIGINT) AS load_seq,
            p.source, p.channel, p.payload, p.received,
            CASE WHEN {{unsure}} THEN error('cdrelay: misfit') ELSE {{staged_extra}} END AS extra
        FROM read_json(
            {{lines}}, format = 'newline_delimited', columns = {{staged_columns}}, maximum_object_size = {{object_size}}
        ) AS staged
        JOIN payloads AS p ON p.number = {{staged_payload}}
    )
) TO {{target}} (FORMAT parquet, COMPRESSION zstd, RETURN_STATS);

-- name: rewrite_file
-- A file without the versions that the batch replaces.
COPY (
    SELECT {{columns}}
    FROM {{rows}} AS r
    WHERE NOT EXISTS (
        SELECT 1
        FROM newest AS n
        WHERE n.org_uuid = r.org_uuid AND n.report_id = r.report_id AND n.report_time > r.report_time
    )
) TO {{target}} (FORMAT parquet, COMPRESSION zstd, RETURN_STATS);

-- name: compact_files
-- Many files of one day as one, sorted so that one organization's calls lie together.
COPY (
    SELECT {{columns}} FROM {{rows}} ORDER BY org_uuid, report_time
) TO {{target}} (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 61440, RETURN_STATS);
