//! Inputs to begin with: requests as botocore sends them, bodies as our signer encodes them, markings, policies, files.
//! And the words of each protocol, for libFuzzer's dictionary.

use crate::chunked::encoded;

fn texts(texts: &[&str]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

/// Names in heads that have to do with signatures.
pub(crate) const HTTP_WORDS: &[&str] = &[
    "AWS4-HMAC-SHA256 Credential=",
    "AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request",
    "SignedHeaders=host;x-amz-date",
    "Signature=",
    "X-Amz-Algorithm=AWS4-HMAC-SHA256",
    "X-Amz-Credential=",
    "X-Amz-Date=20130524T000000Z",
    "X-Amz-Expires=86400",
    "X-Amz-SignedHeaders=host",
    "X-Amz-Signature=",
    "X-Amz-Security-Token=",
    "x-amz-content-sha256: ",
    "x-amz-date: ",
    "x-amz-trailer: ",
    "x-amz-decoded-content-length: ",
    "content-encoding: aws-chunked",
    "UNSIGNED-PAYLOAD",
    "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
    "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
    "authorization: ",
    "host: ",
    "date: Fri, 24 May 2013 00:00:00 GMT",
    "%2F",
    "%25",
    "%00",
    "AWSAccessKeyId=",
    "!service iam",
];

/// Heads to be signed, to be presigned, and signed by somebody.
pub(crate) fn signature() -> Vec<Vec<u8>> {
    let mut seeds = texts(&[
        "S GET /test.txt\nhost: examplebucket.s3.amazonaws.com\nrange: bytes=0-9\n\n\x00\x01\x02",
        "S PUT /test%24file.text\nhost: h\ndate: Fri, 24 May 2013 00:00:00 GMT\nx-amz-storage-class: STANDARD\n\n\x01\x05b",
        "S GET /?lifecycle\nhost: h\n\n\x02\x00\x41",
        "S GET /?max-keys=2&prefix=J&b=+%20&a\nhost: h:8080\n\n\x0d\x0b0",
        "S GET /a//b/../c%2Fd/%C3%A9\nhost:  two   words\nx-amz-meta-a: 1\nx-amz-meta-a: 2\n\n\x06\x01 ",
        "S POST /\n!service iam\nhost: h\ncontent-type: application/x-www-form-urlencoded\n\n\x00\x02\x03",
        "S GET /?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404\nhost: h\n\n123",
        "S GET /?AWSAccessKeyId=A&Signature=b&Expires=1\nhost: h\n\n123",
        "S PUT /k\nhost: h\nx-amz-security-token: t\n\n123",
    ]);
    let (parts, _) = encoded(2, b"body", 2);
    let mut head = b"S PUT /bucket/key".to_vec();
    for (name, value) in &parts.headers {
        head.extend_from_slice(format!("\n{name}: ").as_bytes());
        head.extend_from_slice(value.as_bytes());
    }
    head.extend_from_slice(b"\n\n\x03\x04\x05");
    seeds.push(head);
    seeds
}

/// The framing of aws-chunked.
pub(crate) const CHUNK_WORDS: &[&str] = &[
    "\r\n",
    "0\r\n",
    "0\r\n\r\n",
    "8\r\n",
    "8\r\nxxxxxxxx\r\n",
    "00000008",
    ";chunk-signature=",
    "x-amz-checksum-crc32:AAAAAA==\r\n",
    "x-amz-checksum-crc32:AAAAAA==\n",
    "x-amz-trailer-signature:",
    "ffffffffffffffff",
];

/// Bodies of each kind: as they are, and encoded with changes.
pub(crate) fn chunked() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for kind in 0..4_u8 {
        for piece in [1_u8, 3, 255] {
            let (_, wire) = encoded(kind, b"xxxxxxxx", usize::from(piece));
            seeds.push([&[kind | 0x80, piece, 3, 0], wire.as_slice()].concat());
            seeds.push([&[kind, piece, 5, 0], b"some content, not long".as_slice()].concat());
            seeds.push([&[kind, piece, 5, 2, 10, 0, b'1', 200, 2, b'\n'], b"some content".as_slice()].concat());
        }
    }
    seeds
}

