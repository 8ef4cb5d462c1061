-- Every delivered row and its standing: of the revisions of an id the latest wins, whole, and is tallied if its status
-- counts. Revisions of the latest instant that differ are 'tied', and a row that breaks a rule of the layout is
-- 'unsound': nothing is published from evidence with one, whatever day it is about.
-- Where an id's revisions stay in its day, no other days are read than those that are asked about.
select
    *,
    case
        when not coalesce(
            legible and detection_id <> '' and account_id is not null and detector is not null
            and status in ('new', 'in_progress', 'resolved', 'suppressed', 'deleted')
            and first_seen >= timestamp '2015-01-01 00:00:00'
            and first_seen between cast(event_day as timestamp) and cast(event_day as timestamp) + interval '1' day
            and first_seen < cast(delivered_day as timestamp) + interval '3' day
            and revised_at >= first_seen - interval '1' day
            and revised_at <= cast(? as timestamp) + interval '2' day
            and last_seen between first_seen and revised_at + interval '2' day
            and exchange_count >= 0 and coalesce(output_tokens, 0) >= 0
            and confidence between 0 and 1,
            false
        ) then 'unsound'
        when
            rank() over (partition by revised_within, origin, detection_id order by revised_at desc) = 1
            and dense_rank() over (
                partition by revised_within, origin, detection_id
                order by
                    revised_at desc, status, exchange_count, account_id, campaign_id, first_seen, last_seen,
                    output_tokens, capability, detector, detector_version, confidence, network, country
            ) > 1 then 'tied'
        when row_number() over (
            partition by revised_within, origin, detection_id
            order by revised_at desc, object
        ) > 1 then 'superseded'
        when status = 'suppressed' or status = 'deleted' then 'excluded'
        else 'tallied'
    end as standing
from detections
where
    delivered_day between cast(? as date) and cast(? as date)
    and (revised_within <> delivered_day or delivered_day between cast(? as date) and cast(? as date))
