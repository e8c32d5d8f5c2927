"""pyarrow's file system, by the AWS SDK for C++."""

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.fs
import pyarrow.parquet as pq
import pytest

from cloud import get, keys, make_bucket
from programs import HIGH, LOW


@pytest.fixture
def arrow(cloud):
    def connect(profile, relay=None, **more):
        p = cloud.profile(profile)
        return pyarrow.fs.S3FileSystem(
            access_key=p["aws_access_key_id"], secret_key=p["aws_secret_access_key"], region=p["region"], scheme="http",
            endpoint_override=relay.address if relay else p["endpoint_url"].removeprefix("http://"), **more,
        )

    return connect


def test_files_and_folders(arrow, cloud, name):
    fs, s3 = arrow(HIGH, allow_bucket_creation=True, allow_bucket_deletion=True), cloud.s3(HIGH)
    fs.create_dir(name)
    body = b"0123456789" * 1_200_000
    with fs.open_output_stream(f"{name}/dir/big", metadata={"Content-Type": "x/y", "classification": "SECRET"}) as out:
        for start in range(0, len(body), 1_000_000):
            out.write(body[start : start + 1_000_000])
    head = s3.head_object(Bucket=name, Key="dir/big")
    assert (head["ContentLength"], head["ContentType"]) == (len(body), "x/y") and "-" in head["ETag"]
    assert get(s3, name, "dir/big") == body
    with fs.open_input_file(f"{name}/dir/big") as f:
        f.seek(7_000_003)
        assert f.read(5) == body[7_000_003:7_000_008]
    fs.copy_file(f"{name}/dir/big", f"{name}/dir/copy")
    fs.move(f"{name}/dir/copy", f"{name}/dir/moved")
    fs.create_dir(f"{name}/empty")
    listed = {i.path.removeprefix(name + "/"): i.type for i in fs.get_file_info(pyarrow.fs.FileSelector(name, recursive=True))}
    kinds = pyarrow.fs.FileType
    assert listed == {"dir": kinds.Directory, "dir/big": kinds.File, "dir/moved": kinds.File, "empty": kinds.Directory}
    assert fs.get_file_info(f"{name}/none").type == kinds.NotFound
    fs.delete_file(f"{name}/dir/big")
    fs.delete_dir_contents(f"{name}/dir")
    assert [k for k in keys(s3, name) if "big" in k or "moved" in k] == []
    fs.delete_dir(name)
    assert fs.get_file_info(name).type == kinds.NotFound


def test_a_data_set_is_read_by_row_group(arrow, cloud, bucket, relay):
    rows = 400_000
    table = pa.table({"id": range(rows), "name": [f"name {n * 7919 % rows}" for n in range(rows)]})
    pq.write_table(table, f"{bucket}/d/t.parquet", filesystem=arrow(HIGH), row_group_size=10_000)
    size = cloud.s3(HIGH).head_object(Bucket=bucket, Key="d/t.parquet")["ContentLength"]
    found = ds.dataset(f"{bucket}/d", filesystem=arrow(HIGH, relay)).to_table(filter=ds.field("id") == 123_456)
    assert found.to_pydict() == {"id": [123_456], "name": [f"name {123_456 * 7919 % rows}"]}
    assert 0 < relay.received < size // 4, f"{relay.received} of {size} bytes came for one row group of 40"
    assert pq.read_table(f"{bucket}/d/t.parquet", filesystem=arrow(HIGH)).equals(table)


def test_two_labels_at_one_name(arrow, cloud, name):
    make_bucket(cloud.s3(LOW), name)
    for profile, made in ((LOW, "low"), (HIGH, "high")):
        pq.write_table(pa.table({"made": [made]}), f"{name}/t/{made}.parquet", filesystem=arrow(profile))
    read = lambda profile: sorted(ds.dataset(f"{name}/t", filesystem=arrow(profile)).to_table()["made"].to_pylist())
    assert read(HIGH) == ["high", "low"] and read(LOW) == ["low"]
    with pytest.raises(FileNotFoundError):
        pq.read_table(f"{name}/t/high.parquet", filesystem=arrow(LOW))
