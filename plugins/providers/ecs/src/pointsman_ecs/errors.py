"""What AWS answers in place of what was asked."""


class AWSError(Exception):
    """A call that failed: who was asked for what, and why not. Holds no secret, and one line only."""


class Refused(AWSError):
    """AWS answered with an error, whose `code` it gave: `ClusterNotFoundException`."""

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message)
        self.code = code


class Throttled(Refused):
    """AWS was asked too often."""


def one_line(text: str) -> str:
    """The first line, as far as it fits: what follows in AWS's words may be what was signed, tokens included."""
    return text.strip().partition("\n")[0][:300]
