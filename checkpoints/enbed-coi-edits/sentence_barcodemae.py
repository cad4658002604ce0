"""BarcodeMAE in sentence-transformers: the barcode's embedding, and those of its k-mers."""

from sentence_transformers.base.modules.transformer import Transformer


class BarcodeMAETransformer(Transformer):
    """A `Transformer` whose sentence embedding is the encoder's own `pooler_output`.

    Only the encoder can pool: padding, ambiguous k-mers and places are its business. Its states are
    there as well, for `encode(..., output_value="token_embeddings")`.
    """

    def forward(self, features: dict, **kwargs) -> dict:
        inputs = {name: features[name] for name in ("input_ids", "attention_mask")}
        output = self.model(**inputs, return_dict=True)
        features["token_embeddings"] = output.last_hidden_state
        features["sentence_embedding"] = output.pooler_output
        return features
