"""Whatever numbers text files hold, and wherever they are cut: no integer is read as another one."""

from decimal import Decimal
from functools import partial

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sabotnb import connectors
from sabotnb.connectors.formats.byte_ranges import cut_records
from sabotnb.connectors.formats.csv_files import CsvFiles
from sabotnb.connectors.formats.json_files import JsonFiles
from sabotnb.errors import SourceError

INTEGERS = st.one_of(
    st.integers(-5, 5),
    st.integers(2**53 - 2, 2**53 + 2),
    st.integers(2**63 - 2, 2**63 + 2),
    st.integers(2**64 - 2, 2**64 + 2),
    st.integers(-(2**63) - 2, -(2**63) + 2),
    st.integers(10**37, 10**40),
)
TEXTS = st.one_of(
    INTEGERS.map(str), st.sampled_from(["1.5", "0.25", "9007199254740993.0", "1e20", "1e300", "-0.0", "2e-7"])
)
NUMBERS = st.lists(st.one_of(TEXTS, st.just("")), min_size=1, max_size=12)
CSV = ("k,x\n", "1,{}\n".format, "")
JSON = ("", '{{"k": 1, "x": {}}}\n'.format, "null")
NESTED = ("", '{{"k": 1, "x": [{{"n": {}}}]}}\n'.format, "null")


def spec_of(path, first_block):
    return (connectors.csv if path.suffix == ".csv" else connectors.json)(path, first_block=first_block)


def connector_of(spec, section):
    if spec.connector == "json":
        return JsonFiles(spec, section)
    return CsvFiles(spec, partial(cut_records, section_bytes=section, scan_bytes=16))


@pytest.mark.parametrize(("suffix", "form"), [(".csv", CSV), (".jsonl", JSON), (".jsonl", NESTED)])
@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(numbers=NUMBERS, first_block=st.sampled_from([1, 40, 1 << 20]), section=st.sampled_from([8, 60, 1 << 20]))
def test_integers_are_read_as_they_are_or_not_at_all(
    tmp_path_factory, read, suffix, form, numbers, first_block, section
):
    head, line, missing = form
    path = tmp_path_factory.mktemp("n") / f"a{suffix}"
    path.write_text(head + "".join(line(number or missing) for number in numbers))
    try:
        spec = spec_of(path, first_block)
        found = read(spec, connector=connector_of(spec, section))["x"].to_pylist()
    except SourceError as error:
        if "schema=" not in str(error):
            raise
        return
    values = [value[0]["n"] for value in found] if form is NESTED else found
    for number, value in zip(numbers, values, strict=True):
        if value is None or not number:
            assert (value, number) == (None, "")
        elif "e" not in number:
            assert Decimal(value) == Decimal(number)
