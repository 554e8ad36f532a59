"""The heads: for each attribute a dense layer of 512 with ReLU and a softmax over its classes.

A head sees the last block's filters pooled: the average and the maximum over the whole photo, and
the averages over the six cells of a grid of two rows and three columns, so that it can tell a
sleeve from a hem. Beside them it sees the average and the maximum of the block before, whose
filters know textures. The seed flattens the last block's 7×7 positions instead, at five times the
weights.
"""

HIDDEN_UNITS = 512
GRID_ROWS, GRID_COLUMNS = 2, 3
POOLED_SIZE = 512 * (2 + GRID_ROWS * GRID_COLUMNS + 2)
"""Width of what a head sees."""


def grid_cells(side: int) -> list[tuple[slice, slice]]:
    """Return the rows and columns of each cell of the grid over side×side positions.

    Cells overlap by one position where the side does not divide; of 7 positions all cells are
    4×3.
    """

    def parts(count: int) -> list[slice]:
        return [
            slice(part * side // count, -(-(part + 1) * side // count)) for part in range(count)
        ]

    return [(rows, columns) for rows in parts(GRID_ROWS) for columns in parts(GRID_COLUMNS)]


def head_shapes(head: str, class_count: int) -> dict[str, tuple[int, ...]]:
    """Return the names and shapes of one head's weights."""
    return {
        f"{head}/hidden/kernel": (POOLED_SIZE, HIDDEN_UNITS),
        f"{head}/hidden/bias": (HIDDEN_UNITS,),
        f"{head}/softmax/kernel": (HIDDEN_UNITS, class_count),
        f"{head}/softmax/bias": (class_count,),
    }
