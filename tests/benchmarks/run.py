"""`make bench`: every table, each beside its baseline in the same run."""

import time

import bench_clinc
import bench_console
import bench_discord
import bench_privacy
import bench_reading
import bench_records
import bench_retrieval
import bench_reuse
import bench_router
import bench_routing
import bench_slack
import bench_stages
import bench_training
from knowledge_base import open_knowledge_base
from tables import DATA, show


def main() -> None:
    """Print the tables; about an hour on two cores, less when the corpora are embedded already."""
    begin = time.monotonic()
    show("Stages of one question, and memory", bench_stages.run())
    show("Training (24 rows of the handbook)", bench_training.run())
    show("Console with 50,000 exchanges (seconds)", bench_console.run())
    show("Slack under load (200 people within a minute)", bench_slack.run())
    show("Discord under load (200 people within a minute)", bench_discord.run())
    if not DATA.is_dir():
        print(f"\nThe public data is not at {DATA}: the other tables are left out.")
        return
    base = open_knowledge_base()
    show("Retrieval", bench_retrieval.run(base))
    show("Routing (routing_mix)", bench_routing.run(base))
    show("Taken for a company's own affair", bench_records.run())
    show("Routing (CLINC150, one domain against the rest)", bench_clinc.run())
    show("Learning reviewed routes (routing_mix)", bench_router.run(base))
    show("Questions known again", bench_reuse.run())
    show("Reading (SQuAD 2.0, held-out articles)", bench_reading.run())
    show("Redaction (held-out templates)", bench_privacy.run())
    print(f"\nAll in {(time.monotonic() - begin) / 60:.0f} minutes.")


if __name__ == "__main__":
    main()
