-- The relation `made`, of detections, as OCSF Detection Findings. `message` and `title` are read by nobody; the first of
-- them comes first, since DuckDB reads a megabyte at once where a list begins, which is not what is to be measured.
select
    md5(detection_id || account_id) as message,
    2004 as class_uid,
    1::bigint as activity_id,
    case status when 'new' then 1 else 3 end::bigint as status_id,
    epoch_ms(revised_at) as "time",
    epoch_ms(first_seen) as start_time,
    epoch_ms(last_seen) as end_time,
    exchange_count as "count",
    round(confidence * 100)::bigint as confidence_score,
    {
        'uid': detection_id, 'modified_time': epoch_ms(revised_at), 'first_seen_time': epoch_ms(first_seen),
        'last_seen_time': epoch_ms(last_seen), 'analytic': {'name': detector, 'type_id': 1, 'version': detector_version},
        'title': md5(account_id || detection_id), 'types': [capability]
    } as finding_info,
    [{'actor': {'user': {'uid': account_id}}}] as evidences,
    map {
        'campaign_id': campaign_id, 'output_tokens': output_tokens::varchar, 'network': network, 'country': country
    } as unmapped
from made
