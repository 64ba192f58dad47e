"""OpenAI's /v1/embeddings and /v1/models, which its clients and LangChain's speak."""

from __future__ import annotations

import base64
import itertools
from typing import Any

import numpy as np
from starlette.responses import Response

from .call import Call
from .endpoint import json_text, raw_json, vector_json
from .failures import Failure
from .json_body import Fields
from .reading import left_of, long_text_of, model_name, prompt_of, texts_or_ids, width_of
from .served_model import EMBED, Asked, Encoded
from .service import Service

# LangChain's OpenAIEmbeddings sends the ids of OpenAI's tokenizer, which mean other texts here.
IDS_REFUSED = (
    "token ids of OpenAI's tokenizer mean other texts to this model: send strings "
    "(LangChain: check_embedding_ctx_length=False); for ids of the model's own tokenizer, the server's "
    "option --allow-token-ids"
)


async def embeddings(service: Service, call: Call, fields: Fields) -> Response:
    """{object, data: [{object, embedding, index}], model, usage}; vectors are normalized, as TEI's are."""
    name = model_name(fields)
    model = service.model_for(call, EMBED, name)
    items, _ = texts_or_ids(fields, "input")
    if any(isinstance(item, list) for item in items) and not service.settings.allow_token_ids:
        raise Failure("Validation", IDS_REFUSED, "validation", "input", status=400)
    form = fields.choice("encoding_format", ("float", "base64"), "float")
    width = width_of(fields, model)
    options = {"prompt": prompt_of(fields, model), "normalize": True, "truncate_dim": width}
    asked = Asked(EMBED, items, long_text_of(fields, service.settings), options, left_of(fields))

    def row(place: int, one: Any) -> str:
        vector = np.ascontiguousarray(one.value, "<f4")
        text = f'"{base64.b64encode(vector.tobytes()).decode()}"' if form == "base64" else vector_json(vector)
        return f'{{"object":"embedding","embedding":{text},"index":{place}}}'

    def make(found: list[Any], encoded: Encoded) -> str:
        return f"[{','.join(itertools.starmap(row, enumerate(found)))}]"

    rows = await service.answer(call, model, asked, len(items) > 1, make)
    usage = json_text({"prompt_tokens": call.tokens, "total_tokens": call.tokens})
    answered_by = json_text(name or model.name)
    return raw_json(f'{{"object":"list","data":{rows},"model":{answered_by},"usage":{usage}}}', call)


def model_list(service: Service) -> dict[str, Any]:
    """{object, data: [{id, object, created, owned_by}]}; our own fields say what each model does."""
    return {"object": "list", "data": [model_facts(service, name) for name in service.models]}


def model_facts(service: Service, name: str) -> dict[str, Any]:
    """One model of the list."""
    model = service.models[name]
    return {
        "id": name,
        "object": "model",
        "created": service.created,
        "owned_by": "roberta_c",
        "kind": model.kind,
        "tasks": list(model.make),
        "max_input_length": model.max_tokens,
        **({"dimensions": model.width} if model.width else {}),
    }
