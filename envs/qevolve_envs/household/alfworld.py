"""tmp"""
from collections import Counter
from collections.abc import Iterable


def alfred_names(ids: Iterable[str]) -> dict[str, str]:
    """Names of ALFRED's objects."""
    kinds = {id_: _kind(id_) for id_ in sorted(ids)}
    left = Counter(kind for kind in kinds.values() if kind is not None)
    names = {}
    for id_, kind in kinds.items():
        if kind is None:
            names[id_] = f"{id_} "
        else:
            names[id_] = f"{kind} {left[kind]}"
            left[kind] -= 1
    return names


def _kind(id_):
    head, bar, _ = id_.partition("_bar_")
    if not bar:
        return None
    return head + "basin" if "basin" in id_ else head
