# SPDX-License-Identifier: Apache-2.0
"""A small shop: pages, JSON, a database, sessions, a report that few ask for."""
import os

from flask import Flask

from . import store


def create_app():
    app = Flask(__name__)
    app.secret_key = os.environ.get("SHOP_SECRET") or os.urandom(16)
    app.config["DATABASE"] = os.environ.get("SHOP_DATABASE", "/tmp/shop.sqlite")
    store.prepare(app.config["DATABASE"])
    from .views import pages

    app.register_blueprint(pages)
    return app
