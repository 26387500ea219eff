import hashlib
import random

from dar_uda.plan.chunks import chunks_of

NAMES = [f"case{number:04d}" for number in range(2000)]


def test_few_cases_are_one_chunk():
    assert chunks_of(["b", "a", "c"], 3) == {"b": ["b", "a", "c"]}
    assert chunks_of([], 3) == {}


def test_a_chunk_begins_where_the_digest_of_a_name_divides_by_the_size():
    begins = [name for name in NAMES if int(hashlib.blake2b(name.encode(), digest_size=8).hexdigest(), 16) % 20 == 0]
    chunks = chunks_of(NAMES, 20)
    assert list(chunks) == [NAMES[0], *(name for name in begins if name != NAMES[0])]
    assert [case for cases in chunks.values() for case in cases] == NAMES
    assert 60 < len(chunks) < 140  # 100 on average


def test_an_added_case_changes_its_own_chunk_alone_wherever_it_is():
    draw, before = random.Random(0), chunks_of(NAMES, 20)
    for number in range(300):
        names = list(NAMES)
        names.insert(draw.choice([0, len(names), draw.randrange(len(names))]), f"new{number}")
        after = chunks_of(names, 20)
        assert sum(before.get(name) != cases for name, cases in after.items()) <= 2  # one, or the two it became
        gone = [name for name, cases in before.items() if after.get(name) != cases]
        assert len(gone) <= 1
