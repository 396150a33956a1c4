"""What outcomes are called where people read them: what is bad is in capitals."""

from harness.model import Outcome

WORDS = {
    Outcome.PASS: "passed",
    Outcome.FAIL: "FAILED",
    Outcome.CRASH: "CRASHED",
    Outcome.TIMEOUT: "TIMED OUT",
    Outcome.NOT_EXERCISED: "NOT EXERCISED",
    Outcome.ERROR: "ERROR",
    Outcome.SKIP: "skipped",
    Outcome.NOT_RUN: "not run",
}
