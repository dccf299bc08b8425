"""Where problems are."""

from pointsman.errors import ConfigError, Problem


def within(key: str, error: ConfigError) -> list[Problem]:
    """An error's problems as those of one container or service."""
    return [Problem(f"{key}: {each.path}" if each.path else key, each.message) for each in error.problems]