/// Methods, subresources and headers of S3.
pub(crate) const S3_WORDS: &[&str] = &[
    "\n%%\n",
    "S ",
    "U ",
    "T ",
    "C ",
    "B ",
    "X ",
    "GET ",
    "PUT ",
    "POST ",
    "DELETE ",
    "HEAD ",
    "OPTIONS ",
    "/plain",
    "/kept",
    "/high",
    "/theirs",
    "/a.txt",
    "/dir/b.txt",
    "?versions",
    "?uploads",
    "?uploadId=",
    "&partNumber=",
    "?versionId=",
    "?delete",
    "?versioning",
    "?location",
    "?tagging",
    "?acl",
    "?cors",
    "?lifecycle",
    "?object-lock",
    "?retention",
    "?legal-hold",
    "?attributes",
    "?policy",
    "?encryption",
    "?notification",
    "?logging",
    "?select",
    "?list-type=2",
    "&prefix=",
    "&delimiter=",
    "&marker=",
    "&key-marker=",
    "&version-id-marker=",
    "&start-after=",
    "&continuation-token=",
    "&max-keys=",
    "&encoding-type=url",
    "&fetch-owner=true",
    "{{1:x-amz-version-id}}",
    "{{1:UploadId}}",
    "{{1:NextContinuationToken}}",
    "{{1:etag}}",
    "!stream 3",
    "!open",
    "!presign",
    "!unsigned",
    "!cut 1",
    "!trailer x-amz-checksum-crc32 ",
    "!open-trailer x-amz-checksum-crc32 ",
    "x-amz-copy-source: ",
    "x-amz-copy-source-range: bytes=",
    "x-amz-metadata-directive: REPLACE",
    "x-amz-tagging: ",
    "x-amz-acl: ",
    "x-amz-meta-classification: ",
    "x-amz-checksum-crc32: ",
    "x-amz-checksum-algorithm: ",
    "x-amz-checksum-type: ",
    "x-amz-object-attributes: ",
    "x-amz-object-lock-mode: ",
    "x-amz-object-lock-retain-until-date: ",
    "x-amz-server-side-encryption: ",
    "x-amz-server-side-encryption-customer-key: ",
    "x-amz-website-redirect-location: ",
    "content-md5: ",
    "content-type: ",
    "range: bytes=",
    "if-match: ",
    "if-none-match: *",
    "if-modified-since: ",
    "x-amz-decoded-content-length: ",
    "x-amz-mp-object-size: ",
    "x-amz-bypass-governance-retention: true",
    "Sat, 01 Jan 2022 00:00:00 GMT",
    "SECRET",
    "TOP SECRET//SI/TK",
    "%2F",
    "%00",
    "%C3%A9",
    "expect: 100-continue",
    "origin: http://a",
    "access-control-request-method: PUT",
];

