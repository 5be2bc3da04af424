"""Plain text from HTML.

Ionhour does not document which of its fields hold HTML and which hold plain text or Markdown, so the text decides. It
is HTML only with a matched pair of tags of a real element: `Rolled back <checkout-api>` and `use the <br> tag` are not,
and stay unchanged. In HTML, only the tags of such pairs and of `br`, `hr` and `img` are converted; any other `<...>` is
text.

The tokenizer is written by hand because `html.parser` takes quadratic time for `<a<a<a`, and nh3 and html2text drop
unknown tags. Everything here takes linear time.
"""

import re
from html import unescape
from html.entities import html5
from itertools import pairwise
from typing import NamedTuple

_DOCUMENT = frozenset({"head", "body", "title"})
"""Converted in HTML, but they do not prove it: XML uses the same names."""
_HEADINGS = frozenset({"h1", "h2", "h3", "h4", "h5", "h6"})
_LISTS = frozenset({"ul", "ol", "li", "dl", "dt", "dd"})
_TABLES = frozenset({"table", "caption", "thead", "tbody", "tfoot", "tr"})
_CELLS = frozenset({"td", "th"})
_PARAGRAPHS = frozenset(
    {"p", "div", "blockquote", "pre", "figure", "figcaption", "center", "details", "summary", "html"}
)
_BLOCKS = _HEADINGS | _LISTS | _TABLES | _PARAGRAPHS | _DOCUMENT
_BREAKING = _BLOCKS | {"hr"}
_FORMATS = frozenset({"b", "strong", "i", "em", "u", "s", "del", "strike", "ins", "small", "big", "mark", "sub", "sup"})
_INLINE = _FORMATS | {"a", "span", "font", "code", "kbd", "samp", "tt", "abbr", "cite", "q"}
_VOID = frozenset({"br", "hr", "img"})
_ELEMENTS = _BLOCKS | _CELLS | _INLINE

# No two attempts scan the same place inside the same kind of quotes, so all attempts together take linear time.
_TAG = re.compile(
    r"""<(?P<close>/?)(?P<name>[a-z][a-z0-9]{0,11}+)(?=[\s/>])(?P<attributes>(?:[^<>"']++|"[^"]*+"|'[^']*+')*+)>"""
    r"""|(?P<comment><!--)|(?P<doctype><!doctype[^<>]*+>)""",
    re.IGNORECASE,
)
_END = {name: re.compile(rf"</{name}\s*+>", re.IGNORECASE) for name in ("script", "style")}
_ATTRIBUTE = re.compile(
    r"""(?P<name>[^\s"'>/=]++)(?:\s*+=\s*+(?:"(?P<double>[^"]*+)"|'(?P<single>[^']*+)'|(?P<bare>[^\s"'>]++)))?+"""
    r"""|"[^"]*+"|'[^']*+'"""
)
# Bounded, because `html.unescape` raises on a number of thousands of digits. The semicolon is required, because
# `&copy=1` in an address is not an entity.
_ENTITY = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|(?P<name>[A-Za-z][A-Za-z0-9]{1,31}));")
_LINE_ENDS = re.compile(r"(?<![^\S\n])[^\S\n]++(?=\n)")
_BLANK_LINES = re.compile(r"\n{3,}+")
_SCHEME = re.compile(r"^(?:https?://|mailto:|tel:)", re.IGNORECASE)
_NO_ADDRESS = re.compile(r"(?:data|javascript|blob|about):|#", re.IGNORECASE)
_LONGEST_GAP = 100
MAX_HTML = 40_000
"""Characters of a long HTML text that are converted, in at most 60 ms."""
_CLOSING = re.compile(r"</([a-zA-Z][a-zA-Z0-9]{0,11})\s{0,9}>")
_ENDING = 500
"""Characters at the end of a text that contain the end tags of its outer elements."""


