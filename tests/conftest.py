"""Settings of the whole suite."""

import os

from hypothesis import settings

# Timings never decide a test, and a merge must not depend on which examples are drawn that day:
# on a CI machine the draws are fixed, at a developer's desk they are new every time.
settings.register_profile("desk", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "desk")
