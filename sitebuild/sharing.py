"""What machines are told of a page: tags and a picture for previews, structured data, llms.txt."""

import hashlib
import html
import json
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.nav import Navigation
from mkdocs.structure.pages import Page

from sitebuild import drawings


def head(page: Page, config: MkDocsConfig) -> str:
    """Return the tags for previews and the structured data (schema.org) of one page."""
    title, text = str(page.title), description(page, config)
    picture = f"{config.site_url}{card_path(page)}"
    tags = {
        "og:type": "article",
        "og:site_name": config.site_name,
        "og:title": title,
        "og:description": text,
        "og:url": page.canonical_url or "",
        "og:image": picture,
        "og:image:width": "1200",
        "og:image:height": "630",
        "og:image:alt": title,
    }
    meta = "".join(
        f'<meta property="{name}" content="{html.escape(value)}">' for name, value in tags.items()
    )
    data = {
        "@context": "https://schema.org",
        "@type": "LearningResource",
        "name": title,
        "description": text,
        "url": page.canonical_url,
        "image": picture,
        "inLanguage": "en",
        "license": "https://opensource.org/license/mit",
        "isPartOf": {"@type": "WebSite", "name": config.site_name, "url": config.site_url},
    }
    told = json.dumps(data, ensure_ascii=False, sort_keys=True).replace("<", "\\u003c")
    return (
        f'{meta}<meta name="twitter:card" content="summary_large_image">'
        f'<script type="application/ld+json">{told}</script>'
    )


def card_path(page: Page) -> str:
    """Return where the page's card lies in the site."""
    name = page.url.strip("/").replace("/", "-") or "home"
    return f"assets/cards/{name}.png"


def write_card(page: Page, config: MkDocsConfig) -> None:
    """Write the page's card, from the cache where it was drawn before."""
    title, text = str(page.title), description(page, config)
    key = hashlib.sha256(f"{drawings.code()}\0{title}\0{text}".encode()).hexdigest()
    cached = drawings.CACHE / f"card-{key[:16]}.png"
    if not cached.exists():
        from sitebuild.figures.card import card  # noqa: PLC0415 - matplotlib is slow to import

        drawings.CACHE.mkdir(parents=True, exist_ok=True)
        card(title, text).savefig(cached, metadata={"Software": None})
    path = Path(config.site_dir) / card_path(page)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cached.read_bytes())


def llms_txt(nav: Navigation, config: MkDocsConfig) -> str:
    """Return the site as one list for language models (llmstxt.org): titles and addresses."""
    lines = [f"# {config.site_name}", "", f"> {config.site_description}", ""]
    for page in nav.pages:
        text = description(page, config)
        lines.append(f"- [{page.title}]({page.canonical_url}): {text}")
    return "\n".join([*lines, ""])


def description(page: Page, config: MkDocsConfig) -> str:
    """Return the page's own description, or the site's."""
    return str(page.meta.get("description") or config.site_description)
