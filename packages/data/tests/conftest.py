import faulthandler
import sys
from pathlib import Path

import pytest

# Spawned workers import what they need by name: from here, whatever way pytest imports the tests.
sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(autouse=True)
def no_hang():
    """A loader that hangs ends the run with the stacks of all threads, long after any test should be done."""
    faulthandler.dump_traceback_later(300, exit=True, file=sys.__stderr__)
    yield
    faulthandler.cancel_dump_traceback_later()