def html_to_text(text: str) -> str:
    """Convert HTML to plain text; return anything else unchanged.

    Blocks become lines, list items lines with `- `, links `text (address)`. Comments, scripts and styles are removed,
    and entities are decoded once.
    """
    if "</" not in text:
        return text
    source = text.replace("\r\n", "\n")
    tags = _find_tags(source)
    partners = _find_partners(tags)
    if not any(tags[index].name not in _DOCUMENT for index in partners):
        return text
    writer = _Writer()
    position = 0
    for index, tag in enumerate(tags):
        if index in partners or tag.name in _VOID or not tag.name:
            writer.write(source[position : tag.start])
            writer.apply(tag)
            position = tag.end
    writer.write(source[position:])
    return writer.to_text()


def start_to_text(text: str, length: int = MAX_HTML) -> str:
    """Convert a text as `html_to_text` does. Only the start of long HTML is converted, and a mark follows it."""
    if len(text) <= length:
        return html_to_text(text)
    start = text[:length]
    tags = _find_tags(start)
    partners = _find_partners(tags)
    closed = {tags[index].name for index in partners} | {name.lower() for name in _CLOSING.findall(text[-_ENDING:])}
    if not closed & (_ELEMENTS - _DOCUMENT):
        return text
    start += _missing_end_tags(tags, partners)
    return f"{html_to_text(start)}\n… [{len(text) - length:,} more characters of HTML are not shown]"


def _missing_end_tags(tags: list["_Tag"], partners: set[int]) -> str:
    """Return the end tags of the elements that are still open."""
    unpaired = [tag for index, tag in enumerate(tags) if index not in partners]
    return "".join(f"</{tag.name}>" for tag in reversed(unpaired) if not tag.closes and tag.name in _ELEMENTS)


class _Tag(NamedTuple):
    """A tag. Without a name, it is a comment or another part to remove."""

    name: str
    start: int
    end: int
    closes: bool = False
    attributes: str = ""


def _find_tags(source: str) -> list[_Tag]:
    tags: list[_Tag] = []
    position, last_comment_end = 0, source.rfind("-->")
    unclosed: set[str] = set()
    while found := _TAG.search(source, position):
        position = found.end()
        start, name = found.start(), (found["name"] or "").lower()
        if found["comment"]:
            if start + 2 > last_comment_end:
                continue
            # From start + 2 on, because `<!-->` is an empty comment.
            position = source.index("-->", start + 2) + 3
        elif name in _END and not found["close"]:
            end = _find_end(name, source, position, unclosed)
            if end is None:
                continue
            position, name = end, ""
        tags.append(_Tag(name, start, position, bool(found["close"]), found["attributes"] or ""))
    return tags


def _find_end(name: str, source: str, position: int, unclosed: set[str]) -> int | None:
    """Return the end of a script or style. One that is never closed is added to `unclosed` and searched for once."""
    end = None if name in unclosed else _END[name].search(source, position)
    if end is None:
        unclosed.add(name)
        return None
    return end.end()


def _find_partners(tags: list[_Tag]) -> set[int]:
    """Return the indexes of matched pairs of start and end tags."""
    opened: dict[str, list[int]] = {name: [] for name in _ELEMENTS}
    partners: set[int] = set()
    for index, tag in enumerate(tags):
        waiting = opened.get(tag.name)
        if waiting is None:
            continue
        if not tag.closes:
            waiting.append(index)
        elif waiting:
            partners |= {waiting.pop(), index}
    return partners


class _Link(NamedTuple):
    address: str
    part: int
    """Index of the part where its text begins."""
    length: int
    """Number of characters before its text."""


