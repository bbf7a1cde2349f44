"""Administrators in a real database: passwords, the lock, roles and what is assigned."""

import threading
from datetime import timedelta

import pytest
from argon2 import PasswordHasher
from sqlalchemy import select

from cdrelay.control.tables import administrators as table
from cdrelay.publisher.access.administrators import Administrators, SignInPolicy
from cdrelay.publisher.errors import (
    AdministratorExists,
    AdministratorRefused,
    AdministratorUnknown,
    LockedOut,
    OrganizationUnknown,
    PartnerUnknown,
    PasswordRefused,
    SignInRefused,
)
from cdrelay.publisher.parties import Administrator
from tests.integration.publisher.publisher_bench import ORG, OTHER_ORG, Bench
from tests.support.passwords import CHEAP

PASSWORD, WRONG = "correct horse battery", "wrong horse battery"


@pytest.fixture
def store(bench: Bench) -> Administrators:
    """With hashes that cost next to nothing."""
    return Administrators(bench.foundation.database, bench.clock, hasher=CHEAP)


@pytest.fixture
def ada(store: Administrators, bench: Bench) -> Administrator:
    """A full administrator with a password."""
    return store.add(bench.partner().id, " Ada@Example.com ", "Ada", "full", PASSWORD)


def stored_password(bench: Bench, administrator: Administrator) -> str:
    """What the database has of it."""
    with bench.foundation.database.read() as connection:
        return str(connection.scalar(select(table.c.password).where(table.c.id == administrator.id)))


def fail(store: Administrators, times: int) -> None:
    """Try a wrong password so often."""
    for _ in range(times):
        with pytest.raises(SignInRefused):
            store.check_password("ada@example.com", WRONG)


def test_the_right_password_names_its_administrator(store: Administrators, ada: Administrator) -> None:
    assert store.check_password(" ADA@example.com", PASSWORD) == ada
    assert ada.email == "ada@example.com"


def test_the_password_is_kept_as_an_argon2_hash(bench: Bench, ada: Administrator) -> None:
    assert stored_password(bench, ada).startswith("$argon2id$")
    assert PASSWORD not in stored_password(bench, ada)


def test_an_unknown_address_and_a_wrong_password_are_told_alike(store: Administrators, ada: Administrator) -> None:
    with pytest.raises(SignInRefused) as wrong:
        store.check_password(ada.email, WRONG)
    with pytest.raises(SignInRefused) as unknown:
        store.check_password("nobody@example.com", WRONG)
    assert str(wrong.value) == str(unknown.value)


class Counting(PasswordHasher):
    """Counts what it verifies."""

    verified = 0

    def verify(self, hash: str | bytes, password: str | bytes) -> bool:  # noqa: A002
        """As the other, and counted."""
        self.verified += 1
        return super().verify(hash, password)


def test_an_unknown_or_locked_address_costs_as_much_hashing_as_a_wrong_password(
    bench: Bench, ada: Administrator
) -> None:
    hasher = Counting(time_cost=1, memory_cost=8, parallelism=1)
    store = Administrators(bench.foundation.database, bench.clock, SignInPolicy(failures=1), hasher)
    counts = []
    for email, refusal in [("nobody@example.com", SignInRefused), (ada.email, SignInRefused), (ada.email, LockedOut)]:
        with pytest.raises(refusal):
            store.check_password(email, WRONG)
        counts.append(hasher.verified)
    assert counts == [1, 2, 3]


def test_after_five_failures_not_even_the_right_password_is_taken_for_fifteen_minutes(
    store: Administrators, bench: Bench, ada: Administrator
) -> None:
    fail(store, 5)
    assert store.get(ada.id).locked_until == bench.clock.now() + timedelta(minutes=15)
    bench.advance(minutes=14, seconds=59)
    with pytest.raises(LockedOut, match="15 minutes"):
        store.check_password(ada.email, PASSWORD)
    bench.advance(seconds=1)
    assert store.check_password(ada.email, PASSWORD).locked_until is None


def test_the_right_password_before_the_fifth_failure_starts_the_count_anew(
    store: Administrators, ada: Administrator
) -> None:
    for _ in range(3):
        fail(store, 4)
        store.check_password(ada.email, PASSWORD)


