"""The catalogue after its photos went through the network: read, build, update, filter."""

from fashionnet.repository.store import Repository

__all__ = ["Repository"]
