-- Records that recipients have a claim to. `claims` has a row for each claim: recipient, party, and from when to when.

-- name: parties
-- The organizations, and where it matters the holders, that the selected records are of.
SELECT DISTINCT org_uuid, {{holder}}, {{workspace}}
FROM {{rows}}
WHERE {{selected}};

-- name: claimed_records
-- Every selected record for everyone who has a claim to it. Unsorted: sorting wide rows would take the engine's memory.
SELECT recipient, org_uuid, report_id, {{wire}}
FROM {{rows}}
JOIN claims ON {{claim_to_it}}
WHERE {{selected}} AND report_time >= $start AND report_time < $end;

-- name: claimed_counts
-- How many they are, by organization.
SELECT recipient, org_uuid, count(*)
FROM {{rows}}
JOIN claims ON {{claim_to_it}}
WHERE {{selected}}
GROUP BY recipient, org_uuid;
