"""The network: VGG16 with a head for each attribute; training it, keeping it, running it."""

import sys
from typing import Any, cast

# OpenVINO reports every import to its makers where it finds this package. Photos of people are
# described here: nothing of that is told to anybody.
cast(dict[str, Any], sys.modules).setdefault("openvino_telemetry", None)
