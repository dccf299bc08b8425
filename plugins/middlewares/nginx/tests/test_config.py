from pointsman.testing import build
from pointsman_nginx import RewriteTarget


def test_builds():
    assert build(RewriteTarget, {"replacement": "/"})
