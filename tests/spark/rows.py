"""Dirty rows of the three tables, from a seed: what the pipelines met, and what they may meet."""

import json
import random

COUNTRIES = ["Albania", "Aruba", "Bouvet Island (Bouvetoya)", "Côte d'Ivoire", "", None]
CATEGORIES = ["art", "beauty", "quotes", "travel", "vehicles", None]
TITLES = ["a1 cat 22", "No Title Data Available", "", "Ångström 7", "tea\tfor 2", "ONE two", None, "x", "  blanks  "]
FOLLOWERS = ["136k", "3M", "17", "0", "User Info Error", "1.5k", " 12k ", "12 k", "-5k", "1e3", "3000M", "k", "", None, 12, 7.5]
TAGS = ["a,b,c", "N,o, ,T,a,g,s, ,A,v,a,i,l,a,b,l,e", "b", "", None, "c,c, d"]
AGES = [20, 24, 25, 36, 50, 51, 17, None, "30", "20.5", "old", ""]
DATES = [
    "2018-03-04T05:06:07", "2019-12-31 23:59:59", "2017-01-01", "2020-02-29T00:00:00Z", "2020-2-3 4:5:6", "2019",
    "2015-10-24T11:23:51.25", "2018-02-29 12:00:00", "0000-00-00 00:00:00", "soon", "", None, "2016-06-01T10:00:00+02:00",
]


def tables(seed, count):
    """Rows by the name of their table: each a list of JSON documents, some sent twice, some torn."""
    dice = random.Random(seed)

    def pin(ind):
        return {
            "index": dice.choice([ind, ind, ind, str(ind), None]),
            "unique_id": f"{dice.getrandbits(64):016x}",
            "title": dice.choice(TITLES),
            "description": dice.choice(["Untitled", "No description available", "fine", None]),
            "poster_name": dice.choice(["ann", "bob", "User Info Error", None]),
            "follower_count": dice.choice(FOLLOWERS),
            "tag_list": dice.choice(TAGS),
            "is_image_or_video": dice.choice(["image", "video", "multi-video(story page format)"]),
            "image_src": dice.choice(["https://x/y.jpg", "Image src error."]),
            "downloaded": dice.choice([0, 1]),
            "save_location": f"Local save in /data/{dice.choice(['art', 'travel'])}",
            "category": dice.choice(CATEGORIES),
        }

    def geo(ind):
        return {
            "ind": ind,
            "timestamp": dice.choice(DATES),
            "latitude": round(dice.uniform(-90, 90), 4),
            "longitude": dice.choice([round(dice.uniform(-180, 180), 4), None]),
            "country": dice.choice(COUNTRIES),
        }

    def user(ind):
        return {
            "ind": ind,
            "first_name": dice.choice(["Ann", "Bob", None, ""]),
            "last_name": dice.choice(["Lee", "O'Neil", None]),
            "age": dice.choice(AGES),
            "date_joined": dice.choice(DATES),
        }

    def lines(make):
        for ind in range(count):
            line = json.dumps(make(ind), ensure_ascii=False)
            yield line
            if dice.random() < 0.05:
                yield line
            if dice.random() < 0.01:
                yield line[: len(line) // 2]

    return {"pin": list(lines(pin)), "geo": list(lines(geo)), "user": list(lines(user))}
