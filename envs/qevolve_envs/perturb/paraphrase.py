"""The same said in other words."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from html import escape

from qevolve_envs.language import Language, Rules
from qevolve_envs.perturb.layer import SEEDS, Layer, Moment, outside

#: What the slots of a wording stand for; all others stand for a name or a list.
_SLOTS = {
    "n": r"-?\d+(?:\.\d+)?",
    "in": "in|on",
    "a": "an? .+?",
    "price": r"\$[0-9.]+",
    "wish": ".+?",
}
_NAME, _LIST = r"[^.:;\n]+?", r"[^.\n]+?"


class Paraphrase(Layer):
    """Words instructions and observations differently; commands stay what they are.

    Severity 1 rewords the instruction, 2 also what is observed (one of two other sets of wordings,
    drawn for the task), 3 draws the wording of every sentence anew, from three sets of which one is
    the usual one. What no wording covers, such as a product's title, stays as it is.
    """

    def __init__(self, severity: int, language: Language) -> None:
        super().__init__(severity, language)
        self._reworded = ""
        self._set = 0

    def begin(self, task_id: str, goal: str) -> None:
        """Draws the wording of the task."""
        super().begin(task_id, goal)
        self._reworded = self.goal(task_id, goal)
        self._set = SEEDS.stream("paraphrase", task_id).between(1, 2)

    def goal(self, task_id: str, goal: str) -> str:
        """The instruction in other words."""
        rng = SEEDS.stream("paraphrase goal", task_id)
        return _goal_words(self.language).reword(goal, lambda n: rng.between(1, n - 1))

    def observe(self, text: str, moment: Moment) -> str:
        """The text in other words."""
        old, new = self._instruction, self._reworded
        text = text.replace(old, new).replace(escape(old), escape(new))
        if self.severity == 1:
            return text
        words = _observation_words(self.language)
        anew = moment.stream("paraphrase").below
        choose: Callable[[int], int] = anew if self.severity == 3 else lambda n: self._set
        return outside(text, new, lambda part: words.reword(part, choose))


class Wordbook:
    """Sentences, each in several wordings with the same slots.

    Args:
        rules: The usual wording, then the others: ``"You open the {x}."``.
    """

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        parts = [f"(?P<r{i}>{_regex(rule[0], i)})" for i, rule in enumerate(rules)]
        self._pattern = re.compile(rf"(?<![^\s>])(?:{'|'.join(parts)})(?=\s|$|<)")

    def reword(self, text: str, choose: Callable[[int], int]) -> str:
        """The text with every known sentence in another wording.

        Args:
            text: Any text.
            choose: Given the number of wordings of a sentence, which one (0 is the usual one).
        """

        def other(found: re.Match[str]) -> str:
            rule = next(i for i in range(len(self._rules)) if found[f"r{i}"] is not None)
            wordings = self._rules[rule]
            slots = {
                key.removeprefix(f"s{rule}_"): value
                for key, value in found.groupdict().items()
                if key.startswith(f"s{rule}_") and value is not None
            }
            return wordings[choose(len(wordings))].format_map(slots)

        return self._pattern.sub(other, text)


def _regex(wording: str, rule: int) -> str:
    pieces = re.split(r"\{(\w+)\}", wording)
    out, seen = [re.escape(pieces[0])], set[str]()
    for slot, literal in zip(pieces[1::2], pieces[2::2], strict=True):
        name = f"s{rule}_{slot}"
        kind = _SLOTS.get(slot, _LIST if slot == "list" else _NAME)
        out.append(f"(?P={name})" if slot in seen else f"(?P<{name}>{kind})")
        out.append(re.escape(literal))
        seen.add(slot)
    # A name that ends a wording without a full stop ends the text, or "a coffee table" would be
    # taken for "a coffee".
    last = pieces[-2] if len(pieces) > 1 and not pieces[-1] else ""
    return "".join(out) + (r"\Z" if last and last != "price" else "")


@cache
def _goal_words(language: Language) -> Wordbook:
    return Wordbook(language.goals)


@cache
def _observation_words(language: Language) -> Wordbook:
    return Wordbook(language.observations)
