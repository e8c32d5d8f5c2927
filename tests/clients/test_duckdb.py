"""DuckDB with its extension httpfs: tables in Parquet, read by range."""

from pathlib import Path

import duckdb
import duckdb_extension_httpfs
import pytest

from cloud import keys, make_bucket
from programs import HIGH, LOW

ROWS = 400_000


@pytest.fixture
def duck(cloud):
    """A connection to the region as a person; by way of a relay where one is given."""
    (extension,) = Path(duckdb_extension_httpfs.__file__).parent.rglob("httpfs.duckdb_extension")

    def connect(profile, relay=None):
        p = cloud.profile(profile)
        connection = duckdb.connect()
        connection.execute(f"LOAD '{extension}'")
        connection.execute(f"""CREATE SECRET (TYPE s3, KEY_ID '{p["aws_access_key_id"]}', SECRET '{p["aws_secret_access_key"]}',
            REGION '{p["region"]}', ENDPOINT '{relay.address if relay else p["endpoint_url"].removeprefix("http://")}',
            URL_STYLE 'path', USE_SSL false)""")
        return connection

    return connect


def test_parquet_is_written_in_parts_and_read_by_range(duck, cloud, bucket, relay):
    s3, table = cloud.s3(HIGH), f"s3://{bucket}/t/one.parquet"
    duck(HIGH).execute(f"""COPY (SELECT i AS id, hash(i) AS h, 'name ' || i AS name FROM range({ROWS}) t(i))
        TO '{table}' (FORMAT parquet, ROW_GROUP_SIZE 20000)""")
    size = s3.head_object(Bucket=bucket, Key="t/one.parquet")["ContentLength"]
    assert size > 5_000_000
    reader = duck(HIGH, relay)
    query = f"SELECT count(*), sum(id) FROM 's3://{bucket}/t/*.parquet' WHERE id BETWEEN 100000 AND 100010"
    assert reader.execute(query).fetchall() == [(11, sum(range(100_000, 100_011)))]
    assert 0 < relay.received < size // 10, f"{relay.received} of {size} bytes came for one row group of {ROWS // 20_000}"
    assert reader.execute(f"SELECT count(*), count(DISTINCT h), max(name) FROM '{table}'").fetchall() == [(ROWS, ROWS, "name 99999")]


def test_partitions_and_other_forms(duck, cloud, bucket):
    connection = duck(HIGH)
    connection.execute(f"COPY (SELECT i AS id, i % 3 AS part FROM range(99) t(i)) TO 's3://{bucket}/hive' (FORMAT parquet, PARTITION_BY (part))")
    assert {k.split("/")[1] for k in keys(cloud.s3(HIGH), bucket)} == {"part=0", "part=1", "part=2"}
    query = f"SELECT count(*), min(id) FROM read_parquet('s3://{bucket}/hive/*/*.parquet', hive_partitioning = true) WHERE part = 2"
    assert connection.execute(query).fetchall() == [(33, 2)]
    for form in ("csv", "json"):
        connection.execute(f"COPY (SELECT i FROM range(10) t(i)) TO 's3://{bucket}/x.{form}'")
        assert connection.execute(f"SELECT sum(i) FROM 's3://{bucket}/x.{form}'").fetchall() == [(45,)]


def test_a_table_over_two_labels(duck, cloud, name):
    make_bucket(cloud.s3(LOW), name)
    duck(LOW).execute(f"COPY (SELECT 'low' AS made, i FROM range(10) t(i)) TO 's3://{name}/t/low.parquet'")
    duck(HIGH).execute(f"COPY (SELECT 'high' AS made, i FROM range(5) t(i)) TO 's3://{name}/t/high.parquet'")
    count = f"SELECT made, count(*) FROM 's3://{name}/t/*.parquet' GROUP BY made ORDER BY made"
    assert duck(HIGH).execute(count).fetchall() == [("high", 5), ("low", 10)]
    assert duck(LOW).execute(count).fetchall() == [("low", 10)]
    with pytest.raises(duckdb.Error, match="404"):
        duck(LOW).execute(f"SELECT * FROM 's3://{name}/t/high.parquet'")