/// Requests of S3, several at once where one needs the other's answer.
pub(crate) fn s3() -> Vec<Vec<u8>> {
    texts(&[
        "S GET /",
        "U GET /plain?list-type=2&prefix=&delimiter=%2F&max-keys=1\n%%\nU GET /plain?list-type=2&continuation-token={{1:NextContinuationToken}}",
        "S GET /plain?marker=a&encoding-type=url",
        "S GET /kept?versions&max-keys=1\n%%\nS GET /kept?versions&key-marker={{1:NextKeyMarker}}&version-id-marker={{1:NextVersionIdMarker}}",
        "S GET /kept/a.txt\n%%\nS GET /kept/a.txt?versionId={{1:x-amz-version-id}}\n%%\nS DELETE /kept/a.txt?versionId={{1:x-amz-version-id}}\n%%\nS GET /kept/a.txt",
        "S HEAD /plain/a.txt\nrange: bytes=1-3\nif-none-match: \"x\"",
        "S GET /plain/a.txt?response-content-type=text%2Fplain&response-expires=Sat%2C%2001%20Jan%202022%2000%3A00%3A00%20GMT\nrange: bytes=-4",
        "S GET /plain/a.txt?partNumber=1\nx-amz-checksum-mode: ENABLED",
        "S PUT /plain/new.txt\ncontent-type: text/plain\nx-amz-meta-a: b\nx-amz-meta-classification: SECRET\n!cut 3\n\nhello world\n%%\nT GET /plain/new.txt\n%%\nU GET /plain/new.txt",
        "S PUT /plain/s.txt\n!stream 4\n\nhello chunks\n%%\nS GET /plain/s.txt",
        "S PUT /plain/t.txt\n!trailer x-amz-checksum-crc32 DUoRhQ==\n\nhello world\n%%\nS HEAD /plain/t.txt\nx-amz-checksum-mode: ENABLED",
        "S PUT /plain/t.txt\n!open-trailer x-amz-checksum-crc32 DUoRhQ==\n\nhello world",
        "S PUT /plain/o.txt\nx-amz-sdk-checksum-algorithm: CRC32\nx-amz-checksum-crc32: DUoRhQ==\n!open\n\nhello world",
        "S PUT /plain/m.txt\ncontent-md5: XrY7u+Ae7tCTyyK7j1rNww==\nif-none-match: *\n\nhello world",
        "S GET /plain/a.txt\n!presign",
        "S PUT /plain/p.txt\n!presign\n\npresigned",
        "S PUT /plain/copy.txt\nx-amz-copy-source: /kept/a.txt\nx-amz-metadata-directive: REPLACE\nx-amz-meta-b: c\n%%\nS GET /plain/copy.txt",
        "S POST /plain/up.bin?uploads\nx-amz-checksum-algorithm: CRC32\n%%\nS PUT /plain/up.bin?partNumber=1&uploadId={{1:UploadId}}\n\npart\n%%\nS GET /plain/up.bin?uploadId={{1:UploadId}}\n%%\nS POST /plain/up.bin?uploadId={{1:UploadId}}\n\n<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{{2:etag}}</ETag></Part></CompleteMultipartUpload>\n%%\nS GET /plain/up.bin",
        "S POST /plain/up.bin?uploads\n%%\nS PUT /plain/up.bin?partNumber=2&uploadId={{1:UploadId}}\nx-amz-copy-source: plain/a.txt\nx-amz-copy-source-range: bytes=0-3\n%%\nS DELETE /plain/up.bin?uploadId={{1:UploadId}}",
        "S GET /plain?uploads&prefix=b&max-uploads=1",
        "S POST /plain?delete\ncontent-md5: x\n\n<Delete><Object><Key>a.txt</Key></Object><Quiet>true</Quiet></Delete>",
        "S PUT /made\n\n<CreateBucketConfiguration><LocationConstraint>us-iso-east-1</LocationConstraint></CreateBucketConfiguration>\n%%\nS HEAD /made\n%%\nS GET /made?location\n%%\nS DELETE /made",
        "S PUT /kept?versioning\n\n<VersioningConfiguration><Status>Suspended</Status></VersioningConfiguration>\n%%\nS PUT /kept/a.txt\n\nnull\n%%\nS DELETE /kept/a.txt?versionId=null\n%%\nS GET /kept?versioning",
        "S DELETE /plain/dir/b.txt\n%%\nS GET /plain/dir/b.txt\n%%\nU GET /plain/dir/b.txt",
        "B GET /plain/a.txt\n%%\nC GET /theirs/c.txt\n%%\nB PUT /plain/x\n\nx",
        "X GET /plain/a.txt\n%%\nS GET /plain/a.txt\n!unsigned\n%%\nS GET /plain/a.txt\n+x-amz-acl: private",
        "T PUT /high/x\n\nhigh\n%%\nT DELETE /plain/a.txt\n%%\nS GET /plain/a.txt\n%%\nS GET /high/x\n%%\nS PUT /high",
        "S PUT /plain/a.txt?tagging\n\n<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>\n%%\nS GET /plain/a.txt?tagging\n%%\nS DELETE /plain/a.txt?tagging",
        "S PUT /plain?cors\n\n<CORSConfiguration><CORSRule><AllowedOrigin>*</AllowedOrigin><AllowedMethod>GET</AllowedMethod></CORSRule></CORSConfiguration>\n%%\nS OPTIONS /plain/a.txt\norigin: http://a\naccess-control-request-method: GET\n!unsigned",
        "S GET /plain/a.txt?attributes\nx-amz-object-attributes: ETag,ObjectSize,Checksum",
        "S GET /plain?acl\n%%\nS GET /plain?policy\n%%\nS GET /plain?encryption\n%%\nS GET /plain?lifecycle\n%%\nS GET /plain?logging",
        "S PUT /plain/%E2%82%AC%20%00%2B\n\nx\n%%\nS GET /plain?encoding-type=url",
        "S GET /_fastness/health\n%%\nS TRACE /\n%%\nS PATCH /plain/a.txt",
    ])
}

