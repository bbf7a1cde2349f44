-- The questions that both halves ask of the table.

-- name: count_by_organization
-- How many records each organization has in a half-open period of Report time.
SELECT org_uuid, count(*) FROM {{rows}} WHERE report_time >= $start AND report_time < $end GROUP BY org_uuid;

-- name: organizations_beginning
-- The organizations that have records and whose ids begin so.
SELECT DISTINCT org_uuid FROM {{rows}} WHERE starts_with(org_uuid, $beginning);

-- name: count_by_organization_of_source
-- The same of the records whose stored version came by one source.
SELECT org_uuid, count(*)
FROM {{rows}}
WHERE source = $source AND report_time >= $start AND report_time < $end
GROUP BY org_uuid;

-- name: page_ends
-- Where a page of one organization's records ends: its last record and, when there is a next page, that one's first.
SELECT {{moment}}, report_id
FROM {{rows}}
WHERE {{claimed}} AND org_uuid = $org_uuid AND {{moment}} >= $start AND {{moment}} < $end
    AND ({{moment}} > $after_moment OR report_id > $after_id)
    AND (len($locations::VARCHAR[]) = 0 OR list_contains($locations::VARCHAR[], location))
ORDER BY {{moment}}, report_id
LIMIT 2 OFFSET $skip;

-- name: read_page
-- The records of such a page as wire JSON, in its order.
SELECT {{wire}}
FROM {{rows}}
WHERE {{claimed}} AND org_uuid = $org_uuid AND {{moment}} >= $start AND {{moment}} < $end
    AND ({{moment}} > $after_moment OR report_id > $after_id)
    AND ({{moment}} < $last_moment OR report_id <= $last_id)
    AND (len($locations::VARCHAR[]) = 0 OR list_contains($locations::VARCHAR[], location))
ORDER BY {{moment}}, report_id;

-- name: report_ids
-- The Report IDs of one organization's records of a half-open period.
SELECT report_id FROM {{rows}} WHERE org_uuid = $org_uuid AND report_time >= $start AND report_time < $end;
