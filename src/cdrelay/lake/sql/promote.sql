-- A column for a key that nobody documented.

-- name: rows_with_key
-- The rows that hold it, and whether the column has a value there already.
SELECT org_uuid, report_id, extra, {{filled}} FROM {{rows}} WHERE contains(extra, $fragment);

-- name: rows_with_column
-- A file in which values have moved from `extra` into their column.
SELECT {{replaced}}
FROM {{rows}} AS r
LEFT JOIN moved AS m ON m.org_uuid = r.org_uuid AND m.report_id = r.report_id;
