-- Every delivered row and its standing: of the revisions of an id the latest wins, whole, and is tallied if its status
-- counts. Rows that tie to the microsecond are put in an order of their own, so that the same evidence always resolves
-- alike. A row that breaks a rule of the layout is 'unsound': nothing is published from evidence with one.
-- Where an id's revisions stay in its day, no other days are read than those that are asked about.
select
    *,
    case
        when not coalesce(
            detection_id <> '' and account_id is not null and detector is not null and revised_at is not null
            and status in ('new', 'in_progress', 'resolved', 'suppressed', 'deleted')
            and first_seen >= timestamp '1970-01-01 00:00:00' and last_seen < timestamp '9999-01-01 00:00:00'
            and last_seen >= first_seen and exchange_count >= 0 and coalesce(output_tokens, 0) >= 0
            and confidence between 0 and 1,
            false
        ) then 'unsound'
        when row_number() over (
            partition by revised_within, detection_id
            order by
                revised_at desc, status, exchange_count desc, account_id, campaign_id, first_seen, last_seen,
                output_tokens, capability, detector, detector_version, confidence, network, country, object
        ) > 1 then 'superseded'
        when status = 'suppressed' or status = 'deleted' then 'excluded'
        else 'tallied'
    end as standing
from detections
where
    delivered_day between cast(? as date) and cast(? as date)
    and (revised_within <> delivered_day or delivered_day between cast(? as date) and cast(? as date))
