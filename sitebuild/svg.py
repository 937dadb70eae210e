"""From a matplotlib figure to an SVG that lives in a page: its colors, its type, its ids."""

import io
import re
from functools import cache
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: The dark palette, for a drawing outside the site; inside, the site's style sheet says the same.
DARK = {
    "--gx-true": "#84c9ff",
    "--gx-averaged": "#ff9d57",
    "--gx-gap": "#b880cc",
    "--gx-ink": "#e6e8ee",
    "--gx-muted": "#a9b0bd",
    "--gx-grid": "#3b4152",
    "--gx-paper": "#1e2129",
}
_SVG = "http://www.w3.org/2000/svg"
_DUBLIN_CORE = "{http://purl.org/dc/elements/1.1/}"  # where matplotlib puts what it is told
_XLINK = "{http://www.w3.org/1999/xlink}href"
_PAINTED = {f"{{{_SVG}}}{tag}" for tag in ("path", "use", "text")}
_LONG = re.compile(r"-?\d+\.\d{3,}")
_DEFAULT_ID = re.compile(
    r"(figure|axes|patch|text|line2d|xtick|ytick|matplotlib\.axis|PathCollection|LineCollection"
    r"|PolyCollection|FillBetweenPolyCollection|QuadContourSet|legend)_\d+"
)


@cache
def palette() -> dict[str, str]:
    """Return each color's CSS variable, so that one drawing follows the light and the dark page."""
    from gradexplain import plotting  # noqa: PLC0415 - a cached figure needs no matplotlib

    names = ("true", "averaged", "gap", "ink", "muted", "grid", "paper")
    return {getattr(plotting, name.upper()): f"--gx-{name}" for name in names}


def inline_svg(figure: "Figure", name: str, alt: str) -> str:
    """Return the figure as SVG markup: palette colors as CSS variables, text as text.

    Raises:
        ValueError: the figure uses a color outside the palette, or a bitmap.
    """
    root = _tree(figure, name)
    _tell_the_scales(root, figure)
    return _inline(root, name, alt)


def inline_saved_svg(saved: str, name: str) -> tuple[str, str]:
    """Return an SVG that a notebook saved, the same way, and its title, the figure's caption.

    Raises:
        ValueError: it has no title or description, uses a color outside the palette, or holds a
            bitmap.
    """
    root = ET.fromstring(saved)  # noqa: S314 - a notebook of ours wrote it a moment ago
    title, alt = root.findtext(f"{{{_SVG}}}title"), root.findtext(f".//{_DUBLIN_CORE}description")
    if not title or not alt:
        raise ValueError(
            f'figure {name} must be saved with metadata={{"Title": a caption, "Description": an '
            "alt text}"
        )
    return _inline(root, name, alt), title


def standalone_svg(figure: "Figure", name: str, alt: str) -> str:
    """Return the same drawing as a file that carries its own light and dark palette."""
    body = inline_svg(figure, name, alt).replace("<svg ", f'<svg xmlns="{_SVG}" ', 1)
    return body.replace(">", f"><style>{_palette_css()}</style>", 1) + "\n"


def _inline(root: ET.Element, name: str, alt: str) -> str:
    _drop_what_a_page_needs_not(root)
    _follow_the_palette(root, name)
    _own_ids(root, name)
    _shorten(root)
    width, height = root.get("viewBox", "").split()[2:]
    root.attrib.clear()
    root.attrib.update(
        {
            "viewBox": f"0 0 {width} {height}",
            "role": "img",
            "aria-label": alt,
            "data-search-exclude": "",
            # matplotlib's own style sheet said this, and would have said it to the whole page
            "style": "stroke-linejoin: round; stroke-linecap: butt",
        }
    )
    ET.register_namespace("", _SVG)
    return ET.tostring(root, encoding="unicode").replace(f' xmlns="{_SVG}"', "")


def _tree(figure: "Figure", name: str) -> ET.Element:
    from matplotlib import rc_context  # noqa: PLC0415 - as above

    buffer = io.BytesIO()
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": name, "svg.id": None}):
        figure.savefig(
            buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None}
        )
    return ET.fromstring(buffer.getvalue())  # noqa: S314 - matplotlib wrote it a moment ago


