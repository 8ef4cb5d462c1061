-- The sample's detections, made from a plan. DuckDB's dialect.
--
-- Every choice is drawn from MD5 of what is being decided (an account, a day, an aspect), so it depends on no random
-- state, no order of execution and no release of DuckDB: only the plan changes the rows.
-- Counts are shared out by cumulative weight in whole numbers, so that each wave adds up to its planned total exactly.

-- The joins run as they are written: the planner cannot know how few rows a slot matches, and guesses badly.
set disabled_optimizers = 'join_order,build_side_probe_side';

-- Seeds are in 1 … p-1 for the prime p = 2^31-1, and so is the product of two of them: an account's seed and a day's
-- make the seed of that account on that day. A draw is one step of Lehmer's generator, with a multiplier of its own
-- for each aspect (folded to a constant by DuckDB), scaled to a whole number in 0 … below-1.
create macro seed_of(what) as 1 + ('0x' || left(md5(what), 8))::bigint % 2147483646;
create macro mixed(seed, other) as seed * other % 2147483647;
create macro draw(seed, aspect, below) as mixed(seed, seed_of(aspect)) * (below) // 2147483647;

-- THE PLAN ----------------------------------------------------------------------------------------------------------

-- A wave is a stretch of activity with a planned total. `weekday` and `weekend`: accounts active on a day, per mille of
-- those alive. `at_first`: the campaign that a detection was given before a revision put it right.
-- After `model_release` the wave draws its capabilities from the shares of '<wave>, new model'.
create table wave (
    wave text, campaign_id text, at_first text, exchanges bigint, weekday int, weekend int, model_release timestamp
);
insert into wave values
    ('main',              'AC-2026-04', null,         28814637,  60,  35, '2026-05-14 16:00:00'),
    ('main, suppressed',  'AC-2026-04', 'AC-2026-04',   396512, 160, 160, null),
    ('probing',           'AC-2026-04', null,            38419, 240,  90, null),
    ('ordinary',          'AC-2026-05', 'AC-2026-04',   211846, 300, 300, null),
    ('minimax',           'AC-2026-01', null,         13042518,  24,  14, '2026-02-05 17:00:00'),
    ('moonshot',          'AC-2025-12', null,          3417206,  36,  24, null),
    ('deepseek',          'AC-2025-11', 'AC-2025-12',   152873, 100,  70, null),
    ('unattributed',      null,         null,            74218, 110, 100, null),
    ('unattributed, main', null,        'AC-2026-04',   143077, 130, 110, null);

-- A cohort of accounts joins and leaves together; two waves that share numbers share accounts. A suspension is a short
-- span of leaving. `spread`: how unevenly its accounts work, per cent either side of the mean.
create table cohort (
    wave text, first_account int, accounts int, network text,
    joins_from date, joins_to date, leaves_from date, leaves_to date, spread int
);
insert into cohort values
    ('main',                   1,  1180, 'hydra-cluster',    '2026-04-22', '2026-04-30', '2026-05-01', '2026-05-12', 20),
    ('main',                1181,  8900, 'hydra-cluster',    '2026-04-22', '2026-05-10', '2026-05-20', '2026-05-21', 20),
    ('main',               10081, 12100, 'hydra-cluster',    '2026-04-26', '2026-05-14', '2026-05-29', '2026-06-05', 20),
    ('main',               22181,   743, 'hydra-cluster',    '2026-05-21', '2026-06-02', '2026-06-05', '2026-06-05', 20),
    ('main',               22924,   812, 'relay-north',      '2026-04-22', '2026-05-24', '2026-05-12', '2026-06-05', 60),
    ('main',               23736,   596, 'residential-pool', '2026-04-24', '2026-05-30', '2026-05-18', '2026-06-05', 80),
    ('main',               24332,   403, 'reseller-market',  '2026-04-22', '2026-05-16', '2026-05-28', '2026-06-05', 90),
    ('main',               24735,   137, null,               '2026-04-22', '2026-04-28', '2026-05-06', '2026-05-27', 90),
    ('main, suppressed',   24700,   340, 'residential-pool', '2026-04-22', '2026-05-22', '2026-05-24', '2026-06-05', 80),
    ('probing',            24796,    96, null,               '2026-03-24', '2026-04-16', '2026-04-18', '2026-04-21', 90),
    ('ordinary',           30001,   312, 'reseller-market',  '2026-05-11', '2026-05-18', '2026-05-22', '2026-05-31', 70),
    ('minimax',            40001,  9816, 'relay-north',      '2026-01-05', '2026-02-04', '2026-02-08', '2026-02-19', 40),
    ('minimax',            49817,  5368, 'residential-pool', '2026-01-12', '2026-02-10', '2026-02-14', '2026-02-19', 60),
    ('moonshot',           60001,  5127, 'residential-pool', '2025-12-01', '2025-12-29', '2026-01-04', '2026-01-18', 50),
    ('moonshot',           65128,  2275, 'reseller-market',  '2025-12-08', '2026-01-02', '2026-01-08', '2026-01-18', 70),
    ('deepseek',           70001,  1368, null,               '2025-11-10', '2025-11-28', '2025-12-01', '2025-12-07', 30),
    ('unattributed',       80001,   420, null,               '2025-11-10', '2025-12-10', '2026-04-10', '2026-04-21', 90),
    ('unattributed, main', 80301,   360, null,               '2026-04-22', '2026-05-06', '2026-05-30', '2026-06-05', 90),
    ('unattributed, main', 10081,   240, 'hydra-cluster',    '2026-04-26', '2026-05-14', '2026-05-29', '2026-06-05', 40);

