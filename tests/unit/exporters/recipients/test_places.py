"""How far a recipient has come, digests, limits and waits."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exporters.recipients.backoff import FIRST, LONGEST, wait_before
from exporters.recipients.digest import MOST, MOST_LISTED, Digest
from exporters.recipients.notification import Notification
from exporters.recipients.places import Place, Position, committed_position
from exporters.recipients.rate_limit import RateLimit
from tests.unit.exporters.samples import alert
from topics.catalog import NOTIFICATION

ANY = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
POSITIONS = st.builds(Position, st.integers(0, 10**12), st.integers(0, 10**6))


@ANY
@given(POSITIONS, st.none() | POSITIONS)
def test_a_commit_says_what_it_was_made_of(done: Position, until: Position | None) -> None:
    place = Place(NOTIFICATION, "t", 1, Position(0), None)
    place.done, place.until = done, until
    assert place.is_changed == ((done, until) != (Position(0), None))
    made = place.commit()
    assert committed_position(made.offset, made.metadata) == (done, until)


@ANY
@given(st.text(max_size=30))
def test_metadata_of_somebody_else_says_nothing(text: str) -> None:
    position, _ = committed_position(7, text)
    assert position.offset == 7
    assert committed_position(7, "x") == (Position(7), None)
    assert committed_position(7, None) == (Position(7), None)


def told(number: int) -> Notification:
    return Notification(alert(number).id, "raised", alert(number))


@ANY
@given(st.permutations(range(6)))
def test_the_key_of_a_digest_is_that_of_what_is_in_it(order: list[int]) -> None:
    digest = Digest(0.0, "digested")
    for number in order:
        digest.add(told(number), float(number))
    other = Digest(0.0, "digested")
    for number in range(6):
        other.add(told(number), 0.0)
    assert digest.key("x") == other.key("x")
    assert digest.key("x") != other.key("y")
    assert digest.newest == 5.0
    other.add(told(7), 0.0)
    assert digest.key("x") != other.key("x")


def test_a_digest_is_bounded() -> None:
    digest = Digest(0.0, "digested")
    for number in range(MOST):
        assert not digest.is_full
        digest.add(told(number), 0.0)
    assert digest.is_full
    assert (len(digest), len(list(digest)), digest.types.total()) == (MOST, MOST, MOST)
    assert [each.id for each in digest.listed] == [alert(number).id for number in range(MOST_LISTED)]
    assert alert(MOST - 1).id in digest


@ANY
@given(st.integers(1, 5), st.lists(st.floats(0, 100), max_size=40))
def test_no_sixty_seconds_have_more_than_the_limit(most: int, pauses: list[float]) -> None:
    limit, now, sent = RateLimit(most), 0.0, list[float]()
    for pause in pauses:
        now += pause
        now += limit.wait(now)
        assert limit.wait(now) < 1e-6
        limit.count(now)
        sent.append(now)
        assert sum(now - each < 60 - 1e-6 for each in sent) <= most


def test_without_a_limit_nothing_waits() -> None:
    limit = RateLimit(0)
    for _ in range(100):
        limit.count(0.0)
    assert limit.wait(0.0) == 0.0


def test_waits_grow_and_are_bounded() -> None:
    for tries in (1, 2, 5, 50, 5000):
        longest = min(LONGEST, FIRST * 2.0 ** min(tries - 1, 60))
        waits = [wait_before(tries) for _ in range(50)]
        assert all(longest / 2 <= each <= longest for each in waits)
        assert len(set(waits)) > 1
    assert wait_before(1, 300.0) == 300.0
