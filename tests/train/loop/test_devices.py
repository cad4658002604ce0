from types import SimpleNamespace

import pytest
from torch.distributed.fsdp import StateDictType

from barcodemae.errors import BarcodeMAEError
from train.loop.devices import refuse_pickled_states


def test_states_that_are_pickles_are_refused():
    refuse_pickled_states(None)
    refuse_pickled_states(SimpleNamespace(state_dict_type=StateDictType.FULL_STATE_DICT))
    with pytest.raises(BarcodeMAEError, match="SHARDED_STATE_DICT: such states are pickles"):
        refuse_pickled_states(SimpleNamespace(state_dict_type=StateDictType.SHARDED_STATE_DICT))
