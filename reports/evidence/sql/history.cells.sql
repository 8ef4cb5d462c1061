-- What each account did before the window: in the preceding window of the same length, and in all days before it.
-- What does not count is left out: none of it is shown, and a sum that is too large would be refused.
select
    event_day >= cast(? as date) as preceding,
    campaign_id,
    account_id,
    standing,
    count(*) as detections,
    sum(exchange_count) as exchanges
from latest
where
    standing in ('tied', 'unsound')
    or (standing = 'tallied' and event_day between cast(? as date) and cast(? as date))
group by 1, 2, 3, 4
