-- Records out of the lake.

-- name: export_columns
-- The typed columns of a period and an organization; NULL stands for all.
SELECT {{columns}}
FROM {{rows}}
WHERE ({{start}} IS NULL OR report_time >= {{start}})
    AND ({{end}} IS NULL OR report_time < {{end}})
    AND ({{organization}} IS NULL OR org_uuid = {{organization}})
ORDER BY report_time, report_id;

-- name: export_wire
-- The same as wire JSON, with what fitted no documented column beside it.
SELECT {{wire}}
FROM {{rows}}
WHERE ({{start}} IS NULL OR report_time >= {{start}})
    AND ({{end}} IS NULL OR report_time < {{end}})
    AND ({{organization}} IS NULL OR org_uuid = {{organization}})
ORDER BY report_time, report_id;

-- name: export_to
-- Wherever the answer of a question goes.
COPY ({{select}}) TO {{target}} ({{options}});

-- name: records_view
-- The records under the one name that questions use.
CREATE OR REPLACE VIEW records AS SELECT {{columns}} FROM {{rows}};

-- name: confine
-- From here on the engine reaches the lake and nothing else, and cannot be told otherwise.
SET allowed_directories = [{{folder}}];
SET enable_external_access = false;
SET lock_configuration = true;
