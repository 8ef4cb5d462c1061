-- The flat layout, detections/event_day=YYYY-MM-DD/*, as the columns that every question asks for.
-- A detection's revisions stay in the event day of its first one, so an id is resolved within its day.
select
    cast(event_day as date) as delivered_day,
    cast(event_day as date) as revised_within,
    cast(null as varchar) as origin,
    cast(event_day as date) as event_day,
    detection_id,
    revised_at,
    status,
    account_id,
    campaign_id,
    first_seen,
    last_seen,
    exchange_count,
    output_tokens,
    capability,
    detector,
    detector_version,
    confidence,
    network,
    country,
    regexp_extract("$path", '^.*/(detections/event_day=.+)$', 1) as object
from flat
