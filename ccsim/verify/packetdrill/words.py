"""The words of a script, taken one after the other."""

from __future__ import annotations

from ccsim.verify.packetdrill.errors import CannotExpress, PktError
from ccsim.verify.packetdrill.lexer import Token

__all__ = ["Words"]

NUMBERS = {"integer": 10, "hex": 16}


class Words:
    """A reader of words: ``now`` is the next that has not been taken."""

    def __init__(self, words: list[Token]) -> None:
        self._words = words
        self._at = 0

    @property
    def now(self) -> Token:
        """The word at hand."""
        return self._words[self._at]

    @property
    def following(self) -> Token:
        """The word after that."""
        return self._words[min(self._at + 1, len(self._words) - 1)]

    def next(self) -> Token:
        """Take a word; the end stays."""
        word = self.now
        self._at = min(self._at + 1, len(self._words) - 1)
        return word

    def take(self, text: str) -> bool:
        """Take a word if it is this one, and tell."""
        if self.now.text != text or self.now.kind in ("string", "command", "code", "end"):
            return False
        self.next()
        return True

    def expect(self, text: str) -> Token:
        """Take this word; PktError if there is another."""
        word = self.now
        if not self.take(text):
            got = repr(word.text) if word.text else "the end of the script"
            raise PktError(word.place, f"expected {text!r}, got {got}")
        return word

    def number(self, what: str) -> int:
        """Take an integer; PktError if there is none, CannotExpress for a name in capitals, which
        stands for a number that packetdrill is told when it is started."""
        word = self.next()
        if word.kind == "word" and word.text.isupper():
            raise CannotExpress(word.place, f"{word.text} is not defined: expected {what}")
        if word.kind not in NUMBERS:
            got = repr(word.text) if word.text else "the end of the script"
            raise PktError(word.place, f"expected {what}, got {got}")
        return int(word.text, NUMBERS[word.kind])
