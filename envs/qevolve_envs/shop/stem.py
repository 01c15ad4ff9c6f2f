"""The Porter stemmer, so that "shoes" finds "shoe".

Source: M. F. Porter, "An algorithm for suffix stripping", Program 14(3), 1980, pp. 130-137. It is
the stemmer of Lucene's English analysis, which the official WebShop's search uses.
"""

from __future__ import annotations

import re

_C = "[^aeiou]"
_V = "[aeiouy]"
_CC = "[^aeiou][^aeiouy]*"
_VV = "[aeiouy][aeiou]*"
#: Measure of a stem: the number of vowel-consonant sequences is above 0, is 1, is above 1.
_M0 = re.compile(f"^(?:{_CC})?{_VV}{_CC}")
_M1 = re.compile(f"^(?:{_CC})?{_VV}{_CC}(?:{_VV})?$")
_M2 = re.compile(f"^(?:{_CC})?{_VV}{_CC}{_VV}{_CC}")
_VOWEL = re.compile(f"^(?:{_CC})?{_V}")
_DOUBLE = re.compile(r"([^aeiouylsz])\1$")
#: Consonant, vowel, consonant, where the last is not w, x or y.
_CVC = re.compile(f"^{_CC}{_V}[^aeiouwxy]$")

_STEP2 = {
    "ational": "ate",
    "tional": "tion",
    "enci": "ence",
    "anci": "ance",
    "izer": "ize",
    "bli": "ble",
    "alli": "al",
    "entli": "ent",
    "eli": "e",
    "ousli": "ous",
    "ization": "ize",
    "ation": "ate",
    "ator": "ate",
    "alism": "al",
    "iveness": "ive",
    "fulness": "ful",
    "ousness": "ous",
    "aliti": "al",
    "iviti": "ive",
    "biliti": "ble",
    "logi": "log",
}
_STEP3 = {
    "icate": "ic",
    "ative": "",
    "alize": "al",
    "iciti": "ic",
    "ical": "ic",
    "ful": "",
    "ness": "",
}
_STEP4 = "al ance ence er ic able ible ant ement ment ent ion ou ism ate iti ous ive ize"


def _longest(suffixes: list[str]) -> re.Pattern[str]:
    return re.compile(f"^(.+?)({'|'.join(sorted(suffixes, key=len, reverse=True))})$")


_SUFFIX2, _SUFFIX3, _SUFFIX4 = _longest([*_STEP2]), _longest([*_STEP3]), _longest(_STEP4.split())


def stem(word: str) -> str:
    """The stem of a lower-case word; words of one or two letters are left as they are."""
    if len(word) < 3:
        return word
    # A y at the beginning is a consonant; the capital keeps it out of the vowels.
    if first_y := word[0] == "y":
        word = "Y" + word[1:]
    word = _plurals(word)
    word = _participles(word)
    if word.endswith("y") and _VOWEL.match(word[:-1]):
        word = word[:-1] + "i"
    for pattern, table in ((_SUFFIX2, _STEP2), (_SUFFIX3, _STEP3)):
        found = pattern.match(word)
        if found and _M0.match(found[1]):
            word = found[1] + table[found[2]]
    found = _SUFFIX4.match(word)
    if found and _M2.match(found[1]) and (found[2] != "ion" or found[1][-1] in "st"):
        word = found[1]
    if word.endswith("e"):
        rest = word[:-1]
        if _M2.match(rest) or (_M1.match(rest) and not _CVC.match(rest)):
            word = rest
    if word.endswith("ll") and _M2.match(word):
        word = word[:-1]
    return "y" + word[1:] if first_y else word


def _plurals(word: str) -> str:
    if word.endswith(("sses", "ies")):
        return word[:-2]
    if word.endswith("s") and not word.endswith("ss"):
        return word[:-1]
    return word


def _participles(word: str) -> str:
    if word.endswith("eed"):
        return word[:-1] if _M0.match(word[:-3]) else word
    for suffix in ("ed", "ing"):
        rest = word.removesuffix(suffix)
        if rest != word:
            if not _VOWEL.match(rest):
                return word
            if rest.endswith(("at", "bl", "iz")) or _CVC.match(rest):
                return rest + "e"
            return rest[:-1] if _DOUBLE.search(rest) else rest
    return word
