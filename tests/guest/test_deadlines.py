"""Deadlines stretch with the accelerator and the measured speed, and never shrink."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.guest.deadlines import NOMINAL_INIT_S, Deadline, Pace
from harness.model import Accel

seconds = st.floats(0.001, 1e6)


def test_hardware_speed_is_taken_as_given() -> None:
    assert (Pace(Accel.KVM).work_s(60), Pace(Accel.KVM).silence_s(30)) == (60, 30)


def test_translated_code_gets_more() -> None:
    assert Pace(Accel.TCG).work_s(60) == 600
    assert 30 < Pace(Accel.TCG).silence_s(30) < Pace(Accel.TCG).work_s(30)


@pytest.mark.parametrize("accel", list(Accel))
def test_a_slow_boot_stretches_all_that_follows(accel: Accel) -> None:
    slow = Pace(accel).measured(3 * NOMINAL_INIT_S[accel])
    assert slow.work_s(10) == pytest.approx(3 * Pace(accel).work_s(10))
    assert slow.silence_s(10) == pytest.approx(3 * Pace(accel).silence_s(10))


@given(st.sampled_from(Accel), st.floats(0, 1e4), seconds)
def test_nothing_shrinks(accel: Accel, init_s: float, given_s: float) -> None:
    pace = Pace(accel).measured(init_s)
    assert pace.work_s(given_s) >= Pace(accel).work_s(given_s) >= given_s
    assert pace.silence_s(given_s) >= Pace(accel).silence_s(given_s) >= given_s


def test_a_deadline_runs_out_and_can_start_again() -> None:
    now = [100.0]
    deadline = Deadline(5.0, clock=lambda: now[0])
    now[0] += 3
    assert (deadline.expired, deadline.remaining_s) == (False, 2.0)
    now[0] += 3
    assert (deadline.expired, deadline.remaining_s) == (True, 0.0)
    deadline.restart()
    assert (deadline.expired, deadline.remaining_s) == (False, 5.0)
