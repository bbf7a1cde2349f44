-- One record out of everything, by its id.

-- name: find_record
-- Where it came from and where it lies; what is in it stays unread, but for the names of keys beside the columns.
SELECT
    org_uuid, report_id, report_time, release_time, load_seq, source, channel, payload, received,
    coalesce(json_keys(extra), []), filename
FROM {{located_rows}}
WHERE report_id = $report_id;

-- name: record_as_wire
-- The record itself.
SELECT {{wire}} FROM {{rows}} WHERE report_id = $report_id AND org_uuid = $org_uuid;
