"""What stands for an argument that is not given."""

from doorward.clerk._arguments import UNSET, Unset

__all__ = ["UNSET", "Unset"]
