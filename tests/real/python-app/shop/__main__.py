# SPDX-License-Identifier: Apache-2.0
from shop import app

app.run(host="127.0.0.1", port=8080)
