"""However it ends: what was found out is published, and what was opened is closed."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from harness.errors import HarnessError

R = TypeVar("R")


def published(
    work: Callable[[], None], account: Callable[[HarnessError | None], R], publish: Callable[[R], None],
    *, close: Callable[[], None],
) -> R:  # fmt: skip
    """Do the work and publish the account of it, which is also given back.

    Raises what the work raises, once an account with that error is published.
    """
    try:
        work()
    except HarnessError as error:
        publish(account(error))
        raise
    finally:
        close()
    result = account(None)
    publish(result)
    return result
