"""Holds the golden files beside this script to botocore's own service models; run it with any Python that has botocore.

    python3 check.py          every answer parses with botocore's parsers, has every member that its shape requires
                              and none that its shape lacks; requests.json is what botocore's serializer sends
    python3 check.py --write  writes requests.json anew

The answers are written by the Rust tests (`FASTNESS_BLESS=1 cargo nextest run -p fastness-iam`); requests.json is read
by them. Names of answers: SERVICE.OPERATION[.WORD][.STATUS].xml
"""

import json
import pathlib
import sys
import xml.etree.ElementTree as ElementTree
from urllib.parse import urlencode

import botocore.parsers
import botocore.serialize
import botocore.session

FOLDER = pathlib.Path(__file__).parent
SESSION = botocore.session.get_session()
MODELS = {name: SESSION.get_service_model(name) for name in ("iam", "sts")}
TAGS = [{"Key": "clearance", "Value": "TOP SECRET//SI/TK"}, {"Key": "nationality", "Value": "USA"}]
REQUESTS = [
    ("iam", "CreateUser", {"UserName": "ana"}),
    ("iam", "CreateUser", {"UserName": "a+b=c,d.e@f_g-h", "Path": "/staff/night/", "Tags": [{"Key": "Größe", "Value": "a&b=c+d% e"}]}),
    ("iam", "CreateUser", {"UserName": "ana", "Tags": []}),
    ("iam", "GetUser", {}),
    ("iam", "GetUser", {"UserName": "ana"}),
    ("iam", "ListUsers", {}),
    ("iam", "ListUsers", {"PathPrefix": "/staff/", "Marker": "ana", "MaxItems": 1000}),
    ("iam", "DeleteUser", {"UserName": "ana"}),
    ("iam", "TagUser", {"UserName": "ana", "Tags": TAGS}),
    ("iam", "TagUser", {"UserName": "ana", "Tags": [{"Key": "k", "Value": ""}]}),
    ("iam", "UntagUser", {"UserName": "ana", "TagKeys": ["clearance", "label"]}),
    ("iam", "ListUserTags", {"UserName": "ana"}),
    ("iam", "ListUserTags", {"UserName": "ana", "Marker": "clearance", "MaxItems": 1}),
    ("iam", "CreateAccessKey", {}),
    ("iam", "CreateAccessKey", {"UserName": "ana"}),
    ("iam", "ListAccessKeys", {}),
    ("iam", "ListAccessKeys", {"UserName": "ana", "Marker": "AKIAIOSFODNN7EXAMPLE", "MaxItems": 2}),
    ("iam", "UpdateAccessKey", {"AccessKeyId": "AKIAIOSFODNN7EXAMPLE", "Status": "Inactive"}),
    ("iam", "UpdateAccessKey", {"UserName": "ana", "AccessKeyId": "AKIAIOSFODNN7EXAMPLE", "Status": "Active"}),
    ("iam", "DeleteAccessKey", {"AccessKeyId": "AKIAIOSFODNN7EXAMPLE"}),
    ("iam", "DeleteAccessKey", {"UserName": "ana", "AccessKeyId": "AKIAIOSFODNN7EXAMPLE"}),
    ("sts", "GetCallerIdentity", {}),
]


def requests():
    """What botocore sends for each of REQUESTS."""
    found = []
    for service, name, parameters in REQUESTS:
        operation = MODELS[service].operation_model(name)
        sent = botocore.serialize.create_serializer("query").serialize_to_request(parameters, operation)
        content_type = sent["headers"]["Content-Type"]
        found.append({"service": service, "content_type": content_type, "body": urlencode(sent["body"])})
    return json.dumps(found, indent=1) + "\n"


def children(node):
    return [(child.tag.split("}")[1], child) for child in node]


def hold(shape, node, where):
    """The element is what the shape says, member by member."""
    if shape.type_name == "structure":
        names = [name for name, _ in children(node)]
        assert len(names) == len(set(names)), f"{where}: a member twice in {names}"
        for name in shape.required_members:
            assert name in names, f"{where}: {name} is required"
        for name, child in children(node):
            assert name in shape.members, f"{where}: {name} is no member of {shape.name}"
            hold(shape.members[name], child, f"{where}.{name}")
    elif shape.type_name == "list":
        for name, child in children(node):
            assert name == "member", f"{where}: {name} in a list"
            hold(shape.member, child, where)
    else:
        assert not children(node), f"{where}: members in a {shape.type_name}"
        least, most = shape.metadata.get("min", 0), shape.metadata.get("max", 10**9)
        assert least <= len(node.text or "") <= most, f"{where}: length of {node.text!r}"
        if getattr(shape, "enum", None):
            assert node.text in shape.enum, f"{where}: {node.text}"


def check_answer(path):
    service, name, *rest = path.stem.split(".")
    status = int(rest[-1]) if rest and rest[-1].isdigit() else 200
    model = MODELS[service]
    operation = model.operation_model(name)
    body = path.read_bytes()
    answer = {"status_code": status, "headers": {}, "body": body}
    parsed = botocore.parsers.create_parser("query").parse(answer, operation.output_shape)
    assert parsed["ResponseMetadata"]["RequestId"] == "0123456789ABCDEF", parsed
    root = ElementTree.fromstring(body)
    namespace = "{" + model.metadata["xmlNamespace"] + "}"
    assert all(node.tag.startswith(namespace) for node in root.iter()), "namespace"
    if status != 200:
        error = parsed["Error"]
        assert root.tag == namespace + "ErrorResponse" and error["Message"], error
        assert error["Type"] == ("Sender" if status < 500 else "Receiver"), error
        modelled = [e for e in operation.error_shapes if e.metadata["error"]["code"] == error["Code"]]
        assert all(e.metadata["error"]["httpStatusCode"] == status for e in modelled), error
        return
    assert root.tag == namespace + name + "Response", root.tag
    parts = dict(children(root))
    if operation.output_shape is None:
        assert list(parts) == ["ResponseMetadata"], list(parts)
    else:
        wrapper = operation.output_shape.serialization["resultWrapper"]
        assert list(parts) == [wrapper, "ResponseMetadata"], list(parts)
        hold(operation.output_shape, parts[wrapper], name)


def main():
    if sys.argv[1:] == ["--write"]:
        (FOLDER / "requests.json").write_text(requests())
    assert (FOLDER / "requests.json").read_text() == requests(), "requests.json is out of date: --write"
    answers = sorted(FOLDER.glob("*.xml"))
    for path in answers:
        try:
            check_answer(path)
        except (AssertionError, KeyError, botocore.parsers.ResponseParserError) as error:
            sys.exit(f"{path.name}: {error!r}")
    print(f"{len(REQUESTS)} requests and {len(answers)} answers are as botocore's models have them")


if __name__ == "__main__":
    main()
