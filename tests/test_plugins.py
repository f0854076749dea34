"""What a user's package adds by entry points; docs/extending.md is tried in test_extending.py."""

import logging
import subprocess
import sys

import pytest

from neuron_eval.plugins import load_plugins, with_failures


def install(folder, name, group, entries, **modules):
    """What an installed package looks like to Python: modules, and a folder of metadata."""
    for module, code in modules.items():
        (folder / f"{module}.py").write_text(code)
    data = folder / f"{name}-1.0.dist-info"
    data.mkdir()
    (data / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    lines = "\n".join(f"{entry} = {module}" for entry, module in entries.items())
    (data / "entry_points.txt").write_text(f"[neuron_eval.{group}]\n{lines}\n")


@pytest.fixture
def site(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    load_plugins.cache_clear()
    yield tmp_path
    load_plugins.cache_clear()
    for name in [n for n in sys.modules if n.startswith("plugin_of_")]:
        del sys.modules[name]


def test_a_module_that_an_entry_point_names_is_imported_once_and_only_for_its_group(site, capsys):
    install(site, "one", "tables", {"mine": "plugin_of_one"}, plugin_of_one="print('imported')")
    assert load_plugins("formats") == ()
    assert capsys.readouterr().out == ""
    assert load_plugins("tables") == load_plugins("tables") == ()
    assert capsys.readouterr().out == "imported\n"


def test_one_that_fails_is_named_in_a_sentence_and_hides_no_other(site, caplog):
    entries = {"a": "plugin_of_bad", "b": "plugin_of_nobody", "c": "plugin_of_good"}
    install(
        site, "their-package", "tables", entries,
        plugin_of_bad="raise RuntimeError('no luck')", plugin_of_good="",
    )  # fmt: skip
    with caplog.at_level(logging.WARNING):
        failures = load_plugins("tables")
        load_plugins("tables")
    assert failures == (
        "plugin a = plugin_of_bad of their-package (neuron_eval.tables) cannot be used: "
        "RuntimeError: no luck",
        "plugin b = plugin_of_nobody of their-package (neuron_eval.tables) cannot be used: "
        "ModuleNotFoundError: No module named 'plugin_of_nobody'",
    )
    assert tuple(record.getMessage() for record in caplog.records) == failures
    assert not any(record.exc_info for record in caplog.records)
    assert "plugin_of_good" in sys.modules
    assert with_failures("no such table", "tables") == "; ".join(("no such table", *failures))


def test_starting_inspect_imports_no_plugin(site):
    install(site, "late", "formats", {"late": "plugin_of_late"}, plugin_of_late="")
    code = (
        f"import sys; sys.path.insert(0, {str(site)!r}); import neuron_eval._registry\n"
        "assert 'plugin_of_late' not in sys.modules\n"
        "from neuron_eval.plugins import load_plugins; load_plugins('formats')\n"
        "assert 'plugin_of_late' in sys.modules"
    )
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True)


def test_a_users_format_replaces_no_task(site):
    install(site, "taken", "formats", {"generic": "plugin_of_taken", "own": "plugin_of_own"})
    code = (
        f"import sys; sys.path.insert(0, {str(site)!r}); from neuron_eval import _registry\n"
        "from neuron_eval.inspect_private import registry_find, registry_unqualified_name\n"
        "from neuron_eval.tasks.controls import generic\n"
        "tasks = registry_find(lambda info: info.type == 'task')\n"
        "assert [t for t in tasks if registry_unqualified_name(t) == 'generic'] == [generic]\n"
        "assert 'own' in map(registry_unqualified_name, tasks)"
    )
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True)
