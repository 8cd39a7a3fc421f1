"""Where the names of `security` lived in earlier major versions."""

from .security import *  # noqa: F403
from .security import __all__ as __all__
