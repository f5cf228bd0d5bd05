"""Links in the documentation lead somewhere."""

import re
from pathlib import Path

LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)(?:\s[^)]*)?\)|!\[[^\]]*\]\(([^)\s]+)\)")
REFERENCE = re.compile(r"^\[[^\]]+\]:\s+(\S+)", re.MULTILINE)
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def targets(page: Path) -> list[str]:
    text = FENCE.sub("", page.read_text("utf-8"))
    inline = [first or second for first, second in LINK.findall(text)]
    return [*inline, *REFERENCE.findall(text)]


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as forges make them."""
    headings = re.findall(r"^#+\s+(.*)$", FENCE.sub("", page.read_text("utf-8")), re.M)
    kept = (re.sub(r"[^\w\- ]", "", heading.strip().lower()) for heading in headings)
    return {heading.replace(" ", "-") for heading in kept}


def broken(page: Path) -> list[str]:
    found = []
    for target in targets(page):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        file = (page.parent / name).resolve() if name else page
        if not file.exists():
            found.append(f"{page}: {target} does not exist")
        elif anchor and file.suffix == ".md" and anchor not in anchors(file):
            found.append(f"{page}: {target} has no such heading")
    return found


def test_links_between_pages_lead_somewhere(tracked: tuple[Path, ...]) -> None:
    pages = [path for path in tracked if path.suffix == ".md"]

    assert [fault for page in pages for fault in broken(page)] == []


def test_every_page_is_reached_from_the_index(
    root: Path, tracked: tuple[Path, ...]
) -> None:
    docs = root / "docs"
    reached: set[Path] = set()
    waiting = [docs / "README.md"]
    while waiting:
        page = waiting.pop()
        if page.is_dir():  # A link to a folder shows its pages.
            waiting += [path for path in tracked if path.parent == page]
        elif page.suffix == ".md" and page not in reached and page.exists():
            reached.add(page)
            local = (t.partition("#")[0] for t in targets(page) if ":" not in t)
            waiting += [(page.parent / name).resolve() for name in local if name]
    pages = {path for path in tracked if path.suffix == ".md" and docs in path.parents}

    assert pages - reached == set()
