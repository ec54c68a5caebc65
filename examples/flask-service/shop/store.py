# SPDX-License-Identifier: Apache-2.0
"""What is for sale."""
import sqlite3
from contextlib import closing

SCHEMA = "create table if not exists item (id integer primary key, name text unique not null, price real check (price >= 0))"


def connect(path):
    db = sqlite3.connect(path, timeout=10)
    db.row_factory = sqlite3.Row
    return db


def prepare(path):
    with closing(connect(path)) as db, db:
        db.execute(SCHEMA)


def items(path):
    with closing(connect(path)) as db:
        return [dict(r) for r in db.execute("select name, price from item order by name")]


def add(path, name, price):
    with closing(connect(path)) as db, db:
        db.execute("insert into item (name, price) values (?, ?)", (name, float(price)))