/// Actions and parameters of IAM, STS and Fastness's own interface.
pub(crate) const IAM_WORDS: &[&str] = &[
    "\n%%\n",
    "A POST /\n\n",
    "O POST /\n\n",
    "P POST /\n\n",
    "U POST /\n\n",
    "S POST /\n\n",
    "T POST /\n\n",
    "Action=",
    "&Version=2010-05-08",
    "&Version=2011-06-15",
    "CreateUser",
    "GetUser",
    "ListUsers",
    "DeleteUser",
    "UpdateUser",
    "TagUser",
    "UntagUser",
    "ListUserTags",
    "CreateAccessKey",
    "ListAccessKeys",
    "UpdateAccessKey",
    "DeleteAccessKey",
    "GetAccessKeyLastUsed",
    "GetCallerIdentity",
    "&UserName=",
    "&Path=%2F",
    "&PathPrefix=",
    "&Marker=",
    "&MaxItems=",
    "&Tags.member.1.Key=",
    "&Tags.member.1.Value=",
    "&TagKeys.member.1=",
    "clearance",
    "nationality",
    "label",
    "duty",
    "officer",
    "administrator",
    "&AccessKeyId=",
    "&Status=Inactive",
    "&Status=Active",
    "!service sts",
    "!service fastness",
    "x-amz-target: Fastness.",
    "CreateAccount",
    "ListAccounts",
    "CreateKey",
    "AllowLabel",
    "ListLabels",
    "PutMapping",
    "DeleteMapping",
    "ListMappings",
    "\"receive\":{\"bucket\":\"plans\",\"from\":\"us-isob-east-1\"}",
    "\"at\":[{\"from\":\"CUI\",\"to\":\"SECRET\"}]",
    "content-type: application/x-amz-json-1.1",
    "content-type: application/x-www-form-urlencoded",
    "{\"name\":\"gamma\"}",
    "{\"label\":\"SECRET\"}",
    "{}",
    "SECRET//REL TO USA, GBR",
    "{{1:AccessKeyId}}",
    "%2F",
    "%20",
    "+",
];

/// Requests of IAM, STS and Fastness's own interface.
pub(crate) fn iam() -> Vec<Vec<u8>> {
    texts(&[
        "A POST /\n\nAction=CreateUser&Version=2010-05-08&UserName=kim&Path=%2Fteam%2F&Tags.member.1.Key=unit&Tags.member.1.Value=a\n%%\nA POST /\n\nAction=GetUser&Version=2010-05-08&UserName=kim\n%%\nA POST /\n\nAction=DeleteUser&Version=2010-05-08&UserName=kim",
        "A POST /\n\nAction=ListUsers&Version=2010-05-08&MaxItems=1\n%%\nA POST /\n\nAction=ListUsers&Version=2010-05-08&Marker={{1:Marker}}",
        "O POST /\n\nAction=TagUser&Version=2010-05-08&UserName=ana&Tags.member.1.Key=clearance&Tags.member.1.Value=SECRET\n%%\nO POST /\n\nAction=ListUserTags&Version=2010-05-08&UserName=ana\n%%\nO POST /\n\nAction=UntagUser&Version=2010-05-08&UserName=ana&TagKeys.member.1=clearance",
        "U POST /\n\nAction=CreateAccessKey&Version=2010-05-08\n%%\nU POST /\n\nAction=ListAccessKeys&Version=2010-05-08\n%%\nU POST /\n\nAction=UpdateAccessKey&Version=2010-05-08&AccessKeyId={{1:AccessKeyId}}&Status=Inactive\n%%\nU POST /\n\nAction=DeleteAccessKey&Version=2010-05-08&AccessKeyId={{1:AccessKeyId}}",
        "S POST /\n\nAction=GetUser&Version=2010-05-08",
        "T POST /\n\nAction=CreateAccessKey&Version=2010-05-08",
        "S POST /\n!service sts\n\nAction=GetCallerIdentity&Version=2011-06-15",
        "P POST /\n!service fastness\ncontent-type: application/x-amz-json-1.1\nx-amz-target: Fastness.CreateAccount\n\n{\"name\":\"gamma\"}\n%%\nP POST /\n!service fastness\ncontent-type: application/x-amz-json-1.1\nx-amz-target: Fastness.ListAccounts\n\n{}",
        "U POST /\n!service fastness\ncontent-type: application/x-amz-json-1.1\nx-amz-target: Fastness.CreateKey\n\n{\"label\":\"SECRET\"}",
        "O POST /\n!service fastness\ncontent-type: application/x-amz-json-1.1\nx-amz-target: Fastness.AllowLabel\n\n{\"label\":\"SECRET//REL TO USA, GBR\"}\n%%\nO POST /\n!service fastness\ncontent-type: application/x-amz-json-1.1\nx-amz-target: Fastness.ListLabels\n\n{}",
        "O POST /\n!service fastness\ncontent-type: application/x-amz-json-1.1\nx-amz-target: Fastness.PutMapping\n\n{\"name\":\"plans\",\"way\":\"lift\",\"highest\":\"SECRET\",\"types\":[\"text/plain\"],\"bytes_per_day\":10,\"objects_per_day\":2,\"send\":{\"bucket\":\"plans\",\"to\":\"us-isob-east-1\",\"to_account\":\"123456789012\",\"to_bucket\":\"plans\"}}\n%%\nO POST /\n!service fastness\ncontent-type: application/x-amz-json-1.1\nx-amz-target: Fastness.PutMapping\n\n{\"name\":\"in\",\"way\":\"release\",\"highest\":\"UNCLASSIFIED\",\"types\":[\"text/plain\"],\"bytes_per_day\":10,\"objects_per_day\":2,\"receive\":{\"bucket\":\"plans\",\"from\":\"us-isob-east-1\"},\"metadata\":[\"subject\"],\"at\":[{\"from\":\"UNCLASSIFIED\",\"to\":\"UNCLASSIFIED\"}]}\n%%\nO POST /\n!service fastness\ncontent-type: application/x-amz-json-1.1\nx-amz-target: Fastness.ListMappings\n\n{}\n%%\nO POST /\n!service fastness\ncontent-type: application/x-amz-json-1.1\nx-amz-target: Fastness.DeleteMapping\n\n{\"name\":\"plans\"}\n%%\nO POST /\n!service fastness\ncontent-type: application/x-amz-json-1.1\nx-amz-target: Fastness.RequestRelease\n\n{\"bucket\":\"plans\",\"key\":\"a\",\"to\":\"us-gov-west-1\",\"name\":\"b\",\"label\":\"U\",\"type\":\"text/plain\",\"metadata\":{\"subject\":\"x\"},\"purpose\":\"exercise\",\"days\":3}\n%%\nO POST /\n!service fastness\ncontent-type: application/x-amz-json-1.1\nx-amz-target: Fastness.ApproveRelease\n\n{\"release\":\"0123456789abcdef0123456789abcdef\",\"digest\":\"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\",\"reason\":\"checked\"}",
        "A GET /?Action=ListUsers&Version=2010-05-08",
        "A POST /\n!unsigned\ncontent-type: application/x-www-form-urlencoded\n\nAction=ListUsers&Version=2010-05-08",
        "X POST /\n\nAction=ListUsers&Version=2010-05-08",
    ])
}

