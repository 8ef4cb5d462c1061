-- The one pass over a window's detections. Each `cut` groups them by account under one heading, so that accounts can
-- be counted exactly however the days were read; the cut 'confidence' leaves accounts out and carries the rest,
-- the evidence objects that rows came from among it. Tokens are summed only of what counts: no other sum of them is shown,
-- and one that is too large would be refused.
select
    case
        when grouping(network) = 0 then 'network'
        when grouping(capability) = 0 then 'capability'
        when grouping(band) = 0 then 'confidence'
        else 'detector'
    end as cut,
    standing,
    event_day,
    campaign_id,
    account_id,
    network,
    country,
    capability,
    detector,
    detector_version,
    band,
    object,
    count(*) as detections,
    sum(exchange_count) as exchanges,
    case when grouping(band) = 0 then sum(output_tokens) filter (where standing = 'tallied') end as output_tokens,
    case when grouping(band) = 0 then min(first_seen) end as first_seen,
    case when grouping(band) = 0 then max(last_seen) end as last_seen,
    case when grouping(network) = 0 then max(band) end as highest_band
from (
    select
        *,
        case when confidence >= 0.9 then 3 when confidence >= 0.7 then 2 when confidence >= 0.5 then 1 else 0 end
            as band
    from latest
    where standing in ('tied', 'unsound') or event_day between cast(? as date) and cast(? as date)
) as banded
group by grouping sets (
    (standing, event_day, campaign_id, account_id, network, country),
    (standing, campaign_id, account_id, capability),
    (standing, campaign_id, account_id, detector, detector_version),
    (standing, event_day, campaign_id, detector, detector_version, band, object)
)
