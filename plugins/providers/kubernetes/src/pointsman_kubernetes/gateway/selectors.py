"""Label selectors as objects write them: `matchLabels` and `matchExpressions`. Pure."""

from collections.abc import Mapping
from typing import Any

from pointsman.dialect.lookups import at, blocks, text, texts
from pointsman_kubernetes.objects import Object


class InvalidSelector(ValueError):
    """It cannot be understood, so it selects nothing."""


def selected(thing: Object, selector: Mapping[str, Any]) -> bool:
    """Whether the labels of an object are as a selector wants them; an empty one wants nothing. InvalidSelector."""
    labels = texts(thing, "metadata", "labels")
    wanted = texts(selector, "matchLabels")
    meets = [_meets(labels, each) for each in blocks(selector, "matchExpressions")]
    return all(labels.get(key) == value for key, value in wanted.items()) and all(meets)


def _meets(labels: Mapping[str, str], expression: Mapping[str, Any]) -> bool:
    key, operator, values = text(expression, "key"), text(expression, "operator"), at(expression, "values")
    among = labels.get(key) in values if isinstance(values, list) else False
    match operator:
        case "In":
            return among
        case "NotIn":
            return not among
        case "Exists":
            return key in labels
        case "DoesNotExist":
            return key not in labels
    raise InvalidSelector(f"operator {operator!r} is none of In, NotIn, Exists, DoesNotExist")
