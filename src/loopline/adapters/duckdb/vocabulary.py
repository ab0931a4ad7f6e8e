"""The functions that a query may call: what computes from its arguments alone, and cannot grow without bound.

Whatever is not here is refused: functions that read files, settings, statistics or the catalogue, that run text as
SQL, that sleep or write, and those that make a long value of a short one, past what the memory limit counts
(``repeat``, ``lpad``, ``replace``, ``format``).
"""

AGGREGATES = """
any_value approx_count_distinct approx_quantile approx_top_k arbitrary arg_max arg_max_null arg_min arg_min_null
argmax argmin array_agg avg bit_and bit_or bit_xor bool_and bool_or corr count count_if count_star countif covar_pop
covar_samp entropy favg first fsum geomean geometric_mean group_concat histogram json_group_array json_group_object
kahan_sum kurtosis kurtosis_pop last list listagg mad max max_by mean median min min_by mode product quantile
quantile_cont quantile_disc regr_avgx regr_avgy regr_count regr_intercept regr_r2 regr_slope regr_sxx regr_sxy
regr_syy reservoir_quantile sem skewness stddev stddev_pop stddev_samp string_agg sum sumkahan var_pop var_samp
variance wavg weighted_avg
"""
WINDOWS = """
cume_dist dense_rank first_value lag last_value lead nth_value ntile percent_rank rank rank_dense row_number
"""
NUMBERS = """
abs acos acosh add asin asinh atan atan2 atanh bin bit_count cbrt ceil ceiling cos cosh cot degrees divide even exp
factorial fdiv floor fmod format_bytes gamma gcd greatest greatest_common_divisor hash hex isfinite isinf isnan lcm
least least_common_multiple lgamma ln log log10 log2 mod multiply nextafter pi pow power radians random round
round_even roundbankers sign signbit sin sinh sqrt subtract tan tanh to_base to_binary to_hex trunc xor
equi_width_bins
"""
TEXTS = """
ascii base64 bit_length char_length character_length chr concat concat_ws contains damerau_levenshtein decode
editdist3 encode ends_with from_base64 from_hex hamming ilike_escape instr jaccard jaro_similarity
jaro_winkler_similarity lcase left left_grapheme len length length_grapheme levenshtein like_escape lower ltrim md5
mismatches nfc_normalize not_ilike_escape not_like_escape octet_length ord parse_dirname parse_filename position
prefix regexp_escape regexp_extract regexp_extract_all regexp_full_match regexp_matches regexp_split_to_array reverse
right right_grapheme rtrim sha1 sha256 split split_part starts_with str_split str_split_regex string_split
string_split_regex string_to_array strip_accents strlen strpos substr substring substring_grapheme suffix to_base64
translate trim ucase unhex unicode upper url_decode url_encode
"""
TIMES = """
age century current_date current_localtime current_localtimestamp date_add date_diff date_part date_sub date_trunc
datediff datepart datesub datetrunc day dayname dayofmonth dayofweek dayofyear days_in_month decade epoch epoch_ms
epoch_ns epoch_us era get_current_time get_current_timestamp hour isodow isoyear julian last_day make_date make_time
make_timestamp make_timestamp_ms make_timestamp_ns make_timestamptz microsecond millennium millisecond minute month
monthname nanosecond now quarter second strftime strptime time_bucket timezone timezone_hour timezone_minute
to_centuries to_days to_decades to_hours to_microseconds to_milliseconds to_minutes to_months to_quarters to_seconds
to_timestamp to_weeks to_years today transaction_timestamp try_strptime week weekday weekofyear year yearweek
"""
NESTED = """
array_agg array_contains array_cosine_distance array_cosine_similarity array_distance array_dot_product array_extract
array_filter array_has array_has_all array_has_any array_indexof array_inner_product array_length array_position
array_slice array_sort array_to_json array_to_string array_transform array_unique array_value cardinality element_at
flatten from_json json json_array json_array_length json_contains json_exists json_extract json_extract_path
json_extract_path_text json_extract_string json_keys json_object json_quote json_structure json_type json_valid
json_value list_aggr list_aggregate list_any_value list_append list_apply list_avg list_concat list_contains
list_cosine_distance list_cosine_similarity list_count list_distance list_distinct list_dot_product list_element
list_entropy list_extract list_filter list_first list_grade_up list_has list_has_all list_has_any list_histogram
list_indexof list_inner_product list_intersect list_last list_mad list_max list_median list_min list_mode list_pack
list_position list_prepend list_product list_reverse list_reverse_sort list_select list_slice list_sort
list_stddev_pop list_stddev_samp list_string_agg list_sum list_transform list_unique list_value list_var_pop
list_var_samp list_where list_zip map map_concat map_contains map_entries map_extract map_extract_value
map_from_entries map_keys map_values row row_to_json struct_concat struct_extract struct_extract_at struct_insert
struct_keys struct_pack struct_update struct_values to_json unnest
"""
CHOICES = """
if ifnull nullif switch typeof try_cast uuid_extract_timestamp uuid_extract_version
"""
FUNCTIONS = frozenset(" ".join((AGGREGATES, WINDOWS, NUMBERS, TEXTS, TIMES, NESTED, CHOICES)).split())
"""In small letters. Operators are spelled with signs and are all allowed."""
TABLE_FUNCTIONS = frozenset({"unnest", "range", "generate_series"})
"""Those that make rows of their arguments, one batch at a time."""
