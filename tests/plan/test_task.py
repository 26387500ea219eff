import pytest

from dar_uda.plan.errors import PlanError
from dar_uda.plan.task import Direction
from tests.plan.configs import config_of


def task_of(text="{}", task="phantom"):
    return config_of(f"task: {task}\n{text}" if text != "{}" else f"task: {task}").task


def refused(task):
    """Return the message with which a change of the phantom's task is refused."""
    with pytest.raises(PlanError) as error:
        task_of(f"tasks: {{phantom: {task}}}")
    return str(error.value)


def test_a_direction_reads_as_it_is_written():
    direction = Direction.of("ct-to-mr")
    assert (direction.source, direction.target, str(direction)) == ("ct", "mr", "ct-to-mr")


def test_domains_are_in_the_order_of_the_alphabet_and_have_the_translators_letters():
    task = task_of(task="vestibular_schwannoma")
    assert {name: domain.letter for name, domain in task.domains.items()} == {"ceT1": "a", "hrT2": "b"}
    assert list(map(str, task.both_directions)) == ["ceT1-to-hrT2", "hrT2-to-ceT1"]
    assert [task.generator(str(each)) for each in task.both_directions] == ["AtoB", "BtoA"]
    assert task.structures == ("schwannoma", "cochlea") and task.cases is None


def test_a_domains_label_values_are_in_the_order_of_the_classes():
    text = "tasks: {phantom: {domains: {mr: {labels: {right_kidney: [2, 55-57], spleen: 9}}}}}"
    domains = task_of(text).domains
    assert domains["ct"].label_values == [[1], [2], [3], [4]]
    assert domains["mr"].label_values == [[1], [2, 55, 56, 57], [3], [9]]


def test_a_structure_has_the_tolerance_of_its_name_or_none():
    assert task_of().nsd_tolerances == (5, 3, 3, 3)
    assert task_of("tasks: {phantom: {nsd_tolerance: {left_kidney: 2.5}}}").nsd_tolerances == (5, 3, 2.5, 3)
    assert task_of(task="vestibular_schwannoma").nsd_tolerances == (None, None)


def test_the_papers_protocol_changes_domains_and_the_clean_one_does_not():
    ct, mr = task_of("protocol: paper", task="abdomen").domains.values()
    assert (ct.crops_to_labels, ct.doubles_depth, ct.intensity) == (True, False, {"window": [-350, 350]})
    assert (mr.crops_to_labels, mr.doubles_depth, mr.intensity) == (False, True, {"percentile": 100})
    for domain in task_of(task="abdomen").domains.values():
        assert not domain.crops_to_labels and not domain.doubles_depth
    assert mr.slice_axis is None


def test_an_intensity_of_null_is_replaced_by_the_other_one():
    intensity = "{intensity: {window: null, percentile: 90}}"
    domain = task_of(f"tasks: {{phantom: {{domains: {{ct: {intensity}}}}}}}").domains["ct"]
    assert domain.intensity == {"percentile": 90}


def test_the_grid_is_that_of_the_budget_where_the_task_has_one():
    assert task_of().grid == {"spacing": [5.5, 5.5, 6], "size": 64}
    assert task_of("budget: laptop").grid == {"spacing": [3.2, 3.2, 6], "size": 112}
    assert task_of("budget: gpu").grid == task_of().grid


@pytest.mark.parametrize("values", ["[4, 9]", "3-9", "[2-4, 9]"])
def test_a_label_value_of_two_structures_stops_with_both(values):
    labels = f"{{liver: {values}, left_kidney: 1, right_kidney: 10}}"
    message = refused(f"{{domains: {{mr: {{labels: {labels}}}}}}}")
    assert (
        message == "DAR-015: Label value 4 of domain mr stands for liver and spleen; expected one structure per value."
    )


@pytest.mark.parametrize(
    ("task", "words"),
    [
        ("{domains: {pet: {intensity: {percentile: 99}}}}", "Task phantom needs two domains, not 3: pet, ct, mr."),
        (
            "{grids: {laptap: {spacing: [3, 3, 6], size: 64}}}",
            "Unknown budget of task phantom 'laptap'; known: demo, gpu, laptop, paper.",
        ),
        ("{budgets: {laptap: {}}}", "Unknown budget of task phantom 'laptap'; known: demo, gpu, laptop, paper."),
        ("{budget: laptap}", "Unknown budget 'laptap'; known: demo, gpu, laptop, paper."),
        (
            "{domains: {ct: {intensity: {percentile: 99}}}}",
            "Domain ct of task phantom needs exactly one of window and percentile under intensity, not 2; set the",
        ),
        (
            "{domains: {ct: {intensity: {window: [300, -200]}}}}",
            "Domain ct of task phantom has the window [300, -200]; expected [low, high], low < high.",
        ),
        ("{domains: {mr: {labels: {lung: 7}}}}", "Domain mr has labels that task phantom does not: lung."),
        (
            "{nsd_tolerance: {lung: 2}}",
            "nsd_tolerance of task phantom names lung; expected structures of its labels: liver, right_kidney,",
        ),
        ("{domains: {mr: {labels: {liver: 70-55}}}}", "Label values '70-55': expected a range from low to high"),
        ("{domains: {mr: {labels: {liver: 7-65536}}}}", "Label values '7-65536': expected a range from low to high"),
    ],
)
def test_a_task_that_contradicts_itself_is_refused(task, words):
    assert words in refused(task)