/// Elements of S3's XML bodies.
pub(crate) const XML_WORDS: &[&str] = &[
    "<Delete>",
    "</Delete>",
    "<Object>",
    "</Object>",
    "<Key>",
    "</Key>",
    "<VersionId>",
    "</VersionId>",
    "<Quiet>",
    "<CompleteMultipartUpload>",
    "<Part>",
    "</Part>",
    "<PartNumber>",
    "<ETag>",
    "<ChecksumCRC32>",
    "<VersioningConfiguration>",
    "<Status>",
    "Enabled",
    "Suspended",
    "<MfaDelete>",
    "<CreateBucketConfiguration>",
    "<LocationConstraint>",
    "<Tagging>",
    "<TagSet>",
    "<Tag>",
    "<Value>",
    "<CORSConfiguration>",
    "<CORSRule>",
    "<AllowedOrigin>",
    "<AllowedMethod>",
    "<MaxAgeSeconds>",
    "<LifecycleConfiguration>",
    "<Rule>",
    "<Filter>",
    "<Prefix>",
    "<Expiration>",
    "<Days>",
    "<Date>",
    "<NoncurrentVersionExpiration>",
    "<ObjectLockConfiguration>",
    "<Retention>",
    "<Mode>",
    "GOVERNANCE",
    "COMPLIANCE",
    "<RetainUntilDate>",
    "<LegalHold>",
    "ON",
    "OFF",
    "<!--",
    "-->",
    "<![CDATA[",
    "]]>",
    "<!DOCTYPE a [<!ENTITY b \"c\">]>",
    "&amp;",
    "&#0;",
    "&#x10ffff;",
    "&b;",
    "<?xml version=\"1.0\"?>",
    " xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"",
    "<a/>",
    "true",
    "false",
    "2030-01-01T00:00:00Z",
];

