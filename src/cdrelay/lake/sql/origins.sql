-- Where the records of one organization came from, without what is in them.

-- name: origins_of_records
-- A page of them by Report time: id, time, source, channel, payload, time of receipt, load.
SELECT report_id, report_time, source, channel, payload, received, load_seq
FROM {{rows}}
WHERE org_uuid = $org_uuid AND report_time >= $start AND report_time < $end
ORDER BY report_time, report_id
LIMIT $most OFFSET $skip;

-- name: payloads_of_records
-- The payloads that brought them, and how many each.
SELECT payload, any_value(source), any_value(channel), min(received), count(*)
FROM {{rows}}
WHERE org_uuid = $org_uuid AND report_time >= $start AND report_time < $end
GROUP BY payload
ORDER BY min(received), payload;

-- name: inventory
-- The ids of all in the order of the digest, each with the number of its span since 1970.
SELECT lower(report_id) AS id, epoch_us(report_time) // $span_microseconds
FROM {{rows}}
WHERE org_uuid = $org_uuid AND report_time >= $start AND report_time < $end
ORDER BY id;
