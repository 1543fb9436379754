"""What all peers have in common: the markers, the order of the questions, and how an answer is written."""

import csv
import pathlib
import sys

MARKERS = [
    "",
    "No description available Story format",
    "No description available",
    "N,o, ,T,a,g,s, ,A,v,a,i,l,a,b,l,e",
    "User Info Error",
    "No Title Data Available",
    "Image src error.",
]

PIN_TEXTS = [
    "unique_id", "title", "description", "poster_name", "follower_count", "tag_list", "is_image_or_video", "image_src",
    "save_location", "category",
]
PIN = [
    "ind", "unique_id", "title", "description", "follower_count", "poster_name", "tag_list", "is_image_or_video",
    "image_src", "save_location", "category",
]

AGE_GROUPS = [(18, 24, "18-24"), (25, 35, "25-35"), (36, 50, "36-50"), (51, 2**31 - 1, "50+")]


def folders():
    """The folder of the rows, that of the answers, and that in which the cleaned tables are to be left, if they are."""
    rows, answers, *lake = (pathlib.Path(each) for each in sys.argv[1:])
    return rows, answers, next(iter(lake), None)


def write(folder, name, columns, rows):
    with open(folder / f"{name}.csv", "w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)