/// XML bodies, each behind the number of where it is sent to.
pub(crate) fn xml() -> Vec<Vec<u8>> {
    let bodies: [(u8, &str); 18] = [
        (
            0,
            "<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Object><Key>a.txt</Key></Object><Object><Key>dir/b.txt</Key></Object></Delete>",
        ),
        (1, "<Delete><Object><Key>a.txt</Key><VersionId>null</VersionId></Object><Quiet>true</Quiet></Delete>"),
        (
            1,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Delete><Object><Key>&lt;a&gt;&#233;</Key></Object><!-- c --></Delete>",
        ),
        (
            2,
            "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>\"79fdd6ee2ec8a3bd6ff8fde1f1d42e6a\"</ETag></Part></CompleteMultipartUpload>",
        ),
        (
            2,
            "<CompleteMultipartUpload><Part><ETag>x</ETag><PartNumber>1</PartNumber><ChecksumCRC32>AAAAAA==</ChecksumCRC32></Part></CompleteMultipartUpload>",
        ),
        (3, "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>"),
        (
            3,
            "<VersioningConfiguration><Status>Suspended</Status><MfaDelete>Disabled</MfaDelete></VersioningConfiguration>",
        ),
        (
            4,
            "<CreateBucketConfiguration><LocationConstraint>us-iso-east-1</LocationConstraint></CreateBucketConfiguration>",
        ),
        (5, "<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>"),
        (
            6,
            "<Tagging><TagSet><Tag><Key>a</Key><Value/></Tag><Tag><Key>b</Key><Value>c</Value></Tag></TagSet></Tagging>",
        ),
        (
            7,
            "<CORSConfiguration><CORSRule><AllowedOrigin>https://*.a</AllowedOrigin><AllowedMethod>PUT</AllowedMethod><AllowedHeader>*</AllowedHeader><ExposeHeader>ETag</ExposeHeader><MaxAgeSeconds>5</MaxAgeSeconds></CORSRule></CORSConfiguration>",
        ),
        (
            8,
            "<LifecycleConfiguration><Rule><ID>a</ID><Status>Enabled</Status><Filter><And><Prefix>a/</Prefix><Tag><Key>k</Key><Value>v</Value></Tag><ObjectSizeGreaterThan>1</ObjectSizeGreaterThan></And></Filter><Expiration><Days>1</Days></Expiration><NoncurrentVersionExpiration><NoncurrentDays>1</NoncurrentDays></NoncurrentVersionExpiration><AbortIncompleteMultipartUpload><DaysAfterInitiation>1</DaysAfterInitiation></AbortIncompleteMultipartUpload></Rule></LifecycleConfiguration>",
        ),
        (
            9,
            "<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled><Rule><DefaultRetention><Mode>GOVERNANCE</Mode><Days>1</Days></DefaultRetention></Rule></ObjectLockConfiguration>",
        ),
        (10, "<Retention><Mode>COMPLIANCE</Mode><RetainUntilDate>2030-01-01T00:00:00Z</RetainUntilDate></Retention>"),
        (11, "<LegalHold><Status>ON</Status></LegalHold>"),
        (
            12,
            "<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>AES256</SSEAlgorithm></ApplyServerSideEncryptionByDefault></Rule></ServerSideEncryptionConfiguration>",
        ),
        (
            14,
            "<PublicAccessBlockConfiguration><BlockPublicAcls>true</BlockPublicAcls></PublicAccessBlockConfiguration>",
        ),
        (
            15,
            "<OwnershipControls><Rule><ObjectOwnership>BucketOwnerEnforced</ObjectOwnership></Rule></OwnershipControls>",
        ),
    ];
    bodies.into_iter().map(|(target, body)| [&[target], body.as_bytes()].concat()).collect()
}

/// Words of both policies' markings.
pub(crate) const MARKING_WORDS: &[&str] = &[
    "UNCLASSIFIED",
    "CUI",
    "CONFIDENTIAL",
    "SECRET",
    "TOP SECRET",
    "(U)",
    "(S//NF)",
    "TS",
    "//",
    "/",
    "-",
    " ",
    ", ",
    "SI",
    "SI-G ABCD",
    "TK",
    "HCS-O",
    "HCS-P",
    "KDK",
    "SAR-BP",
    "ORCON",
    "NOFORN",
    "OC",
    "NF",
    "REL TO USA, GBR",
    "FVEY",
    "ACGU",
    "NATO",
    "EYES ONLY",
    "USA/GBR EYES ONLY",
    "RELIDO",
    "DISPLAY ONLY",
    "FGI DEU",
    "RD",
    "FRD",
    "IMCON",
    "PROPIN",
    "RSEN",
    "FISA",
    "FOUO",
    "COSMIC TOP SECRET",
    "NATO SECRET",
    "NATO RESTRICTED",
    "CTS",
    "NS",
    "ATOMAL",
    "BOHEMIA",
    "UKR",
];

