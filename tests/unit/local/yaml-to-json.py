# SPDX-License-Identifier: LGPL-2.1-or-later
# Reads YAML documents from standard input, writes them as one JSON array.
import json
import sys

import yaml

json.dump([doc for doc in yaml.safe_load_all(sys.stdin.buffer) if doc is not None], sys.stdout)