-- Days unlike the wave's others. `pace`: exchanges per active account, per cent of an ordinary day's.
create table burst (wave text, day date, active int, pace int);
insert into burst values
    ('main', '2026-04-29', 140, 110), ('main', '2026-05-01',  40,  60), ('main', '2026-05-06', 150, 120),
    ('main', '2026-05-14', 120, 105), ('main', '2026-05-15', 975,  35), ('main', '2026-05-16', 160, 115),
    ('main', '2026-05-17', 110, 110), ('main', '2026-05-18', 120, 110), ('main', '2026-05-19', 100, 105),
    ('main', '2026-05-20',  50,  70), ('main', '2026-05-27', 130, 125), ('main', '2026-06-02', 120, 120),
    ('minimax', '2026-02-05',  36, 120), ('minimax', '2026-02-06',  60, 140),
    ('minimax', '2026-02-07',  48, 130), ('moonshot', '2025-12-18',  60, 120);

-- Shares in per cent; those of one aspect and key add up to a hundred.
create table share (aspect text, key text, value text, per_cent int);
insert into share values
    ('capability', 'main', 'software_engineering', 57), ('capability', 'main', 'agentic_reasoning', 29),
    ('capability', 'main', 'long_duration_task_management', 7), ('capability', 'main', 'tool_use', 4),
    ('capability', 'main', null, 3),
    ('capability', 'main, new model', 'software_engineering', 38),
    ('capability', 'main, new model', 'agentic_reasoning', 21),
    ('capability', 'main, new model', 'long_duration_task_management', 35),
    ('capability', 'main, new model', 'tool_use', 4),
    ('capability', 'main, new model', null, 2),
    ('capability', 'main, suppressed', 'software_engineering', 70), ('capability', 'main, suppressed', null, 30),
    ('capability', 'probing', 'software_engineering', 72), ('capability', 'probing', 'agentic_reasoning', 20),
    ('capability', 'probing', null, 8),
    ('capability', 'ordinary', 'translation', 55), ('capability', 'ordinary', 'software_engineering', 35),
    ('capability', 'ordinary', null, 10),
    ('capability', 'minimax', 'agentic_coding', 74), ('capability', 'minimax', 'tool_orchestration', 24),
    ('capability', 'minimax', null, 2),
    ('capability', 'minimax, new model', 'agentic_coding', 25),
    ('capability', 'minimax, new model', 'tool_orchestration', 73),
    ('capability', 'minimax, new model', null, 2),
    ('capability', 'moonshot', 'agentic_reasoning', 34), ('capability', 'moonshot', 'tool_use', 22),
    ('capability', 'moonshot', 'coding', 21), ('capability', 'moonshot', 'computer_use', 14),
    ('capability', 'moonshot', 'vision', 9),
    ('capability', 'deepseek', 'reasoning', 52), ('capability', 'deepseek', 'rubric_based_grading', 31),
    ('capability', 'deepseek', 'sensitive_query_rewrites', 17),
    ('capability', 'unattributed', 'software_engineering', 34), ('capability', 'unattributed', null, 66),
    ('capability', 'unattributed, main', 'software_engineering', 41), ('capability', 'unattributed, main', null, 59),
    ('country', 'hydra-cluster', 'SG', 27), ('country', 'hydra-cluster', 'US', 24),
    ('country', 'hydra-cluster', 'JP', 16),
    ('country', 'hydra-cluster', 'DE', 12), ('country', 'hydra-cluster', 'NL', 9),
    ('country', 'hydra-cluster', null, 12),
    ('country', 'relay-north', 'FI', 35), ('country', 'relay-north', 'SE', 30), ('country', 'relay-north', 'CA', 22),
    ('country', 'relay-north', null, 13),
    ('country', 'residential-pool', 'US', 38), ('country', 'residential-pool', 'BR', 18),
    ('country', 'residential-pool', 'GB', 16),
    ('country', 'residential-pool', 'VN', 14), ('country', 'residential-pool', null, 14),
    ('country', 'reseller-market', 'HK', 44), ('country', 'reseller-market', 'SG', 31),
    ('country', 'reseller-market', 'AE', 25),
    ('country', 'direct', 'US', 30), ('country', 'direct', 'SG', 25), ('country', 'direct', 'JP', 20),
    ('country', 'direct', null, 25),
    ('detector', 'any', 'prompt-pattern', 46), ('detector', 'any', 'account-linkage', 29),
    ('detector', 'any', 'volume-anomaly', 17), ('detector', 'any', 'analyst-review', 8),
    ('confidence', 'prompt-pattern', '30', 2), ('confidence', 'prompt-pattern', '50', 9),
    ('confidence', 'prompt-pattern', '70', 33), ('confidence', 'prompt-pattern', '90', 56),
    ('confidence', 'account-linkage', '30', 3), ('confidence', 'account-linkage', '50', 10),
    ('confidence', 'account-linkage', '70', 39), ('confidence', 'account-linkage', '90', 48),
    ('confidence', 'volume-anomaly', '30', 14), ('confidence', 'volume-anomaly', '50', 34),
    ('confidence', 'volume-anomaly', '70', 38), ('confidence', 'volume-anomaly', '90', 14),
    ('confidence', 'analyst-review', '70', 12), ('confidence', 'analyst-review', '90', 88);