/// Markings of both policies.
pub(crate) fn marking() -> Vec<Vec<u8>> {
    texts(&[
        "\0SECRET//REL TO USA, GBR\n(TS//SI/TK//NF)\nTOP SECRET//SI-G ABCD/TK//ORCON/NOFORN",
        "\0UNCLASSIFIED\nCUI\nC//SI\nS//SI-ABC//REL TO USA, GBR, JPN\nTS//HCS-O//OC/NF",
        "\0(S//USA/GBR EYES ONLY)\nS//REL TO USA, FVEY\nS//FGI DEU//NF\nS//DISPLAY ONLY FRA",
        "\u{1}NATO SECRET//ATOMAL//REL TO NATO, JPN\nCTS//BOHEMIA\nNU//REL TO NATO, UKR",
    ])
}

/// Keys and kinds of a policy's tables.
pub(crate) const POLICY_WORDS: &[&str] = &[
    "name = \"a\"",
    "own_nation = \"",
    "countries = [\"",
    "[groups]",
    "[[level]]",
    "banner = \"",
    "portion = \"",
    "[[category]]",
    "[[category.marking]]",
    "kind = \"restrictive\"",
    "kind = \"own-nation-alone\"",
    "kind = \"release-list\"",
    "kind = \"country-list\"",
    "kind = \"informative\"",
    "levels = [\"",
    "requires = [\"",
    "excludes = [\"",
    "supersedes = [\"",
    "roll_up = \"all\"",
    "roll_up = \"while-allowed\"",
    "roll_up = \"common\"",
    "compartments = [{ name = \"A\", sub = [\"B\"] }]",
    "separator = \"/\"",
    "separator = \" \"",
    "entries_min = 2",
    "list_first = true",
    "spellings = [\"",
    "\n%%\n",
];

const COMPANY: &str = "name = \"company\"\nown_nation = \"HQ\"\ncountries = [\"HQ\", \"LAB1\", \"LAB2\"]\n\n[groups]\nLABS = [\"LAB1\", \"LAB2\"]\n\n[[level]]\nbanner = \"PUBLIC\"\n[[level]]\nbanner = \"INTERNAL\"\nportion = \"I\"\n[[level]]\nbanner = \"VERY SECRET\"\nportion = \"VS\"\n\n[[category]]\nname = \"PROJECTS\"\n[[category.marking]]\nbanner = \"APOLLO\"\nkind = \"restrictive\"\nlevels = [\"VS\"]\nrequires = [\"WATERMARK\"]\ncompartments = [{ name = \"ENGINE\", sub = [\"NOZZLE\"] }]\n\n[[category]]\nname = \"HANDLING\"\n[[category.marking]]\nbanner = \"HQ ONLY\"\nkind = \"own-nation-alone\"\n[[category.marking]]\nbanner = \"SHARED WITH\"\nportion = \"SW\"\nkind = \"release-list\"\nentries_min = 2\n[[category.marking]]\nbanner = \"WATERMARK\"\nportion = \"WM\"\n%%\nVS//APOLLO-ENGINE NOZZLE//SW HQ, LABS/WM\nI//HQ ONLY\nPUBLIC//SW HQ, LAB1";

/// Policies with markings of theirs.
pub(crate) fn policy() -> Vec<Vec<u8>> {
    let small = "name=\"a\"\nown_nation=\"A\"\ncountries=[\"A\",\"B\"]\n[[level]]\nbanner=\"LOW\"\n[[level]]\nbanner=\"HIGH\"\n[[category]]\nname=\"c\"\n[[category.marking]]\nbanner=\"TO\"\nkind=\"release-list\"\nseparator=\"/\"\nlist_first=true\n[[category.marking]]\nbanner=\"K\"\nkind=\"restrictive\"\n[[category.marking]]\nbanner=\"N\"\nroll_up=\"all\"\nexcludes=[\"K\"]\n%%\nHIGH//A/B TO\nLOW//K\nHIGH//N";
    texts(&[COMPANY, small])
}

/// Pieces of records and keys.
pub(crate) const ROW_WORDS: &[&str] = &["\0\x01", "\0\0", "|", "\x20", "01234567890123456789012345678901", "\x01", "/"];

