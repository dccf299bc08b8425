"""What exporters get."""

from pointsman import Distribution


def test_a_distribution_is_told_in_wider_places():
    fine = Distribution((0.1, 0.3, 0.5, 1.2, 5.0), (1, 2, 3, 4, 5, 6), 60.0)

    assert fine.total == 21
    assert fine.at((0.1, 0.5, 5.0)) == Distribution((0.1, 0.5, 5.0), (1, 5, 9, 6), 60.0)
    assert fine.at(()) == Distribution((), (21,), 60.0)
    assert fine.at(fine.bounds) is fine
