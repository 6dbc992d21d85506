"""The table of provision states."""

from __future__ import annotations

from testtools import TestCase

from baremetal_sdk import states


class TestTable(TestCase):
    def test_every_state_that_is_entered_is_known(self) -> None:
        """No transition leads to a state that the table does not have."""
        self.assertEqual(set(), {one.to for one in states.TRANSITIONS} - states.STATES)

    def test_it_is_as_long_as_clients_know_it(self) -> None:
        """The Bare Metal API has 29 states with transitions between them; none is there twice."""
        keys = [(one.state, one.event) for one in states.TRANSITIONS]
        self.assertEqual(len(keys), len(set(keys)))
        self.assertEqual(30, len(states.STATES))

    def test_states_of_work_end_by_failing(self) -> None:
        """Every state in which a task works has a way out for a task that died."""
        stuck = [state for state in states.WORKING if states.next_state(state, "fail") is None]
        self.assertEqual([], stuck)

    def test_states_of_waiting_can_be_resumed_or_ended(self) -> None:
        """Every state of waiting can fail, so that a wait can time out."""
        self.assertEqual([], [state for state in states.WAITING if states.next_state(state, "fail") is None])

    def test_each_verb_is_allowed_somewhere(self) -> None:
        """There is no verb that can never be used."""
        useless = [verb for verb in states.VERBS if not any(verb in states.allowed_verbs(state) for state in states.STATES)]
        self.assertEqual([], useless)

    def test_the_diagram_shows_every_transition(self) -> None:
        """The diagram is made from the table."""
        self.assertEqual(len(states.TRANSITIONS), states.diagram().count("->"))
