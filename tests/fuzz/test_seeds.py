"""The seeds of the fuzzers are good messages, and what they found once stays found (`make fuzz` looks for more)."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "fuzz"))
from readers import READERS

FOUND = [
    ("sip_address", b"tel:+2ansport=tcp?X=y>;tag=1;q=054;x"),
    ("sip_address", b'"A" <sip:a@b>;tag=p:+254@10.0.0.2>;tag=1928'),
    ("sip_address", b'<sip:a@b>;x="a;b\\"c"'),
]


@pytest.mark.parametrize("name", READERS)
def test_every_reader_takes_its_seeds(name: str) -> None:
    reader = READERS[name]
    assert reader.seeds
    for seed in reader.seeds:
        assert len(seed) <= reader.longest
        reader.read(seed)


@pytest.mark.parametrize(("name", "data"), FOUND)
def test_what_was_found_is_read_now(name: str, data: bytes) -> None:
    READERS[name].read(data)
