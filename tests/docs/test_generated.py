"""What follows from the tools' source is up to date."""

import pytest

from tools.generate import COMMAND, ROOT, generated, stale

pytestmark = pytest.mark.quick


def test_generated_files_are_up_to_date() -> None:
    old = [str(file.relative_to(ROOT)) for file in stale(generated())]
    assert old == [], f"run `{COMMAND}`, read the difference and commit it: {', '.join(old)}"
