"""What the tests of all packages share."""

from __future__ import annotations

import os

from hypothesis import settings

# No deadlines: these machines are shared, and how long an example takes says nothing. CI draws the same examples each time.
settings.register_profile("tapeloom", deadline=None, derandomize=bool(os.environ.get("CI")))
settings.load_profile("tapeloom")
