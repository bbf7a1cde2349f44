-- Expressions that statements are put together with: which records are meant, and whose they are.

-- name: in_window
-- What is due between two cuts: in the second, and not in the first.
load_seq <= $now_seq AND report_time < $now_cutoff AND NOT (load_seq <= $before_seq AND report_time < $before_cutoff)

-- name: in_period
-- A half-open period of Report time.
report_time >= $period_start AND report_time < $period_end

-- name: holder
-- Whose record it is, where licences matter.
coalesce(user_uuid, '')

-- name: workspace
-- Whether that is a workspace.
coalesce(user_uuid != '' AND user_type = 'Place', false)

-- name: any_holder
-- The same where they do not.
''

-- name: any_workspace
-- The same where they do not.
false

-- name: claim_to_it
-- That a claim is one to the record.
claimed_org = org_uuid AND claimed_holder = {{holder}} AND claimed_workspace = {{workspace}}
    AND report_time >= claimed_from AND report_time < claimed_until

-- name: all_of_them
-- No claims: every record may be read.
true

-- name: only_claimed
-- Only records that someone has a claim to; the table of claims is one recipient's.
EXISTS (
    SELECT 1
    FROM claims
    WHERE {{claim_to_it}}
)
