"""vmaharness: takes a kernel patch series, applies, builds, boots and tests it, and says what it did.

The way of the data, one package a stage::

    plan -> series -> tree -> build -> guest -> suites -> verdict -> report

`harness.model` holds the values that travel this way, `harness.run` the order in which they do.
"""

__version__ = "0.1.0"
