-- An id that is delivered in both layouts, and an object of each that holds it; no row where there is none. It would
-- count twice.
select
    flat.detection_id as detection_id,
    min(flat.object) as flat_object,
    min(ocsf.object) as ocsf_object
from (
    select detection_id, object
    from detections
    where origin is null and delivered_day between cast(? as date) and cast(? as date)
) as flat
join (
    select detection_id, min(object) as object
    from detections
    where origin is not null and delivered_day between cast(? as date) and cast(? as date)
    group by 1
) as ocsf on flat.detection_id = ocsf.detection_id
group by 1
order by 1
limit 1
