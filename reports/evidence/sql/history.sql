-- Each campaign before the window: its totals in the preceding window and in all the days before the
-- window; accounts are counted in the preceding window alone.
select
    standing,
    campaign_id,
    grouping(campaign_id) = 1 as all_campaigns,
    grouping(preceding) = 1 as all_days,
    preceding,
    sum(detections) as detections,
    sum(exchanges) as exchanges,
    case when grouping(preceding) = 0 then case when preceding then count(distinct account_id) end end as accounts
from cells
group by grouping sets ((standing), (standing, preceding), (standing, campaign_id), (standing, campaign_id, preceding))
