"""Provision states, transitions and verbs."""

from __future__ import annotations

import dataclasses

from testtools import TestCase

from baremetal_sdk import states


class TestTable(TestCase):
    def test_transitions_lead_to_known_states(self) -> None:
        """Each state that a transition leads to is a state of the table."""
        self.assertEqual(set(), {transition.to for transition in states.TRANSITIONS} - states.STATES)

    def test_table_has_the_states_of_the_api(self) -> None:
        """The table has the 30 states of the Bare Metal API, and no state has two transitions for one event."""
        keys = [(transition.state, transition.event) for transition in states.TRANSITIONS]
        self.assertEqual(len(keys), len(set(keys)))
        self.assertEqual(30, len(states.STATES))

    def test_working_states_can_fail(self) -> None:
        """Recovery can fail a node in each state in which a task works."""
        stuck = [state for state in states.WORKING if states.next_state(state, "fail") is None]
        self.assertEqual([], stuck)

    def test_waiting_states_can_fail(self) -> None:
        """A wait can time out in each waiting state."""
        self.assertEqual([], [state for state in states.WAITING if states.next_state(state, "fail") is None])

    def test_each_verb_is_allowed_in_a_state(self) -> None:
        """Each verb is allowed in at least one state."""
        useless = [verb for verb in states.VERBS if not any(verb in states.allowed_verbs(state) for state in states.STATES)]
        self.assertEqual([], useless)

    def test_diagram_shows_every_transition(self) -> None:
        """The diagram has one edge for each transition."""
        self.assertEqual(len(states.TRANSITIONS), states.diagram().count("->"))


class TestVerbs(TestCase):
    def test_verbs_lead_to_stable_states(self) -> None:
        """The goal of each verb that has one is a stable state."""
        goals = {verb.goal for verb in states.VERBS.values() if verb.goal is not None}
        self.assertEqual(set(), goals - states.STABLE)

    def test_synonyms_have_the_same_rules(self) -> None:
        """Two verbs with one event differ only in their names and first microversions."""
        for verb in states.VERBS.values():
            for other in states.VERBS.values():
                if other.event == verb.event:
                    self.assertEqual(dataclasses.replace(verb, name=other.name, since=other.since), other)
