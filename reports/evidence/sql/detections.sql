-- What was delivered, as it is counted: instants rounded half up to milliseconds, confidence to four decimals (a 32-bit
-- 0.9 is 0.89999998 in 64); ids and headings without white space
-- and byte order marks around them, in Unicode's normalization form C. They are `legible` if none holds a control
-- character or a line break, and none is what tools write for a value that is missing.
select
    *,
    legible(detection_id) and legible(account_id) and legible(campaign_id) and legible(capability)
    and legible(detector) and legible(detector_version) and legible(network) and legible(country) as legible
from (
    select
        delivered_day,
        revised_within,
        origin,
        case when event_day between date '2015-01-01' and date '9999-12-31' then event_day end as event_day,
        normalized(detection_id) as detection_id,
        cast(cast(revised_at as timestamp(3)) as timestamp) as revised_at,
        status,
        normalized(account_id) as account_id,
        normalized(campaign_id) as campaign_id,
        cast(cast(first_seen as timestamp(3)) as timestamp) as first_seen,
        cast(cast(last_seen as timestamp(3)) as timestamp) as last_seen,
        exchange_count,
        output_tokens,
        normalized(capability) as capability,
        normalized(detector) as detector,
        normalized(detector_version) as detector_version,
        case when confidence between 0 and 1 then round(confidence, 4) else confidence end as confidence,
        normalized(network) as network,
        normalized(country) as country,
        object
    from delivered
) as normalized
