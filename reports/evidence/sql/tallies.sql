-- The tallies of a window: one row a total, day, network, country, capability, detector, version of a detector and
-- confidence band, for each campaign (null: not attributed to one), and totals and days for all of them. Accounts come
-- as one row each highest band that they reached, or one row each where that is asked for.
-- Only what is tallied counts; other standings appear as totals and days, so that the reader can see what was left out.
-- Tokens and instants are carried by the confidence bands, the exchanges of the busiest tenth by the accounts.
select
    heading,
    standing,
    all_campaigns,
    campaign_id,
    case when cast(? as boolean) and not all_campaigns then account_id end as account_id,
    event_day,
    country,
    network,
    capability,
    detector,
    detector_version,
    band,
    highest_band,
    object,
    sum(detections) as detections,
    sum(exchanges) as exchanges,
    sum(accounts) as accounts,
    sum(case when heading = 'account' and tenth = 1 then exchanges end) as busiest_tenth,
    min(first_day) as first_day,
    max(last_day) as last_day,
    sum(output_tokens) as output_tokens,
    min(first_seen) as first_seen,
    max(last_seen) as last_seen
from (
    select
        *,
        ntile(10) over (
            partition by heading, standing, all_campaigns, campaign_id
            order by exchanges desc, account_id
        ) as tenth
    from (
        select
            case
                when grouping(account_id) = 0 then 'account'
                when grouping(event_day) = 0 then 'day'
                when grouping(country) = 0 then 'country'
                when grouping(capability) = 0 then case when cut = 'detector' then 'detector_version' else cut end
                when grouping(detector) = 0 then 'detector'
                when grouping(object) = 0 then 'object'
                else 'total'
            end as heading,
            standing,
            grouping(campaign_id) = 1 as all_campaigns,
            campaign_id,
            account_id,
            event_day,
            country,
            network,
            capability,
            detector,
            detector_version,
            band,
            object,
            sum(detections) as detections,
            sum(exchanges) as exchanges,
            case when grouping(account_id) = 0 then 1 else count(distinct account_id) end as accounts,
            case when grouping(account_id) = 0 then min(event_day) end as first_day,
            case when grouping(account_id) = 0 then max(event_day) end as last_day,
            case when grouping(account_id) = 0 then max(highest_band) end as highest_band,
            case when grouping(band) = 0 then sum(output_tokens) end as output_tokens,
            case when grouping(band) = 0 then min(first_seen) end as first_seen,
            case when grouping(band) = 0 then max(last_seen) end as last_seen
        from cells
        group by grouping sets (
            (cut, standing),
            (cut, standing, event_day),
            (cut, standing, object),
            (cut, standing, account_id),
            (cut, standing, campaign_id),
            (cut, standing, campaign_id, account_id),
            (cut, standing, campaign_id, event_day),
            (cut, standing, campaign_id, country),
            (cut, standing, campaign_id, detector),
            (cut, standing, campaign_id, network, capability, detector, detector_version, band)
        )
        having
            (standing = 'tallied' or (grouping(campaign_id) = 1 and grouping(account_id) = 1))
            and (
                grouping(capability) = 0
                or cut = case
                    when grouping(detector) = 0 then 'detector'
                    when grouping(object) = 0 then 'confidence'
                    else 'network'
                end
            )
    ) as counted
) as ranked
group by 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14