-- A detector's versions; reviewing analysts have none.
create table release (detector text, detector_version text, since date, until date);
insert into release values
    ('prompt-pattern', '2.8', '2025-01-01', '2026-03-01'), ('prompt-pattern', '3.0', '2026-03-02', '2026-05-11'),
    ('prompt-pattern', '3.1', '2026-05-12', '2026-12-31'), ('account-linkage', '1.4', '2025-01-01', '2026-03-31'),
    ('account-linkage', '1.5', '2026-04-01', '2026-12-31'), ('volume-anomaly', '7', '2025-01-01', '2026-12-31');

-- FROM THE PLAN TO THE DETECTIONS -----------------------------------------------------------------------------------

create table choice as
select aspect, key, value, row_number() over (partition by aspect, key order by value nulls last, n) - 1 as slot
from share join range(100) r(n) on n < per_cent;

create table calendar as
select
    wave, d.day::date as day, seed_of(d.day::date::text) as day_seed, coalesce(pace, 100) as pace,
    coalesce(active, if(isodow(d.day) < 6, weekday, weekend)) as active
from wave
cross join range(timestamp '2025-11-10', timestamp '2026-06-06', interval 1 day) d(day)
left join burst using (wave, day);

create table account as
select
    wave, 'acct_' || left(md5('account ' || n), 16) as account_id, seed_of(wave || n) as account_seed, network, spread,
    joins_from + draw(account_seed, 'joins', joins_to - joins_from + 1)::int as joined,
    greatest(joined, leaves_from + draw(account_seed, 'leaves', leaves_to - leaves_from + 1)::int) as gone
from cohort, range(first_account, first_account + accounts) r(n);

-- An account works on the day that it joins, so each of them is seen, and then as its wave's rhythm has it.
create table activity as
with alive as (
    select *, unnest(range(joined::timestamp, gone + interval 1 day, interval 1 day))::date as day from account
)
select
    wave, account_id, network, day as event_day, mixed(account_seed, day_seed) as seed,
    pace * (100 - spread + draw(account_seed, 'diligence', 2 * spread + 1)) * (80 + draw(seed, 'pace', 41)) as weight
from alive
join calendar using (wave, day)
where day = joined or draw(seed, 'active', 1000) < active;

