-- One event day of exchange-level detections, the hardest shape that a window comes in: one row an exchange, accounts
-- drawn anew for each, in no order. Detections go by 64 bits in hexadecimal, accounts by UUIDs. One row in two hundred is
-- delivered twice, one in three hundred is revised.
with exchanges as (
    select i, md5($day || '-' || i) as digest, ('0x' || left(digest, 7))::bigint as a, ('0x' || digest[9:15])::bigint as b
    from range($rows) as r(i)
),
deliveries as (
    select *, 0 as revision from exchanges
    union all select *, 0 from exchanges where i % 200 = 0
    union all select *, 1 from exchanges where i % 300 = 7
),
timed as (
    select *, $day::timestamp + to_seconds(i * 86400 // $rows) as seen, a % 24871 as account from deliveries
)
select
    digest[17:] as detection_id,
    seen + to_days(revision::int) + interval 1 hour as revised_at,
    case when revision = 1 and b % 10 = 0 then 'suppressed' else 'new' end as status,
    md5('account-' || account)::uuid::varchar as account_id,
    case when account % 31 > 0 then 'AC-2026-04' end as campaign_id,
    seen as first_seen,
    seen + to_seconds(b % 90) as last_seen,
    1::bigint as exchange_count,
    200 + b % 4000 as output_tokens,
    ['software_engineering', 'agentic_reasoning', 'long_duration_task_management'][1 + b % 3] as capability,
    ['prompt-pattern', 'account-linkage', 'volume-anomaly'][1 + b // 3 % 3] as detector,
    '3.1' as detector_version,
    round(0.4 + b % 600 / 1000, 3) as confidence,
    'network-' || account % 20 as network,
    ['US', 'SG', 'JP', 'DE'][1 + account % 4] as country
from timed