/// Rows' keys, pairs of objects' keys, and records as postcard writes them.
pub(crate) fn rows() -> Vec<Vec<u8>> {
    let mut seeds = texts(&["a|a\0b", "a/b|a/", "\0|\u{1}", "\0\0\0\0\0\0\0\x07dir/key\0\x01\0\0\0\0\0\0\0\0\0\x05"]);
    // A bucket's record; a delete marker; a version with a small value and metadata; an upload; the counters.
    seeds.push(vec![1, 2, 3, 1]);
    let id = b"\x2000000000000000010123456789abcdef";
    seeds.push([id.as_slice(), &[1, 14, 0]].concat());
    seeds.push(
        [
            id.as_slice(),
            &[0, 14, 1, 5, 3, b'a', b'b', b'c', 0, 0, 0, 0, 0, 0, 1, 1, b'k', 1, b'v', 0, 1, 5, 1, 2, 9, 9, 0, 7],
        ]
        .concat(),
    );
    seeds.push(vec![1, 2, 0, 0, 0, 0, 0, 0, 0, 0]);
    seeds.push([[2, 9, 1].as_slice(), &[7; 32]].concat());
    seeds
}

/// One of each kind that is sealed, unchanged and changed.
pub(crate) fn sealed() -> Vec<Vec<u8>> {
    (0..7_u8)
        .flat_map(|kind| {
            let plain = b"plain bytes";
            let head = |there| [kind, 3, there, 11];
            [
                [head(3).as_slice(), plain].concat(),
                [head(4).as_slice(), plain].concat(),
                [head(3).as_slice(), plain, &[5, 1]].concat(),
                [head(3).as_slice(), plain, &[9, 0xff]].concat(),
            ]
        })
        .collect()
}

/// Changes to each of a region's files.
pub(crate) fn damaged() -> Vec<Vec<u8>> {
    let mut seeds = vec![Vec::new(), b"map\x01\x01r\x0cUNCLASSIFIED\x06SECRET\0\x02us\0".to_vec()];
    for file in 0..6_u8 {
        for what in 0..6_u8 {
            seeds.push(vec![file, what, file * 2, what * 40, 7, 1, 2, 3]);
        }
    }
    seeds
}

/// Ledgers that are whole, and broken by nonsense.
pub(crate) fn ledger() -> Vec<Vec<u8>> {
    vec![
        vec![16, 0, 255, 255, 255],
        vec![2, 9, 255, 255, 255],
        vec![16, 0, 255, 3, 1, 2, 3, 255],
        vec![16, 0, 255, 0, 255],
        [&[16, 0, 22, 1, 2], [9; 8].as_slice(), &[1, b's', 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]].concat(),
    ]
}

/// Keys and values of a configuration.
pub(crate) const CONFIG_WORDS: &[&str] = &[
    "name = \"",
    "data = \"",
    "listen = \"127.0.0.1:1\"",
    "listen = \"[::1]:1\"",
    "policy = \"us\"",
    "policy = \"nato\"",
    "policy_file = \"",
    "floor = \"UNCLASSIFIED\"",
    "ceiling = \"TOP SECRET//SI/TK\"",
    "[[witnessed]]\nregion = \"",
    "keys = \"",
    "labels = [\"SECRET\"]",
    "NATO SECRET",
    "REL TO USA, GBR",
    "0.0.0.0",
    "::ffff:127.0.0.1",
];

/// Configurations that can be served, and one that cannot.
pub(crate) fn config() -> Vec<Vec<u8>> {
    texts(&[
        "name = \"us-isob-east-1\"\ndata = \"data\"\nlisten = \"127.0.0.1:9402\"\nfloor = \"UNCLASSIFIED\"\nceiling = \"SECRET\"\nlabels = [\"CUI\", \"SECRET//REL TO USA, GBR\"]\n",
        "name = \"n\"\ndata = \"d\"\nlisten = \"[::1]:1\"\npolicy = \"nato\"\nfloor = \"NU\"\nceiling = \"CTS\"\n",
        "name = \"n\"\ndata = \"d\"\nlisten = \"[::1]:1\"\nfloor = \"U\"\nceiling = \"TS\"\n[[witnessed]]\nregion = \"m\"\nkeys = \"k\"\n",
        "name = \"n\"\ndata = \"d\"\nlisten = \"0.0.0.0:1\"\nfloor = \"U\"\nceiling = \"TS\"\n",
    ])
}