-- Each wave's exchanges, shared out over its activity; and the hour, which peaks at noon UTC, evening in East Asia.
create table counted as
select
    activity.*, campaign_id, at_first,
    event_day::timestamp + to_seconds(draw(seed, 'early', 43200) + draw(seed, 'late', 43200)) as first_seen,
    wave || if(first_seen >= model_release, ', new model', '') as mix,
    (exchanges * sum(weight) over upto // sum(weight) over whole
        - exchanges * (sum(weight) over upto - weight) // sum(weight) over whole)::bigint as exchange_count
from activity
join wave using (wave)
window upto as (partition by wave order by event_day, account_id), whole as (partition by wave);

-- Each detection as its last revision has it.
create table final as
select
    seed, 'det_' || left(md5(concat_ws('/', wave, account_id, event_day)), 20) as detection_id,
    case
        when wave = 'main, suppressed' then if(draw(seed, 'status', 100) < 70, 'suppressed', 'deleted')
        when draw(seed, 'status', 100) < 62 then 'resolved'
        when draw(seed, 'status', 100) < 81 then 'in_progress'
        else 'new'
    end as status,
    account_id, campaign_id, at_first, event_day, first_seen,
    first_seen + to_seconds(60 + draw(seed, 'lasts', 28800)) as last_seen,
    exchange_count,
    if(draw(seed, 'tokens known', 100) < 94, exchange_count * (250 + draw(seed, 'tokens', 1400)), null)
        as output_tokens,
    capability.value as capability, detector.value as detector, detector_version,
    (confidence.value::int + draw(seed, 'confident', if(confidence.value = '90', 10, 20))) / 100 as confidence,
    network, country.value as country
from counted
join choice capability on capability.aspect = 'capability' and capability.key = mix
    and capability.slot = draw(seed, 'capability', 100)
join choice country on country.aspect = 'country' and country.key = coalesce(network, 'direct')
    and country.slot = draw(seed, 'country', 100)
join choice detector on detector.aspect = 'detector' and detector.slot = draw(seed, 'detector', 100)
join choice confidence on confidence.aspect = 'confidence' and confidence.key = detector.value
    and confidence.slot = draw(seed, 'confidence', 100)
left join release on release.detector = detector.value and event_day between since and until;

-- What was delivered: earlier revisions, which differ in their count, their campaign or nothing but status and network;
-- and the same row twice. On every seventh day of a month, what came late is an object of its own (part 1).
create table delivered as
with planned as (
    select *,
        1 + (draw(seed, 'revised', 100) < if(status in ('suppressed', 'deleted'), 60, 5))::int
            + (draw(seed, 'revised again', 100) < 1)::int as revisions,
        1 + (draw(seed, 'twice', 1000) < 6)::int as copies,
        ['count', 'campaign', 'status'][1 + draw(seed, 'change', 3)] as change
    from final
), revision as (
    select
        planned.* replace (
            if(revision.n = revisions - 1, status, ['new', 'in_progress'][1 + revision.n]) as status,
            if(revision.n < revisions - 1 and change = 'count', 2 * exchange_count + 11, exchange_count)
                as exchange_count,
            if(revision.n < revisions - 1 and change = 'campaign', at_first, campaign_id) as campaign_id,
            if(revision.n < revisions - 1 and change = 'status', coalesce(network, 'relay-north'), network) as network,
            if(revision.n < revisions - 1, exchange_count * 400, output_tokens) as output_tokens
        ),
        last_seen + to_seconds(300 + draw(seed, 'found', 86400) + revision.n * (3600 + draw(seed, 'put right', 240000)))
            as revised_at,
        if((revision.n > 0 or copy.n > 0) and day(event_day) % 7 = 0, 1, 0) as part
    from planned
    join range(3) revision(n) on revision.n < revisions
    join range(2) copy(n) on copy.n < copies
)
select
    event_day, part,
    case
        when part = 1 or event_day in ('2026-05-03', '2026-06-03') then 'jsonl.gz'
        when event_day in ('2026-04-26', '2026-05-26') then 'csv'
        when event_day in ('2026-02-24', '2026-05-31') then 'jsonl'
        else 'parquet'
    end as format,
    detection_id, revised_at, status, account_id, campaign_id, first_seen, last_seen, exchange_count, output_tokens,
    capability, detector, detector_version, confidence, network, country
from revision
order by event_day, part, first_seen, detection_id, revised_at;

create view objects as select distinct event_day, part, format from delivered order by all;

-- One object's rows; its day and its part are variables of the connection.
create view object_rows as
select * exclude (event_day, part, format) from delivered
where event_day = getvariable('event_day') and part = getvariable('part');
