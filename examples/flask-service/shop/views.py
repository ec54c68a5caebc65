# SPDX-License-Identifier: Apache-2.0
import sqlite3
from datetime import datetime, timezone

from flask import Blueprint, Response, abort, current_app, flash, jsonify, redirect, render_template, request, session, url_for
from werkzeug.security import check_password_hash, generate_password_hash

from . import store

pages = Blueprint("pages", __name__)
PASSWORD = generate_password_hash("open sesame", method="pbkdf2:sha256:1000")


def database():
    return current_app.config["DATABASE"]


@pages.get("/")
def index():
    return render_template("index.html", items=store.items(database()), who=session.get("who"))


@pages.post("/login")
def login():
    if not check_password_hash(PASSWORD, request.form.get("password", "")):
        abort(403)
    session["who"] = "keeper"
    return redirect(url_for("pages.index"))


@pages.post("/items")
def add():
    if "who" not in session:
        abort(401)
    try:
        store.add(database(), request.form["name"], request.form["price"])
    except (sqlite3.IntegrityError, ValueError) as e:
        flash(str(e))
    return redirect(url_for("pages.index"))


@pages.get("/items.json")
def items():
    return jsonify(store.items(database()))


@pages.get("/when/<path:zone>")
def when(zone):
    from zoneinfo import ZoneInfo

    return datetime(2024, 7, 1, 12, tzinfo=timezone.utc).astimezone(ZoneInfo(zone)).isoformat()


@pages.get("/report.csv")
def report():
    """Nobody's everyday page: what it needs is imported when it is asked for."""
    import csv
    import io
    import statistics

    rows = store.items(database())
    out = io.StringIO()
    w = csv.DictWriter(out, ["name", "price"])
    w.writeheader()
    w.writerows(rows)
    w.writerow({"name": "median", "price": statistics.median(r["price"] for r in rows) if rows else ""})
    return Response(out.getvalue(), mimetype="text/csv")


@pages.get("/health")
def health():
    return "ok"
