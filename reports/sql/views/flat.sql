-- The flat layout, detections/event_day=YYYY-MM-DD/*, as the columns that every question asks for.
-- A detection's revisions stay in the event day of its first one, so an id is resolved within its day.
select
    cast(event_day as date) as delivered_day,
    cast(event_day as date) as revised_within,
    cast(event_day as date) as event_day,
    detection_id,
    revised_at,
    status,
    nullif(account_id, '') as account_id,
    nullif(campaign_id, '') as campaign_id,
    first_seen,
    last_seen,
    exchange_count,
    output_tokens,
    nullif(capability, '') as capability,
    nullif(detector, '') as detector,
    nullif(detector_version, '') as detector_version,
    confidence,
    nullif(network, '') as network,
    nullif(country, '') as country,
    regexp_extract("$path", '^.*/(detections/event_day=.+)$', 1) as object
from flat
