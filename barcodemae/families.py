"""The families of models: all that follows from the `model_type` in a checkpoint's config.json.

Loading, exporting, cards, embedding and training ask here, so a new family is one entry of
`FAMILIES`. What a family's own Hub files already say (classes, file names) is read from them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from pathlib import Path
from types import ModuleType

import transformers
from transformers import PretrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

from barcodemae.errors import BarcodeMAEError

# Auto class -> what the Hub calls that use of a model.
_PIPELINES = {
    "AutoModel": "feature-extraction",
    "AutoModelForMaskedLM": "feature-extraction",
    "AutoModelForSeq2SeqLM": "text2text-generation",
    "AutoModelForTokenClassification": "token-classification",
    "AutoModelForSequenceClassification": "text-classification",
}


@dataclass(frozen=True)
class Family:
    """One family of models.

    Attributes:
        model_type: in config.json; its Hub files are called by it.
        name: in messages and cards.
        package: prefix of the modules of its Hub files, "" or "enbed.".
        tokens: "module:function" that makes token batches of barcodes, see `encoders.tokens`.
        max_nucleotides: of a record, the most that its models read at once.
        overlap: of the windows in which a longer record is embedded; None: the rest is cut off.
        card: template of its model card, in `model_card/`.
        tags: of its card.
        paper: its number at arXiv.
    """

    model_type: str
    name: str
    package: str
    tokens: str
    max_nucleotides: int
    overlap: int | None
    card: str
    tags: tuple[str, ...]
    paper: str

    @cached_property
    def _configuration(self) -> ModuleType:
        return import_module(f"{self.package}configuration_{self.model_type}")

    def _named(self, reference: str) -> type:
        module, _, name = reference.rpartition(".")
        return getattr(import_module(self.package + module), name)

    @cached_property
    def _auto_map(self) -> dict[str, str]:
        """Auto class -> "module.Class", those of models alone."""
        auto_map = self._configuration.AUTO_MAP
        return {auto: name for auto, name in auto_map.items() if auto.startswith("AutoModel")}

    @property
    def config_class(self) -> type[PretrainedConfig]:
        return self._named(self._configuration.AUTO_MAP["AutoConfig"])

    @property
    def tokenizer_class(self) -> type[PreTrainedTokenizerBase]:
        return self._named(self._configuration.AUTO_MAP["AutoTokenizer"][1])

    @property
    def encoder_class(self) -> type[PreTrainedModel]:
        """The class whose `pooler_output` is the embedding."""
        return self._named(self._auto_map["AutoModel"])

    @property
    def architectures(self) -> tuple[str, ...]:
        """Names of the classes that save checkpoints."""
        return tuple(name.rpartition(".")[2] for name in self._auto_map.values())

    def model_class(self, architecture: str) -> type[PreTrainedModel]:
        """The class called `architecture`, one of `architectures`."""
        names = (name for name in self._auto_map.values() if name.endswith(f".{architecture}"))
        return self._named(next(names))

    def pipeline(self, architecture: str) -> str:
        """What the Hub calls the use of a class."""
        autos = (auto for auto, n in self._auto_map.items() if n.endswith(f".{architecture}"))
        return _PIPELINES[next(autos)]

    @property
    def hub_files(self) -> list[Path]:
        """The Python files that lie beside every checkpoint."""
        folder = Path(self._configuration.__file__).parent
        return [folder / name for name in self._configuration.HUB_FILES]

    @cached_property
    def token_batch(self) -> Callable:
        """The function that `tokens` names."""
        module, _, name = self.tokens.partition(":")
        return getattr(import_module(module), name)

    def register(self) -> None:
        """Make transformers' Auto classes load this family without its remote code."""
        transformers.AutoConfig.register(self.model_type, self.config_class)
        transformers.AutoTokenizer.register(
            self.config_class, fast_tokenizer_class=self.tokenizer_class
        )
        for auto, name in self._auto_map.items():
            getattr(transformers, auto).register(self.config_class, self._named(name))


FAMILIES = {
    family.model_type: family
    for family in (
        Family(
            model_type="barcodemae",
            name="BarcodeMAE",
            package="",
            tokens="barcodemae.encoders.tokens:token_batch",
            max_nucleotides=660,
            overlap=None,
            card="README.md.jinja",
            tags=("dna-barcoding", "biodiversity", "barcodemae", "masked-autoencoder"),
            paper="2502.18405",
        ),
        Family(
            model_type="enbed",
            name="ENBED",
            package="enbed.",
            tokens="barcodemae.encoders.tokens:byte_batch",
            max_nucleotides=16384,
            overlap=1024,
            card="enbed.md.jinja",
            tags=("genomics", "enbed", "byte-level"),
            paper="2311.02333",
        ),
    )
}


def find_family(model_type: str | None, where: str | Path) -> Family:
    """The family of a checkpoint.

    Args:
        model_type: what its config.json says.
        where: what the user named, for the message.

    Raises:
        BarcodeMAEError: it is none of ours.
    """
    if not isinstance(model_type, str) or model_type not in FAMILIES:
        names = " or ".join(family.name for family in FAMILIES.values())
        raise BarcodeMAEError(f"{where}: holds a model of type {model_type!r}, not a {names}")
    return FAMILIES[model_type]


def family_of(config: PretrainedConfig) -> Family:
    """The family of a config that is one of ours."""
    return FAMILIES[config.model_type]
