"""What machines learn of a page: tags and a picture for previews, structured data, llms.txt."""

import html
import json

from sitebuild.site import Entry, Site

CARD = "assets/card.png"  # one for all pages; `make picture` draws it


def told(page: str, address: str, site: Site) -> str:
    """Return the page with its head completed."""
    entry = site.entry(address)
    return page if entry is None else page.replace("</head>", f"{head(entry, site)}</head>", 1)


def head(entry: Entry, site: Site) -> str:
    """Return the tags for previews and the structured data (schema.org) of one page."""
    url, picture = site.address + entry.address, site.address + CARD
    tags = {
        "og:type": "article",
        "og:site_name": site.name,
        "og:title": entry.title,
        "og:description": entry.description,
        "og:url": url,
        "og:image": picture,
        "og:image:width": "1200",
        "og:image:height": "630",
        "og:image:alt": site.description,
    }
    meta = "".join(
        f'<meta property="{name}" content="{html.escape(value)}">' for name, value in tags.items()
    )
    data = {
        "@context": "https://schema.org",
        "@type": "LearningResource",
        "name": entry.title,
        "description": entry.description,
        "url": url,
        "image": picture,
        "inLanguage": "en",
        "license": "https://opensource.org/license/mit",
        "isPartOf": {"@type": "WebSite", "name": site.name, "url": site.address},
    }
    plain = json.dumps(data, ensure_ascii=False, sort_keys=True).replace("<", "\\u003c")
    return (
        f'{meta}<meta name="twitter:card" content="summary_large_image">'
        f'<script type="application/ld+json">{plain}</script>'
    )


def llms_txt(site: Site) -> str:
    """Return the site as one list for language models (llmstxt.org): titles and addresses."""
    pages = [
        f"- [{page.title}]({site.address}{page.address}): {page.description}"
        for page in site.entries
    ]
    return "\n".join([f"# {site.name}", "", f"> {site.description}", "", *pages, ""])
