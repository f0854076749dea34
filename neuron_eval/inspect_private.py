"""All that the package takes from private modules of Inspect: why, and what would end it.

``import inspect_ai`` loads these modules anyway, so they cost no time at the start.
"""

# A resumed comparison finds Inspect's cached replies under the id of its folder's set.
# Ends when: `eval_set` takes a cache whose scope is the set's id.
from inspect_ai._eval.evalset import eval_set_id_for_log_dir

# A log's samples are read, scored and written one by one, as `inspect score --stream` does it.
# Ends when: `score` takes a log's file.
from inspect_ai._util._async import run_coroutine
from inspect_ai._util.async_zip import AsyncZipReader
from inspect_ai._util.asyncfiles import AsyncFilesystem

# Inspect prints this error as a sentence, and every other one as a stack trace.
# Ends when: `inspect_ai.util` exports an error for what the user can mend.
from inspect_ai._util.error import PrerequisiteError

# Folders of logs are made, and addresses of logs read, as Inspect does both.
# Ends when: `eval_set_id_for_log_dir` is public, or `EvalLogInfo` holds a local log's path.
from inspect_ai._util.file import filesystem, local_path
from inspect_ai._util.platform import platform_init
from inspect_ai._util.registry import registry_find, registry_unqualified_name

# For the same as the two above.
from inspect_ai.log._recorders.eval import EvalRecorder

# What the user set for the whole eval, such as --max-tokens; our own requests follow it.
# Ends when: `inspect_ai.model` exports it.
from inspect_ai.model._generate_config import active_generate_config

# The model that a task is made for, if it is made within an eval: the public `get_model` takes one
# from the environment where there is none. Ends when: `inspect_ai.model` exports it.
from inspect_ai.model._model import active_model

# Prices and abilities by a model's name alone: the public `get_model_info` may need a key, or
# load a local model. Ends when: that takes ``resolve_provider=False``.
from inspect_ai.model._model_info import _get_model_info_direct as model_info_by_name
from inspect_ai.util import registry_info
from inspect_ai.util._display import init_display_type

__all__ = [
    "AsyncFilesystem",
    "AsyncZipReader",
    "EvalRecorder",
    "PrerequisiteError",
    "active_generate_config",
    "active_model",
    "eval_set_id_for_log_dir",
    "filesystem",
    "init_display_type",
    "local_path",
    "model_info_by_name",
    "platform_init",
    "provider_packages",
    "run_coroutine",
]


def provider_packages() -> dict[str, str]:
    """By provider of models, in order, its package. Ends when: Inspect lists its providers."""
    infos = map(registry_info, registry_find(lambda info: info.type == "modelapi"))
    return dict(sorted((registry_unqualified_name(i), i.name.partition("/")[0]) for i in infos))
