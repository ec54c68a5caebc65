# SPDX-License-Identifier: Apache-2.0
"""A shop window."""
import os

from flask import Flask, render_template

app = Flask(__name__)
GOODS = [("nuts", 3), ("bolts", 2)]


@app.route("/")
def window():
    return render_template("window.html", goods=GOODS, version=os.environ.get("SHOP_VERSION", "?"))


@app.route("/health")
def health():
    return {"ok": True}