class _Writer:
    """Collects the parts of the text. White space is held back until it is known that no line break replaces it."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.length = 0
        self.gap = ""
        self.bullet = False
        self.fresh = True
        """True if the line is still empty."""
        self.pre = 0
        """Number of open `pre` elements."""
        self.pre_bounds: list[int] = []
        """Indexes of the parts where a `pre` alternately begins and ends."""
        self.links: list[_Link] = []

    def write(self, source: str) -> None:
        """Write the text between two tags."""
        text = decode_entities(source)
        if self.pre:
            self._write_pre(text)
            return
        content = text.strip()
        self._wait(text[: len(text) - len(text.lstrip())])
        if content:
            self._add(content)
            self._wait(text[len(text.rstrip()) :])

    def _write_pre(self, text: str) -> None:
        if self.pre_bounds[-1] == len(self.parts):
            # HTML ignores a line break directly after `<pre>`.
            text = text.removeprefix("\n")
        if text:
            self._add(text)
            self.fresh = text.endswith("\n")

    def apply(self, tag: _Tag) -> None:
        """Write the text that represents a tag."""
        if tag.name in _BREAKING:
            self._break_line(tag)
        elif tag.name in _CELLS and not tag.closes and not self.fresh:
            self.gap = " | "
        elif tag.name == "br":
            self.gap = ""
            self._add_part("\n")
            self.fresh = True
        elif tag.name == "img":
            self._add_image(tag)
        elif tag.name == "a":
            self._close_link() if tag.closes else self._open_link(tag)

    def to_text(self) -> str:
        """Return the text, without consecutive blank lines outside `pre`."""
        bounds = [0, *self.pre_bounds, len(self.parts)]
        chunks = ["".join(self.parts[start:end]) for start, end in pairwise(bounds)]
        chunks[::2] = [_BLANK_LINES.sub("\n\n", _LINE_ENDS.sub("", chunk)) for chunk in chunks[::2]]
        return "".join(chunks).strip()

    def _wait(self, space: str) -> None:
        # Bounded, because thousands of pieces would be copied thousands of times.
        if not self.fresh and len(self.gap) < _LONGEST_GAP and ("\n" in space or not self.gap):
            self.gap += space

    def _add(self, text: str) -> None:
        if not text:
            return
        self._settle()
        self._add_part(text)
        self.fresh = False

    def _settle(self) -> None:
        for waiting in (self.gap, "- " if self.bullet else ""):
            if waiting:
                self._add_part(waiting)
        self.gap, self.bullet = "", False

    def _add_part(self, part: str) -> None:
        self.parts.append(part)
        self.length += len(part)

    def _break_line(self, tag: _Tag) -> None:
        self.gap = ""
        if not self.fresh:
            self._add_part("\n")
        self.fresh = True
        if tag.name == "li":
            self.bullet = not tag.closes
        elif tag.name == "pre":
            self.pre += -1 if tag.closes else 1
            if self.pre == (0 if tag.closes else 1):
                self.pre_bounds.append(len(self.parts))

    def _add_image(self, tag: _Tag) -> None:
        values = _attributes(tag)
        alt, address = values.get("alt", "").strip(), _address(values.get("src", ""))
        self._add(f"{alt} ({address})" if alt and address else alt or address)

    def _open_link(self, tag: _Tag) -> None:
        address = _address(_attributes(tag).get("href", ""))
        if address:
            self._settle()
        self.links.append(_Link(address, len(self.parts), self.length))

    def _close_link(self) -> None:
        address, part, length = self.links.pop()
        if not address:
            return
        gap, self.gap = self.gap, ""
        # A longer text is not an address. It is not joined, because links may be nested thousands deep.
        short = self.length - length <= len(address) + _LONGEST_GAP
        label = "".join(self.parts[part:]).strip() if short else "?"
        plain = not self.pre_bounds or self.pre_bounds[-1] <= part
        if plain and _bare(label) in ("", _bare(address)):
            del self.parts[part:]
            self._add(label if address.lower().startswith("mailto:") and label else address)
        else:
            self._add(f"({address})" if self.fresh else f" ({address})")
        self.gap = gap


def decode_entities(text: str) -> str:
    """Decode each entity once; entities that HTML does not define stay unchanged."""
    return _ENTITY.sub(_decode, text) if "&" in text else text


def _decode(entity: re.Match[str]) -> str:
    name = entity["name"]
    return html5.get(f"{name};", entity[0]) if name else unescape(entity[0])


def _attributes(tag: _Tag) -> dict[str, str]:
    values: dict[str, str] = {}
    for found in _ATTRIBUTE.finditer(tag.attributes):
        if found["name"]:
            value = found["double"] or found["single"] or found["bare"] or ""
            values.setdefault(found["name"].lower(), decode_entities(value))
    return values


def _address(value: str) -> str:
    """Return an address without white space; "" for an anchor, a script or data, which are not useful in text."""
    address = "".join(value.split())
    return "" if _NO_ADDRESS.match(address) else address


def _bare(address: str) -> str:
    return _SCHEME.sub("", address.strip()).rstrip("/").casefold()
