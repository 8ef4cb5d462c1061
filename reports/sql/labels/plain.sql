coalesce(
    regexp_like(
        value, -- asked of DuckDB alone, where $ is the end of the text
        '^(?:[!-~][ -~]{3,}[!-~]|[!-;=-MO-\[\]-mo-~][!-~]{2,3}|[!-\[\]-~][!-~]?)$'
    ),
    true
)
