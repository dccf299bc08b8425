"""The answers of EC2, which are XML."""

from xml.etree.ElementTree import Element, ParseError, fromstring

from pointsman_ecs.errors import AWSError


def instances_in(body: bytes) -> tuple[dict[str, str], str]:
    """Addresses of the instances that run, by id, and the key of the next page ("" at the end)."""
    try:
        root = _without_namespaces(fromstring(body))
    except ParseError:
        raise AWSError("DescribeInstances of ec2: the answer is no XML; does the endpoint speak for AWS?") from None
    if root.tag != "DescribeInstancesResponse":
        raise AWSError("DescribeInstances of ec2: the answer is of another kind; does the endpoint speak for AWS?")
    found = {}
    for instance in root.iterfind("reservationSet/item/instancesSet/item"):
        address = instance.findtext("privateIpAddress") or instance.findtext("ipv6Address") or ""
        if address and instance.findtext("instanceState/name") == "running":
            found[instance.findtext("instanceId") or ""] = address
    return found, root.findtext("nextToken") or ""


def error_in(body: bytes) -> tuple[str, str]:
    """Code and message of an error; empty if it is none."""
    try:
        root = _without_namespaces(fromstring(body))
    except ParseError:
        return "", ""
    return root.findtext("Errors/Error/Code") or "", root.findtext("Errors/Error/Message") or ""


def _without_namespaces(root: Element) -> Element:
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
    return root
