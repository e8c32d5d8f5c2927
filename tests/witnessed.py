"""What regions show of their checkpoints to those above, and when it has arrived there."""

import time

LOW, MIDDLE, TOP = "us-gov-west-1", "us-isob-east-1", "us-iso-east-1"


def region(cloud, name):
    return cloud.data / "regions" / name


def inbox(cloud, above, below=LOW):
    return region(cloud, above) / "inbox" / "witness" / below


def outbox(cloud, name=LOW):
    return region(cloud, name) / "outbox" / "witness"


def until(what, seconds=30):
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "it does not happen"
        time.sleep(0.1)


def carried(cloud, above):
    """Whether the newest bundle was carried, and nothing waits above."""
    record = cloud.data / "carried" / f"{LOW}--{above}"
    newest = max((p.name for p in outbox(cloud).glob("*") if not p.name.endswith(".new")), default="none")
    waits = inbox(cloud, above)
    return record.exists() and newest in record.read_text() and waits.exists() and not list(waits.iterdir())


def settle(cloud):
    """Waits until the regions above have the newest checkpoint that the lowest one showed."""
    until(lambda: all(carried(cloud, above) for above in (MIDDLE, TOP)))
