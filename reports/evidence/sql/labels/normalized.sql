case
    when regexp_like(value, '^[!-~]\z|^[!-~][ -~]*[!-~]\z|\x00') then value -- at U+0000, DuckDB's normalize ends
    else nullif(
        normalize(
            trim(
                both chr(9) || chr(10) || chr(11) || chr(12) || chr(13) || ' ' || chr(133) || chr(160) || chr(5760)
                || chr(8192) || chr(8193) || chr(8194) || chr(8195) || chr(8196) || chr(8197) || chr(8198) || chr(8199)
                || chr(8200) || chr(8201) || chr(8202) || chr(8232) || chr(8233) || chr(8239) || chr(8287)
                || chr(12288) || chr(65279) from value
            ),
            NFC
        ),
        ''
    )
end
