"""What transformers takes for options that a config.json leaves out: writes engine/src/models/load/defaults.json.

Only options that our readers look at, by model_type. Values that transformers computes of others (a head's width, the
kinds of layers) are not defaults of its classes, and not here either.
"""
import dataclasses
import json
import pathlib

from transformers.models.auto.configuration_auto import CONFIG_MAPPING

TYPES = [
    "albert", "bart", "bert", "bloom", "camembert", "distilbert", "electra", "gemma", "gemma2", "gemma3_text", "glm", "glm4",
    "gpt2", "gpt_neo", "gpt_neox", "llama", "mbart", "mistral", "mt5", "opt", "pegasus", "phi", "phi3", "qwen2", "qwen3", "roberta", "stablelm", "t5", "xlm-roberta",
    "deberta-v2", "falcon", "gptj", "olmo2",
]
# T5's older files say that their outputs are scaled by their tied head alone, so that both are read together.
LEFT_OUT = {("t5", "scale_decoder_outputs"), ("t5", "tie_word_embeddings"), ("mt5", "tie_word_embeddings")}
KEYS = set("""
_remove_final_layer_norm activation activation_function add_cross_attention apply_residual_connection_post_layernorm
attention_bias attention_types attn_logit_softcapping d_ff d_kv d_model decoder_attention_heads decoder_ffn_dim decoder_layers
decoder_start_token_id dim do_layer_norm_before embedding_size enable_bias encoder_attention_heads encoder_ffn_dim
encoder_layers feed_forward_proj ffn_dim final_logit_softcapping forced_eos_token_id head_dim hidden_act hidden_activation hidden_dim hidden_size
initializer_range inner_group_num intermediate_size is_decoder layer_norm_elementwise_affine layer_norm_eps
layer_norm_epsilon max_position_embeddings max_window_layers mlp_bias n_embd n_head n_heads n_inner n_layer n_layers
n_positions num_attention_heads num_decoder_layers num_heads num_hidden_groups num_hidden_layers num_key_value_heads
num_layers original_max_position_embeddings pad_token_id qk_layernorm query_pre_attn_scalar relative_attention_max_distance relative_attention_num_buckets rms_norm_eps
scale_attn_by_inverse_layer_idx scale_attn_weights scale_embedding sliding_window tie_word_embeddings type_vocab_size
use_parallel_residual use_qkv_bias use_sliding_window vocab_size window_size word_embed_proj_dim
alibi bias ffn_hidden_size max_relative_positions multi_query new_decoder_architecture num_kv_heads
num_ln_in_parallel_attn parallel_attn pooler_hidden_act position_biased_input relative_attention rotary_dim
""".split())


def defaults(model_type):
    found = {}
    for field in dataclasses.fields(CONFIG_MAPPING[model_type]):
        value = field.default_factory() if field.default is dataclasses.MISSING and field.default_factory is not dataclasses.MISSING else field.default
        if field.name in KEYS and value is not dataclasses.MISSING and (model_type, field.name) not in LEFT_OUT:
            found[field.name] = value
    return {name: value for name, value in sorted(found.items()) if value is not None}


if __name__ == "__main__":
    to = pathlib.Path(__file__).parents[2] / "engine/src/models/load/defaults.json"
    lines = [f'  {json.dumps(name)}: {json.dumps(defaults(name))}' for name in TYPES]
    to.write_text("{\n" + ",\n".join(lines) + "\n}\n")
