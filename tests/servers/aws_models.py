"""AWS's own models of its services, as botocore ships them: judges of what a client asks and what a server answers.

A request has to be what botocore's serializer makes of the same parameters; an answer is written from the model, and
botocore's parser has to read out of it what was meant. Signatures are checked by what the specification of SigV4 says.
"""

import hashlib
import hmac
import json
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

from botocore.loaders import Loader
from botocore.model import OperationModel, ServiceModel, Shape
from botocore.parsers import create_parser
from botocore.serialize import create_serializer
from botocore.validate import ParamValidator


@cache
def model(service: str) -> ServiceModel:
    return ServiceModel(Loader().load_service_model(service, "service-2"), service)


def request_of(headers: Mapping[str, str], body: bytes) -> tuple[str, str, dict[str, Any]]:
    """Service, action and parameters of a request that is as botocore would have sent it; AssertionError for others."""
    target = headers.get("X-Amz-Target", "")
    if target:
        prefix, _, action = target.partition(".")
        service = {model(each).metadata["targetPrefix"]: each for each in ("ecs", "ssm")}[prefix]
        parameters = json.loads(body)
    else:
        service, form = "ec2", dict(parse_qsl(body.decode(), keep_blank_values=True))
        action, parameters = form["Action"], _parameters(form)
    operation = model(service).operation_model(action)
    ParamValidator().validate(parameters, operation.input_shape).generate_report()
    assert not ParamValidator().validate(parameters, operation.input_shape).has_errors()
    expected = create_serializer(operation.metadata["protocol"]).serialize_to_request(parameters, operation)
    assert {key: headers.get(key) for key in expected["headers"]} == expected["headers"]
    same = json.loads(expected["body"]) == parameters if target else {k: str(v) for k, v in expected["body"].items()} == form
    assert same, (expected["body"], body)
    return service, action, parameters


def _parameters(form: Mapping[str, str]) -> dict[str, Any]:
    """Those of DescribeInstances: one filter, and the next page."""
    values = [value for key, value in form.items() if key.startswith("Filter.1.Value.")]
    found: dict[str, Any] = {"Filters": [{"Name": form["Filter.1.Name"], "Values": values}]}
    return found | ({"NextToken": form["NextToken"]} if "NextToken" in form else {})


def answer_of(service: str, action: str, value: dict[str, Any]) -> bytes:
    """The body that says so."""
    operation = model(service).operation_model(action)
    shape = operation.output_shape
    if service == "ec2":
        body = f'<?xml version="1.0"?><{action}Response xmlns="http://ec2.amazonaws.com/doc/2016-11-15/">'.encode()
        body += "".join(_xml(shape, value)).encode() + f"</{action}Response>".encode()
    else:
        body = json.dumps(value).encode()
    read = _read(operation, body, 200)
    assert read == value, f"botocore reads {read}"
    return body


def error_of(service: str, status: int, code: str, message: str) -> bytes:
    if service == "ec2":
        text = f"<Code>{code}</Code><Message>{escape(message)}</Message>"
        body = f"<Response><Errors><Error>{text}</Error></Errors><RequestID>1-2</RequestID></Response>".encode()
    else:
        body = json.dumps({"__type": f"com.amazonaws.{service}#{code}", "message": message}).encode()
    operation = model(service).operation_model("DescribeInstances" if service == "ec2" else "ListTagsForResource")
    error = _read(operation, body, status)["Error"]
    assert error == {"Code": code, "Message": message}
    return body


def _read(operation: OperationModel, body: bytes, status: int) -> dict[str, Any]:
    parser = create_parser(operation.metadata["protocol"])
    read = parser.parse({"headers": {}, "body": body, "status_code": status}, operation.output_shape)
    return {key: value for key, value in read.items() if key != "ResponseMetadata"}


def _xml(shape: Shape, value: Mapping[str, Any]) -> Iterator[str]:
    for key, inner in value.items():
        member = shape.members[key]
        name = member.serialization.get("name", key)
        if member.type_name == "list":
            items = "".join(f"<item>{''.join(_xml(member.member, each))}</item>" for each in inner)
            yield f"<{name}>{items}</{name}>"
        elif member.type_name == "structure":
            yield f"<{name}>{''.join(_xml(member, inner))}</{name}>"
        else:
            yield f"<{name}>{escape(str(inner))}</{name}>"


def signed_by(secret: str, method: str, path: str, headers: Mapping[str, str], body: bytes) -> bool:
    """Whether the Authorization header holds the SigV4 signature of this request, made with this secret."""
    algorithm, _, rest = headers.get("Authorization", "").partition(" ")
    parts = dict(part.strip().split("=", 1) for part in rest.split(",") if "=" in part)
    if algorithm != "AWS4-HMAC-SHA256":
        return False
    names = parts["SignedHeaders"].split(";")
    if "host" not in names or ("X-Amz-Security-Token" in headers and "x-amz-security-token" not in names):
        return False
    lines = "".join(f"{name}:{' '.join(headers.get(name, '').split())}\n" for name in names)
    canonical = "\n".join([method, path, "", lines, ";".join(names), hashlib.sha256(body).hexdigest()])
    _, *scope = parts["Credential"].split("/")
    text = [algorithm, headers["X-Amz-Date"], "/".join(scope), hashlib.sha256(canonical.encode()).hexdigest()]
    key = f"AWS4{secret}".encode()
    for part in (*scope, "\n".join(text)):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key.hex() == parts["Signature"]
