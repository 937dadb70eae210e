"""From a matplotlib figure to an SVG that lives in a page: its colours, its type, its ids."""

import io
import re
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SVG = "http://www.w3.org/2000/svg"
_XLINK = "{http://www.w3.org/1999/xlink}href"
_DEFAULT_ID = re.compile(
    r"(figure|axes|patch|text|line2d|xtick|ytick|matplotlib\.axis|PathCollection|LineCollection"
    r"|PolyCollection|FillBetweenPolyCollection|QuadContourSet|legend)_\d+"
)


def inline_svg(figure: "Figure", name: str, alt: str) -> str:
    """Return the figure as SVG markup: palette colours as CSS variables, text as text.

    Raises:
        ValueError: the figure uses a colour outside the palette.
    """
    root = _tree(figure, name)
    _drop_what_a_page_needs_not(root)
    _own_ids(root, name)
    for element in root.iter():
        if "style" in element.attrib:
            element.set("style", _style(name, element.attrib["style"]))
    width, height = root.get("viewBox", "").split()[2:]
    root.attrib.clear()
    root.attrib.update(
        {
            "viewBox": f"0 0 {width} {height}",
            "role": "img",
            "aria-label": alt,
            "data-search-exclude": "",
        }
    )
    return ET.tostring(root, encoding="unicode").replace(f' xmlns="{_SVG}"', "")


def standalone_svg(figure: "Figure", name: str, alt: str) -> str:
    """Return the same drawing as a file that carries its own light and dark palette."""
    body = inline_svg(figure, name, alt).replace("<svg ", f'<svg xmlns="{_SVG}" ', 1)
    style = f"<style>{_palette_css()}</style>"
    return body.replace(">", f">{style}", 1) + "\n"


def _tree(figure: "Figure", name: str) -> ET.Element:
    from matplotlib import rc_context  # noqa: PLC0415 - a cached figure needs no matplotlib

    buffer = io.BytesIO()
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": name, "svg.id": None}):
        figure.savefig(
            buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None}
        )
    ET.register_namespace("", _SVG)
    return ET.fromstring(buffer.getvalue())  # noqa: S314 - matplotlib wrote it a moment ago


def _drop_what_a_page_needs_not(root: ET.Element) -> None:
    """Remove metadata, comments' leftovers, and style sheets that would leak into the page."""
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag in (f"{{{_SVG}}}metadata", f"{{{_SVG}}}style"):
                parent.remove(child)
            elif child.tag == f"{{{_SVG}}}defs" and len(child.findall("*")) == 0:
                parent.remove(child)
    for path in root.iter(f"{{{_SVG}}}path"):
        # the style sheet just removed said this for all paths
        path.set("style", path.get("style", "") + "; stroke-linejoin: round")


def _own_ids(root: ET.Element, name: str) -> None:
    """Prefix the ids that are used or that a figure set itself; drop matplotlib's own."""
    text = ET.tostring(root, encoding="unicode")
    used = set(re.findall(r"url\(#([^)]+)\)", text)) | set(re.findall(r'href="#([^"]+)"', text))
    for element in root.iter():
        identity = element.attrib.pop("id", None)
        if identity in used or (identity and not _DEFAULT_ID.fullmatch(identity)):
            element.set("id", f"{name}-{identity}")
        if "clip-path" in element.attrib:
            element.set("clip-path", element.attrib["clip-path"].replace("url(#", f"url(#{name}-"))
        target = element.attrib.pop(_XLINK, None)
        if target:
            element.set("href", target.replace("#", f"#{name}-"))


def _style(name: str, style: str) -> str:
    from gradexplain.figures.style import PALETTE  # noqa: PLC0415 - as above

    for color in set(re.findall(r"#[0-9a-fA-F]{6}\b", style)):
        if color not in PALETTE:
            raise ValueError(f"figure {name} uses the colour {color}, which is not in the palette")
        style = style.replace(color, f"var({PALETTE[color]})")
    style = re.sub(r"font: ([\d.]+)px [^;]*", r"font-size: \1px", style)
    return re.sub(r"font-family: [^;]*(;|$)", "", style).strip("; ")


def _palette_css() -> str:
    light = "--gx-true:#0067a5;--gx-averaged:#b84a00;--gx-gap:#8e3b86;--gx-ink:#1f2328;--gx-muted:#5f6872;--gx-grid:#d5dae0;--gx-paper:#fff"
    dark = "--gx-true:#6cb8ff;--gx-averaged:#ff9d57;--gx-gap:#e39ad9;--gx-ink:#e6e8ee;--gx-muted:#a9b0bd;--gx-grid:#3b4152;--gx-paper:#1e2129"
    return (
        f"svg{{{light};font-family:system-ui,sans-serif}}"
        f"@media(prefers-color-scheme:dark){{svg{{{dark}}}}}"
    )
