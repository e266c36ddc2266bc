"""Each step of a deployment x each fault: the end is right, nothing is left over, the old version serves.

ZANE_FAULTS selects: unset, a diagonal (every step once, every fault twice); all; or pairs such as pull:worker,route:cancel.
ZANE_SEED repeats the moments of a run; each run prints its own. The table is in build/faults.txt, and what was found of
a cell that went wrong in build/faults/.
"""
import pytest
from matrix import (DIAGONAL, FAULTS, STEPS, WISH_DIAGONAL, WISH_FAULTS, WISHES, deploy_cell, selected, wait_empty,
                    wish_cell)


@pytest.mark.parametrize("step,fault", selected(STEPS, FAULTS, DIAGONAL))
def test_deploy(world, step, fault):
    deploy_cell(world, step, fault)


@pytest.mark.parametrize("wish,fault", selected(WISHES, WISH_FAULTS, WISH_DIAGONAL))
def test_other_workflows(world, wish, fault):
    wish_cell(world, wish, fault)


def test_no_ended_container_is_left(world):
    """A killed engine forgets to remove containers of services that are gone."""
    wait_empty(world.container_leftovers, 150, "containers of services that are gone")