def test_many_attempts_at_once_are_no_way_round_the_lock(store: Administrators, ada: Administrator) -> None:
    outcomes: list[type[Exception]] = []

    def attempt() -> None:
        try:
            store.check_password(ada.email, WRONG)
        except (SignInRefused, LockedOut) as error:
            outcomes.append(type(error))

    threads = [threading.Thread(target=attempt) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes.count(SignInRefused) == 5
    assert outcomes.count(LockedOut) == 15


def test_a_new_password_and_the_operator_lift_the_lock(store: Administrators, ada: Administrator) -> None:
    fail(store, 5)
    store.set_password(ada.id, "another long one")
    assert store.check_password(ada.email, "another long one") == ada
    fail(store, 5)
    store.unlock(ada.id)
    assert store.check_password(ada.email, "another long one") == ada


def test_a_hash_of_other_cost_is_made_anew_when_its_password_is_known(
    store: Administrators, bench: Bench, ada: Administrator
) -> None:
    before = stored_password(bench, ada)
    dearer = PasswordHasher(time_cost=2, memory_cost=8, parallelism=1)
    Administrators(bench.foundation.database, bench.clock, hasher=dearer).check_password(ada.email, PASSWORD)
    assert ("t=1" in before, "t=2" in stored_password(bench, ada)) == (True, True)
    assert store.check_password(ada.email, PASSWORD) == ada


@pytest.mark.parametrize("password", ["", "11-letters!", "x" * 1_001])
def test_a_password_of_another_length_is_refused_and_the_rule_named(
    store: Administrators, ada: Administrator, password: str
) -> None:
    with pytest.raises(PasswordRefused, match="12 to 1000 characters"):
        store.set_password(ada.id, password)
    assert store.check_password(ada.email, PASSWORD) == ada


def test_without_a_password_no_password_signs_in(store: Administrators, ada: Administrator) -> None:
    store.add(ada.partner_id, "elsewhere@example.com", "Eve", "full")
    for guess in ("", "None", PASSWORD):
        with pytest.raises(SignInRefused):
            store.check_password("elsewhere@example.com", guess)


def test_an_address_belongs_to_one_administrator_over_all_partners(
    store: Administrators, bench: Bench, ada: Administrator
) -> None:
    other = bench.partner("Other", [])
    with pytest.raises(AdministratorExists):
        store.add(other.id, "ADA@EXAMPLE.COM", "Another", "full")
    assert store.of_partner(other.id) == []
    assert store.of_partner() == [ada]


@pytest.mark.parametrize("email", ["", "ada", "@example.com", "a b@example.com", "a@b@example.com", "a@b\nc"])
def test_what_is_no_address_is_refused(store: Administrators, bench: Bench, email: str) -> None:
    with pytest.raises(AdministratorRefused, match="email"):
        store.add(bench.partner().id, email, "Ada", "full")


def test_customers_are_assigned_to_the_role_assigned_alone(
    store: Administrators, bench: Bench, ada: Administrator
) -> None:
    with pytest.raises(AdministratorRefused, match="assigned"):
        store.change(ada.id, organizations=[ORG])
    assert store.change(ada.id, role="assigned", organizations=[ORG.upper()]).organizations == (ORG,)
    assert store.change(ada.id, name="Ada L.").organizations == (ORG,)
    with pytest.raises(OrganizationUnknown):
        store.change(ada.id, organizations=[OTHER_ORG])
    assert store.get(ada.id).organizations == (ORG,)
    assert store.change(ada.id, role="full").organizations == ()
    assert store.change(ada.id, role="assigned").organizations == ()


def test_who_is_removed_is_unknown(store: Administrators, ada: Administrator) -> None:
    store.remove(ada.id)
    for ask in (store.get, store.remove):
        with pytest.raises(AdministratorUnknown):
            ask(ada.id)
    with pytest.raises(SignInRefused):
        store.check_password(ada.email, PASSWORD)


def test_of_two_changes_at_once_neither_undoes_the_other(store: Administrators, ada: Administrator) -> None:
    for _ in range(20):
        store.change(ada.id, role="full")
        renaming = threading.Thread(target=lambda: [store.change(ada.id, name=f"Ada {n}") for n in range(10)])
        renaming.start()
        store.change(ada.id, role="read_only")
        renaming.join()
        assert store.get(ada.id).role == "read_only"


def test_an_address_that_only_looks_like_a_known_one_is_another(store: Administrators, ada: Administrator) -> None:
    kim = store.add(ada.partner_id, "KIM@example.com", "Kim", "full", PASSWORD)
    assert store.by_email("Kim@Example.com") == kim
    with pytest.raises(AdministratorUnknown):
        store.by_email("\N{KELVIN SIGN}im@example.com")


def test_an_administrator_needs_a_partner_that_there_is(store: Administrators) -> None:
    with pytest.raises(PartnerUnknown):
        store.add("no such id", "ada@example.com", "Ada", "full")
