-- How files are written, merged and rewritten.

-- name: add_key
-- Lets the engine read the files of a key.
PRAGMA add_parquet_key({{label}}, {{key}});

-- name: copy_to_parquet
-- A plain file, with what is in it.
COPY ({{select}}) TO {{target}} (
    FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL {{level}},
    ROW_GROUP_SIZE {{rows_in_group}}, ROW_GROUP_SIZE_BYTES {{bytes_in_group}}, RETURN_STATS
);

-- name: merged_rows
-- Many files of one day as one, sorted, or left as they lie where they are too much to sort. Each thread holds a row group; with
-- large ones there is no memory left to sort with.
SELECT {{columns}} FROM {{rows}} {{order}};

-- name: rows_in_files
-- How many rows of each organization there are in each file.
SELECT filename, org_uuid, count(*) FROM {{located_rows}} GROUP BY filename, org_uuid;

-- name: rows_of_others
-- A file without the rows of some organizations.
SELECT {{columns}} FROM {{rows}} WHERE NOT list_contains({{organizations}}, org_uuid);

-- name: rows_of_some
-- Only the rows of some organizations.
SELECT {{columns}} FROM {{rows}} WHERE list_contains({{organizations}}, org_uuid);

-- name: rows_as_they_are
-- A file once more.
SELECT {{columns}} FROM {{rows}};

-- name: personal_values
-- Every value that tells of a person, of the records before a moment, and what fitted no column; each once.
SELECT DISTINCT unnest([{{known_by}}]), NULL
FROM {{rows}}
WHERE ({{organization}} IS NULL OR org_uuid = {{organization}}) AND report_time < $before
UNION ALL
SELECT DISTINCT NULL, extra
FROM {{rows}}
WHERE ({{organization}} IS NULL OR org_uuid = {{organization}}) AND report_time < $before AND extra IS NOT NULL;

-- name: rows_that_tell
-- Records that hold one of some values, without what tells of nobody.
SELECT org_uuid, report_id, report_time, direction, {{personal}}, extra
FROM {{rows}}
WHERE ({{organization}} IS NULL OR org_uuid = {{organization}}) AND report_time < $before
    AND (list_has_any([{{known_by}}], $told::VARCHAR[]) OR list_contains($told_extra::VARCHAR[], extra))
LIMIT {{most}};

-- name: rows_without_the_person
-- A file in which some records hold what is left of them.
SELECT {{replaced}}
FROM {{rows}} AS r
LEFT JOIN left_of AS l ON l.org_uuid = r.org_uuid AND l.report_id = r.report_id AND l.report_time = r.report_time;