def _tell_the_scales(root: ET.Element, figure: "Figure") -> None:
    """Write on each axes with an id how its data lie in the drawing, and from where to where.

    A script that moves the figure reads x0 dx left right y0 dy low high, and knows that the value x
    stands at x0 + dx x.
    """
    height = figure.get_figheight() * 72
    places = {element.get("id"): element for element in root.iter(f"{{{_SVG}}}g")}
    for axes in figure.axes:
        if axes.get_gid():
            points = axes.transData.transform([(0, 0), (1, 1)]) * 72 / figure.dpi
            (x0, y0), (x1, y1) = points
            scale = (x0, x1 - x0, *axes.get_xlim(), height - y0, y0 - y1, *axes.get_ylim())
            places[axes.get_gid()].set("data-scale", " ".join(f"{part:.4f}" for part in scale))


def _drop_what_a_page_needs_not(root: ET.Element) -> None:
    """Remove words about it, emptied definitions, and the style sheet that would leak out of it."""
    for parent in list(root.iter()):
        for child in list(parent):
            tag = child.tag.removeprefix(f"{{{_SVG}}}")
            if tag in {"metadata", "style", "title"} or (tag == "defs" and len(child) == 0):
                parent.remove(child)


def _follow_the_palette(root: ET.Element, name: str) -> None:
    if root.find(f".//{{{_SVG}}}image") is not None:
        raise ValueError(f"figure {name} must hold no bitmap: its colors cannot follow the page")
    defined = {id(element) for defs in root.iter(f"{{{_SVG}}}defs") for element in defs.iter()}
    for element in root.iter():
        style = element.get("style", "")
        drawn = element.tag in _PAINTED and id(element) not in defined
        if drawn and not re.search(r"\bfill:", style):
            style += "; fill: #000000"  # matplotlib leaves black out, as the default
        if style:
            element.set("style", _style(name, style))


def _style(name: str, style: str) -> str:
    variables = palette()
    for color in sorted(set(re.findall(r"#[0-9a-fA-F]{3,8}\b(?!\))", style))):
        if color not in variables:
            raise ValueError(f"figure {name} uses the color {color}, which is not in the palette")
        style = style.replace(color, f"var({variables[color]})")
    style = re.sub(r"font: ([\d.]+px) [^;]*", r"font-size: \1", style)
    style = re.sub(r"font: ([^;]*?[\d.]+px) [^;]*", r"font: \1 var(--gx-figure-font)", style)
    return re.sub(r"font-family: [^;]*(;|$)", "", style).strip("; ")


def _own_ids(root: ET.Element, name: str) -> None:
    """Prefix the ids that are used or that a figure set itself; drop matplotlib's own."""
    text = ET.tostring(root, encoding="unicode")
    used = set(re.findall(r"url\(#([^)]+)\)", text)) | set(re.findall(r'href="#([^"]+)"', text))
    for element in root.iter():
        identity = element.attrib.pop("id", None)
        if identity in used or (identity and not _DEFAULT_ID.fullmatch(identity)):
            element.set("id", f"{name}-{identity}")
        target = element.attrib.pop(_XLINK, None)
        if target:
            element.set("href", target.replace("#", f"#{name}-"))
        for key, value in element.attrib.items():
            element.set(key, value.replace("url(#", f"url(#{name}-"))


def _shorten(root: ET.Element) -> None:
    """Write places to a hundredth of a pixel, as fine as any screen, and turn nothing by zero."""
    for element in root.iter():
        for key in {"d", "x", "y"} & element.attrib.keys():
            element.set(
                key, _LONG.sub(lambda number: f"{float(number[0]):.2f}", element.attrib[key])
            )
        if element.get("transform", "").startswith("rotate(-0 "):
            del element.attrib["transform"]


def _palette_css() -> str:
    light = "".join(f"{variable}:{color};" for color, variable in palette().items())
    dark = "".join(f"{variable}:{color};" for variable, color in DARK.items())
    font = "--gx-figure-font:system-ui,sans-serif;font-family:var(--gx-figure-font)"
    return f"svg{{{light}{font}}}@media(prefers-color-scheme:dark){{svg{{{dark}}}}}"
