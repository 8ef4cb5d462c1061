-- OCSF Detection Finding (class_uid 2004) in Amazon Security Lake's layout, as the columns that every question asks for.
-- A finding's time is when it was made, not when the activity happened, and its updates land in later partitions:
-- so the event day comes from the activity, and an id is resolved over all partitions that are read. Each account of a
-- source gives ids of its own, whatever the region.
select
    cast(date_parse(eventday, '%Y%m%d') as date) as delivered_day,
    date '1970-01-01' as revised_within,
    regexp_extract("$path", '^.*/ext/([^/]+)/([^/]+/)*[rR][eE][gG][iI][oO][nN]=', 1)
    || '/' || regexp_extract("$path", '^.*/[aA][cC][cC][oO][uU][nN][tT][iI][dD]=([^/]+)/[eE][vV][eE][nN][tT][dD][aA][yY]=', 1) as origin,
    cast(first_seen as date) as event_day,
    finding_info.uid as detection_id,
    revised_at,
    case status_id
        when 1 then 'new'
        when 2 then 'in_progress'
        when 3 then 'suppressed'
        when 4 then 'resolved'
        when 5 then 'resolved' -- archived: closed, and still counted
        when 6 then 'deleted'
    end as status,
    element_at(evidences, 1).actor.user.uid as account_id,
    element_at(unmapped, 'campaign_id') as campaign_id,
    first_seen,
    last_seen,
    "count" as exchange_count,
    cast(element_at(unmapped, 'output_tokens') as bigint) as output_tokens,
    element_at(finding_info.types, 1) as capability,
    finding_info.analytic.name as detector,
    finding_info.analytic.version as detector_version,
    cast(confidence_score as double) / 100 as confidence,
    element_at(unmapped, 'network') as network,
    element_at(unmapped, 'country') as country,
    regexp_extract("$path", '^.*/(ext/[^/]+/([^/]+/)*[rR][eE][gG][iI][oO][nN]=.+)$', 1) as object
from (
    -- Milliseconds since 1970 are more than date_add takes at once: days first, then the rest of them
    select
        *,
        date_add(
            'millisecond',
            made % 86400000,
            date_add('day', (made - made % 86400000) / 86400000, timestamp '1970-01-01 00:00:00.000')
        ) as revised_at,
        date_add(
            'millisecond',
            began % 86400000,
            date_add('day', (began - began % 86400000) / 86400000, timestamp '1970-01-01 00:00:00.000')
        ) as first_seen,
        date_add(
            'millisecond',
            ended % 86400000,
            date_add('day', (ended - ended % 86400000) / 86400000, timestamp '1970-01-01 00:00:00.000')
        ) as last_seen
    from (
        select
            *,
            coalesce(finding_info.modified_time, "time") as made,
            coalesce(start_time, finding_info.first_seen_time) as began,
            coalesce(end_time, finding_info.last_seen_time) as ended
        from ocsf
        where class_uid = 2004
    ) as dated
) as findings
