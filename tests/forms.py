"""Forms as browsers post them: signed by boto3, sent field by field."""

import urllib3

from wire import Answer

POOL = urllib3.PoolManager(retries=False, timeout=60)


def sign(s3, bucket, key, fields=None, conditions=None, seconds=600):
    """The address and the fields of a form that may be posted: boto3's own signature over the policy."""
    made = s3.generate_presigned_post(bucket, key, Fields=dict(fields or {}), Conditions=list(conditions or []), ExpiresIn=seconds)
    return made["url"], made["fields"]


def post(url, fields, body=b"x", filename="f.txt", headers=None, kind="text/plain"):
    """Posts a form, its file last. `fields` is a mapping, or pairs where a name stands twice."""
    pairs = list(fields.items() if isinstance(fields, dict) else fields)
    if body is not None:
        pairs.append(("file", (filename, body, kind) if filename is not None else body))
    encoded, content_type = urllib3.encode_multipart_formdata(pairs)
    return send(url, encoded, {"Content-Type": content_type, **(headers or {})})


def send(url, body, headers):
    answer = POOL.request("POST", url, body=body, headers=headers, redirect=False)
    return Answer(answer.status, list(answer.headers.items()), answer.data)
