coalesce(
    not (
        regexp_like(value, '[\p{Cc}\p{Zl}\p{Zp}]')
        or value in ('\N', 'nan', 'NaN', 'None', 'null', 'NULL', '<NA>')
    ),
    true
)
