"""What the creator typed into a platform's connect form, checked against the form's questions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from app.core.errors import WrongUsage
from publishers.api import Capabilities

_LONGEST = 4096  # characters of one answer


@dataclass(frozen=True, slots=True, repr=False)
class Answers:
    """Every question of the form with its answer, "" where it was left empty."""

    given: Mapping[str, str]
    secret: frozenset[str]  # ids of the questions whose answers never reach the database

    @property
    def public(self) -> dict[str, str]:
        """What may be stored with the account."""
        return {name: text for name, text in self.given.items() if name not in self.secret}

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must be blotted out of errors."""
        return tuple(text for name, text in self.given.items() if name in self.secret and text)


def check_answers(capabilities: Capabilities, answers: Mapping[str, str]) -> Answers:
    """Fill in the defaults and check. Raises WrongUsage naming the question; a secret is never repeated."""
    questions = {question.id: question for question in capabilities.questions}
    if unknown := sorted(answers.keys() - questions.keys()):
        known = ", ".join(questions) or "none"
        raise WrongUsage(f"{capabilities.name} does not ask for {unknown[0]!r}; it asks for: {known}.")
    given = {}
    for name, question in questions.items():
        text = answers.get(name, "").strip() or question.default
        if question.required and not text:
            raise WrongUsage(f"{question.label} is missing: nothing was sent; fill it in and connect again.")
        if len(text) > _LONGEST or "\0" in text:
            raise WrongUsage(f"{question.label} cannot be right: nothing was sent; check what was pasted there.")
        given[name] = text
    return Answers(given, frozenset(name for name, question in questions.items() if question.secret))
